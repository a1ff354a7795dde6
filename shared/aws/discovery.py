"""Which log groups there are, and which source owns each: the first in the settings that matches."""

from collections.abc import Iterator

from msgspec import Struct

from shared.aws import lookups
from shared.aws.logs_api import FoundGroup, LogsApi
from shared.aws.lookups import Lookup
from shared.errors import CredentialsExpired, SourceDenied, SourceError
from shared.messages import GroupRef
from shared.settings import log_groups
from shared.settings.log_groups import Entry
from shared.settings.model import Source

READABLE_CLASS = "STANDARD"


class Discovered(Struct, frozen=True, kw_only=True):
    """What one look at one source in one region found."""

    groups: tuple[FoundGroup, ...]
    missing: tuple[str, ...]
    """Entries of log_groups that name one group, which does not exist there."""
    denied: SourceDenied | None = None
    """Why some of the patterns could not be looked for: there may be more groups."""


def look(source: Source, api: LogsApi) -> Discovered:
    """Return the groups of `source` in the region of `api`. Blocks on AWS; raises SourceError."""
    entries = [log_groups.read(text) for text in source.log_groups]
    found: dict[tuple[str, str], FoundGroup] = {}
    seen: set[Entry] = set()
    denied = None
    for lookup in lookups.plan(entries, api.region):
        try:
            groups = _looked_up(api, lookup)
        except SourceDenied as error:
            # What is named exactly can be read all the same: take it on trust, the first read will tell.
            groups = [_on_trust(api, entry) for entry in lookup.entries if entry.is_exact]
            if len(groups) < len(lookup.entries):
                denied = error
        for group in groups:
            seen.update(entry for entry in lookup.entries if entry.matches(group.account_id, group.name))
            known = found.get((group.account_id, group.name))
            if known is None or known.arn:  # the account of the credentials goes by names: its policies may name these
                found[group.account_id, group.name] = group
    return Discovered(
        groups=tuple(group for group in found.values() if not log_groups.is_excluded(source, group.name)),
        missing=tuple(entry.text for entry in entries if entry.is_exact and entry not in seen),
        denied=denied,
    )


def reference(found: FoundGroup, region: str) -> GroupRef:
    """Return the identity of `found`."""
    return GroupRef(account_id=found.account_id, region=region, log_group=found.name)


def title(found: FoundGroup) -> str:
    """Return how faults call a group: one of a linked account may have the name of another."""
    return f"group {found.name}" + (f" of account {found.account_id}" if found.arn else "")


def known(source: Source, group: GroupRef) -> FoundGroup:
    """Return a group that was found by `source` before, as it is to be read. Asks nobody."""
    entries = [log_groups.read(text) for text in source.log_groups]
    covering = [
        entry for entry in entries if entry.is_in(group.region) and entry.matches(group.account_id, group.log_group)
    ]
    by_arn = any(entry.is_arn for entry in covering)
    partition = log_groups.partition(group.region)
    arn = f"arn:{partition}:logs:{group.region}:{group.account_id}:log-group:{group.log_group}"
    return FoundGroup(
        name=group.log_group,
        account_id=group.account_id,
        log_class=READABLE_CLASS,
        created_ms=0,
        arn=arn if by_arn else "",  # AWS takes it for a group of the own account too
    )


def _looked_up(api: LogsApi, lookup: Lookup) -> list[FoundGroup]:
    """Return the groups that a lookup was made for."""
    if not lookup.names:
        found = _wanted(api, lookup)
        return list(_described(api, lookup, list(found)) if lookup.part else found)
    try:
        return list(_wanted(api, lookup))
    except (SourceDenied, CredentialsExpired):
        raise
    except SourceError as error:
        if not error.lasting:
            raise
    # Whether AWS refuses a list that holds a name which does not exist is not documented.
    return [group for one in lookups.by_name(lookup) for group in _wanted(api, one)]


def _wanted(api: LogsApi, lookup: Lookup) -> Iterator[FoundGroup]:
    for group in api.groups(lookup.prefix, part=lookup.part, names=lookup.names, accounts=lookup.accounts):
        if lookup.wants(group.account_id, group.name):
            yield group
            if lookup.is_of_one:
                return  # AWS sorts by name, so it comes first among those that begin with it


def _described(api: LogsApi, lookup: Lookup, short: list[FoundGroup]) -> Iterator[FoundGroup]:
    """Yield the same groups with class and retention."""
    for first in range(0, len(short), lookups.MAX_NAMES):
        some = short[first : first + lookups.MAX_NAMES]
        names = tuple(group.arn or group.name for group in some)
        try:
            full = {
                (group.account_id, group.name): group for group in api.groups(names=names, accounts=lookup.accounts)
            }
        except SourceError as error:
            if not error.lasting or isinstance(error, CredentialsExpired):
                raise
            full = {}  # a group deleted meanwhile, perhaps; of the others, the first read will tell their class
        yield from (full.get((group.account_id, group.name), group) for group in some)


def _on_trust(api: LogsApi, entry: Entry) -> FoundGroup:
    return FoundGroup(
        name=entry.name,
        account_id=entry.account or api.account_id(),
        log_class=READABLE_CLASS,
        created_ms=0,
        arn=entry.arn(api.region) if entry.is_arn else "",
    )
