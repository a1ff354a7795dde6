"""Which group an audit is of, and by which source it is read."""

import msgspec
import redis
from msgspec import Struct

from shared import books
from shared.aws import discovery
from shared.aws.logs_api import LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import SettingsError
from shared.messages import GroupRef
from shared.settings.model import Source


class Target(Struct, frozen=True, kw_only=True):
    """A group, and the way to read it."""

    group: GroupRef
    source: Source
    session: SourceSession
    api: LogsApi


def find(client: redis.Redis, sources: tuple[Source, ...], log_group: str, region: str, source_name: str) -> Target:
    """Return the group of this name; `region` and `source_name` may be empty where the settings leave no choice.

    The first source of the settings that reads it is its own. Blocks on Redis, and on AWS for a group that was never read.
    Raises SettingsError when no source reads it, when there are several, or none at AWS.
    """
    if source_name and source_name not in {source.name for source in sources}:
        names = ", ".join(source.name for source in sources)
        raise SettingsError([f"--source {source_name}: there is none of this name, only {names}"])
    possible = [
        (source, place)
        for source in sources
        for place in source.regions
        if region in ("", place) and source_name in ("", source.name) and _covers(source, log_group)
    ]
    if not possible:
        where = "".join((f" --region {region}" if region else "", f" --source {source_name}" if source_name else ""))
        raise SettingsError([f"--group {log_group}{where}: no source of the settings reads it: see `cwpipe settings`"])
    read = {
        (state.source, state.group.region): state.group
        for state, _ in books.read(client).values()
        if state.group.log_group == log_group
    }
    known = [(source, place) for source, place in possible if (source.name, place) in read]
    source, place = _only_region(log_group, known or possible)
    session = SourceSession(source)
    api = LogsApi(session, source.name, place, lambda _: None)
    group = read.get((source.name, place)) or _at_aws(source, api, log_group)
    return Target(group=group, source=source, session=session, api=api)


def _covers(source: Source, log_group: str) -> bool:
    return any(discovery.matches(pattern, log_group) for pattern in source.log_groups)


def _only_region(log_group: str, possible: list[tuple[Source, str]]) -> tuple[Source, str]:
    regions = sorted({place for _, place in possible})
    if len(regions) > 1:
        raise SettingsError([f"--group {log_group}: it may be in {' or '.join(regions)}: choose one with --region"])
    return possible[0]


def _at_aws(source: Source, api: LogsApi, log_group: str) -> GroupRef:
    """Return a group that no fetcher has told of yet."""
    found = discovery.look(msgspec.structs.replace(source, log_groups=(log_group,)), api)
    if found.denied is not None:
        raise found.denied
    if not found.groups:
        raise SettingsError([f"--group {log_group}: there is no log group of this name in {api.region}"])
    return discovery.reference(found.groups[0], api.region)
