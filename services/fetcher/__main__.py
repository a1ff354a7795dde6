"""`cwpipe fetcher`: wiring, and the loop until a signal."""

import signal
import threading
from collections.abc import Callable

import redis
import structlog

from services.fetcher.budget import ByteBudget
from services.fetcher.discovery_task import DiscoveryTask
from services.fetcher.fetching import Fetching
from services.fetcher.leases import Leases
from services.fetcher.schedule import Schedule
from services.fetcher.search import digest_of
from shared import allocator, collector, keys, logs, metrics, queues, store
from shared.aws.limiter import Limiter
from shared.aws.logs_api import LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import Incomplete
from shared.liveness import Liveness
from shared.settings.load import Loaded, require_sources
from shared.settings.model import Source

log = structlog.get_logger()


def main(loaded: Loaded, *, once: bool = False) -> None:
    """Fetch until SIGTERM or SIGINT; with `once`, until every group has been read up to now or failed for good.

    Raises SettingsError, Unreachable, and with `once` Incomplete, each naming what is at fault.
    """
    settings = loaded.settings
    logs.set_up(settings.log.level, settings.log.format, role="fetcher")
    require_sources(loaded)
    client = store.opened(settings)
    metrics.serve(settings.metrics_address, role="fetcher")
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    liveness = Liveness(settings.alive_file)
    schedule = Schedule(settings.limits.fetch_threads, stop, liveness.touch)
    leases = None if once else Leases(client, digest_of(*settings.sources))
    limiter = Limiter(client, settings.limits.quota_share, stop)
    fetching = Fetching(
        queues.open_queue(client, queues.RAW),
        ByteBudget(client, settings.limits.queued_bytes),
        schedule,
        stop,
        once=once,
        audit_window_ms=settings.limits.audit_window,
        leases=leases,
    )
    if leases is not None:
        leases.changed, limiter.members = fetching.settle, leases.members
        leases.start()
    _add_searches(settings.sources, fetching, limiter, client, liveness.touch)
    allocator.settle()
    collector.settle()
    log.info("fetcher ready", sources=len(settings.sources), once=once)
    try:
        complete = schedule.run()
    finally:
        if leases is not None:
            leases.stop()
    log.info("fetcher stopped")
    if once and fetching.faults:
        raise Incomplete(f"{len(fetching.faults)} could not be read: {'; '.join(sorted(fetching.faults))}")
    if once and not complete:
        raise Incomplete("stopped before every group was read: run it again, it goes on from there")


def _add_searches(
    sources: tuple[Source, ...], fetching: Fetching, limiter: Limiter, client: redis.Redis, alive: Callable[[], None]
) -> None:
    """Have the groups of each source be looked for in each of its regions."""
    for rank, source in enumerate(sources):
        session = SourceSession(source)
        metrics.CREDENTIALS_LEFT.labels(source.name).set_function(session.credentials_seconds)
        for region in source.regions:
            api = LogsApi(session, source.name, region, _counter(client, region, alive), limiter)
            fetching.schedule.add(DiscoveryTask(fetching, rank, source, api))


def _counter(client: redis.Redis, region: str, alive: Callable[[], None]) -> Callable[[str], None]:
    """Return what counts the calls to AWS, each a sign of life: for this process's metrics and, for everybody, in Redis."""

    def count(operation: str) -> None:
        alive()
        metrics.API_CALLS.labels(region, operation).inc()
        client.hincrby(keys.API_CALLS, f"{region} {operation}", 1)

    return count
