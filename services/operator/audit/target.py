"""Which group an audit is of, and by which source it is read."""

import msgspec
import redis
from msgspec import Struct

from shared import books
from shared.aws import discovery
from shared.aws.logs_api import FoundGroup, LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import SettingsError
from shared.messages import GroupRef
from shared.settings import log_groups
from shared.settings.log_groups import Entry
from shared.settings.model import Source


class Target(Struct, frozen=True, kw_only=True):
    """A group, and the way to read it: with the same options as the fetcher does."""

    group: GroupRef
    source: Source
    session: SourceSession
    api: LogsApi
    is_linked: bool = False
    """It is read by ARN, as groups of linked accounts are."""


def find(client: redis.Redis, sources: tuple[Source, ...], log_group: str, region: str, source_name: str) -> Target:
    """Return the group of this name or ARN; `region` and `source_name` may be empty where the settings leave no choice.

    The first source of the settings that reads it is its own. Blocks on Redis, and on AWS for a group that was never read.
    Raises SettingsError when no source reads it, when there are several, or none at AWS.
    """
    if source_name and source_name not in {source.name for source in sources}:
        names = ", ".join(source.name for source in sources)
        raise SettingsError([f"--source {source_name}: there is none of this name, only {names}"])
    wanted = _wanted(log_group)
    possible = [
        (source, place)
        for source in sources
        for place in source.regions
        if region in ("", place) and source_name in ("", source.name) and _covers(source, place, wanted)
    ]
    if not possible:
        where = "".join((f" --region {region}" if region else "", f" --source {source_name}" if source_name else ""))
        raise SettingsError([f"--group {log_group}{where}: no source of the settings reads it: see `cwpipe settings`"])
    read: dict[tuple[str, str], list[GroupRef]] = {}
    for state, _ in books.read(client).values():
        group = state.group
        if group.log_group == wanted.name and wanted.account in ("", group.account_id):
            read.setdefault((state.source, group.region), []).append(group)
    known = [(source, place) for source, place in possible if (source.name, place) in read]
    source, place = _only_region(log_group, known or possible)
    session = SourceSession(source)
    api = LogsApi(session, source.name, place, lambda _: None)
    if (source.name, place) in read:
        found = discovery.known(source, _only_account(log_group, read[source.name, place]))
    else:
        found = _at_aws(source, api, log_group, wanted)
    group = discovery.reference(found, place)
    return Target(group=group, source=source, session=session, api=api.of(found), is_linked=bool(found.arn))


def _wanted(log_group: str) -> Entry:
    try:
        wanted = log_groups.read(log_group)
    except ValueError:
        raise SettingsError([f"--group {log_group}: is no ARN of a log group"]) from None
    if wanted.is_arn and not wanted.is_exact:
        raise SettingsError([f"--group {log_group}: must be one group, with its account"])
    return wanted


def _covers(source: Source, region: str, wanted: Entry) -> bool:
    """Say whether a source reads groups of this name, of any account if none is asked for."""
    if not wanted.is_in(region) or log_groups.is_excluded(source, wanted.name):
        return False
    entries = (log_groups.read(text) for text in source.log_groups)
    return any(entry.is_in(region) and entry.matches(wanted.account or entry.account, wanted.name) for entry in entries)


def _only_region(log_group: str, possible: list[tuple[Source, str]]) -> tuple[Source, str]:
    regions = sorted({place for _, place in possible})
    if len(regions) > 1:
        raise SettingsError([f"--group {log_group}: it may be in {' or '.join(regions)}: choose one with --region"])
    return possible[0]


def _only_account(log_group: str, groups: list[GroupRef]) -> GroupRef:
    if len(groups) > 1:
        arns = " or ".join(
            f"arn:{log_groups.partition(group.region)}:logs:{group.region}:{group.account_id}:log-group:{group.log_group}"
            for group in groups
        )
        raise SettingsError([f"--group {log_group}: several accounts have it: give its ARN, {arns}"])
    return groups[0]


def _at_aws(source: Source, api: LogsApi, log_group: str, wanted: Entry) -> FoundGroup:
    """Return a group that no fetcher has told of yet."""
    entries = (log_groups.read(text) for text in source.log_groups)
    texts = (
        [wanted.text]
        if wanted.is_arn
        else [entry.narrowed(wanted.name) for entry in entries if entry.matches(entry.account, wanted.name)]
    )
    found = discovery.look(msgspec.structs.replace(source, log_groups=tuple(dict.fromkeys(texts))), api)
    if found.denied is not None:
        raise found.denied
    if not found.groups:
        raise SettingsError([f"--group {log_group}: there is no log group of this name in {api.region}"])
    _only_account(log_group, [discovery.reference(group, api.region) for group in found.groups])
    return found.groups[0]
