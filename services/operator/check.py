"""`cwpipe check`: try everything a run needs, a line each."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from services.operator.server import running_url
from shared import receiver, store
from shared.aws import discovery
from shared.aws.logs_api import LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import CwpipeError, Incomplete, Unreachable
from shared.settings.load import Loaded, require_sources
from shared.settings.model import Source

#: Groups of one source and region that are read from, to see whether that is allowed; a call each.
TRIED_GROUPS = 20

#: One line of the check: what was tried, and what went wrong with it, if anything.
Finding = tuple[str, CwpipeError | None]


def check(loaded: Loaded, data_dir: Path, say: Callable[[str], None] = print) -> None:
    """Say for each need whether it is met. Blocks on network and Redis; changes nothing.

    Raises Unreachable or Incomplete when something is not, SettingsError when no source is given.
    """
    require_sources(loaded)
    say(f"ok    settings: {loaded.file or 'environment and defaults'}")
    worst: CwpipeError | None = None
    for what, error in _findings(loaded, data_dir):
        say(f"FAIL  {what}: {error}" if error else f"ok    {what}")
        if error and (worst is None or error.exit_code < worst.exit_code):
            worst = error
    if isinstance(worst, Unreachable):
        raise Unreachable("check failed: mend what is marked FAIL above")
    if worst is not None:
        raise Incomplete("check failed: mend what is marked FAIL above")


def _findings(loaded: Loaded, data_dir: Path) -> Iterator[Finding]:
    yield _server(loaded.settings.redis_url, data_dir)
    yield _receiver(loaded.settings.wazuh.queue_socket, loaded.settings.wazuh.confirm)
    for source in loaded.settings.sources:
        session = SourceSession(source)
        for region in source.regions:
            yield from _source(source, LogsApi(session, source.name, region, lambda _: None))


def _server(redis_url: str, data_dir: Path) -> Finding:
    url = redis_url or running_url(data_dir)
    if not url:
        return _embedded(data_dir)
    try:
        client = store.connect(url)
        store.verify(client, url)
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
    except CwpipeError as error:
        return "Redis", error
    except redis.RedisError:
        policy = "noeviction"  # a managed Redis refuses CONFIG: nothing can be said of it
    if policy != "noeviction":
        return "Redis", Unreachable(f"maxmemory-policy is {policy}, which throws away queued events: set noeviction")
    return "Redis answers", None


def _embedded(data_dir: Path) -> Finding:
    place = data_dir
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        return "embedded server", Unreachable(f"{data_dir} cannot be written to: choose another --data-dir")
    return f"embedded server, data in {data_dir}", None


def _receiver(path: str, confirm: str) -> Finding:
    try:
        receiver.connect(path).close()
    except OSError as error:
        return "receiver", Unreachable(receiver.explain(path, error))
    return f"receiver at {path}, events confirmed when {confirm}", None


def _source(source: Source, api: LogsApi) -> Iterator[Finding]:
    where = f"source {source.name}, region {api.region}"
    try:
        found = discovery.look(source, api)
    except CwpipeError as error:
        yield where, error
        return
    accounts = ", ".join(sorted({group.account_id for group in found.groups}))
    yield f"{where}: {len(found.groups)} log groups" + (f" of account {accounts}" if accounts else ""), None
    for name in found.missing:
        yield f"{where}, group {name}", Incomplete("there is no log group of this name: correct log_groups or regions")
    for group in found.groups[:TRIED_GROUPS]:
        what = f"{where}, group {group.name}"
        if group.log_class != discovery.READABLE_CLASS:
            yield what, Incomplete(f"its class {group.log_class} cannot be read: only STANDARD")
            continue
        try:
            api.page(group.name, 0, 0)
        except CwpipeError as error:
            yield what, error
        else:
            yield f"{what} can be read", None
    if len(found.groups) > TRIED_GROUPS:
        yield f"{where}: {len(found.groups) - TRIED_GROUPS} more groups were found and not tried", None
