"""Which log groups there are, and which source owns each: the first in the settings that matches."""

import fnmatch
import re
from collections.abc import Iterator

from msgspec import Struct

from shared.aws.logs_api import FoundGroup, LogsApi
from shared.errors import SourceDenied
from shared.messages import GroupRef
from shared.settings.model import Source

_GLOB = re.compile(r"[*?\[]")
READABLE_CLASS = "STANDARD"


class Discovered(Struct, frozen=True, kw_only=True):
    """What one look at one source in one region found."""

    groups: tuple[FoundGroup, ...]
    missing: tuple[str, ...]
    """Exact names that do not exist there."""
    denied: SourceDenied | None = None
    """Why some of the patterns could not be looked for: there may be more groups."""


def look(source: Source, api: LogsApi) -> Discovered:
    """Return the groups of `source` in the region of `api`. Blocks on AWS; raises SourceError."""
    found: dict[str, FoundGroup] = {}
    missing = []
    denied = None
    for pattern in source.log_groups:
        try:
            matches = list(_matching(pattern, api))
        except SourceDenied as error:
            denied = error  # an exact name beside it can be read all the same
            continue
        found.update((group.name, group) for group in matches)
        if not matches and not _GLOB.search(pattern):
            missing.append(pattern)
    return Discovered(groups=tuple(found.values()), missing=tuple(missing), denied=denied)


def reference(found: FoundGroup, region: str) -> GroupRef:
    """Return the identity of `found`."""
    return GroupRef(account_id=found.account_id, region=region, log_group=found.name)


def matches(pattern: str, group: str) -> bool:
    """Say whether a name or glob of the settings covers `group`. Upper and lower case differ, as in AWS."""
    return fnmatch.fnmatchcase(group, pattern)


def _matching(pattern: str, api: LogsApi) -> Iterator[FoundGroup]:
    glob = _GLOB.search(pattern)
    if glob is None:
        yield from _by_name(pattern, api)
        return
    for group in api.groups(pattern[: glob.start()]):
        if matches(pattern, group.name):
            yield group


def _by_name(name: str, api: LogsApi) -> Iterator[FoundGroup]:
    """Yield the group of exactly this name. AWS sorts by name, so it comes first among those that begin with it."""
    try:
        for group in api.groups(name):
            if group.name == name:
                yield group
                return
    except SourceDenied:
        # A policy may allow reading a group and not listing it: take the name on trust, the first read will tell.
        yield FoundGroup(name=name, account_id=api.account_id(), log_class=READABLE_CLASS, created_ms=0)
