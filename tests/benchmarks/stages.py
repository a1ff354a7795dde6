"""One hop at work alone: the queue before it full, the queue behind it drained by nobody.

Roles are started while there is nothing to take, and let go when all are ready: their start is not measured.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from msgspec import Struct

from shared import books, keys, queues
from shared.queues import ENRICHED, RAW, Route
from tests.benchmarks import machine
from tests.benchmarks.processes import usage
from tests.benchmarks.site import Site, until

#: More than any bound of the fetcher: with so many bytes in the books of the queues it reads nothing.
HELD_BYTES = 1 << 50
#: For so long at most are roles held back, and batches may be without a place in a queue.
HELD_SECONDS = 120


class Pace(Struct):
    """What one hop did."""

    events: int
    seconds: float
    cpu_seconds: float
    """Of all its replicas."""
    redis_cpu_seconds: float
    pinned: bool
    """Each replica had a core of its own."""

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU us an event."""
        return self.cpu_seconds / self.events * 1e6

    @property
    def redis_us(self) -> float:
        """CPU us of Redis an event."""
        return self.redis_cpu_seconds / self.events * 1e6


class Crew(Struct, kw_only=True):
    """Who works on a hop."""

    config: Path
    replicas: int = 1
    prefix: Sequence[str] = ()
    """The program that runs each role: a profiler."""


class _Hop(Struct):
    """How one hop is let go, and when it is over."""

    role: str
    is_ready: Callable[[], bool]
    release: Callable[[], object]
    is_done: Callable[[], bool]


def fetch(site: Site, crew: Crew, events: int, groups: int) -> Pace:
    """Have fetchers read all events onto the queue `raw`. They divide the groups before they are let go."""
    client = site.client
    client.hset(keys.BYTES, RAW.queue, str(HELD_BYTES))

    def is_ready() -> bool:
        owners = client.hvals(keys.OWNERS)
        return len(owners) == groups and len(set(owners)) == crew.replicas

    def is_done() -> bool:
        return sum(account.fetched for _, account in books.read(client).values()) >= events

    hop = _Hop("fetcher", is_ready, lambda: client.hset(keys.BYTES, RAW.queue, "0"), is_done)
    return _measured(site, crew, events, hop)


def normalize(site: Site, crew: Crew, events: int) -> Pace:
    """Have normalizers drain the queue `raw`."""
    return _drained(site, crew, events, "normalizer", RAW)


def forward(site: Site, crew: Crew, events: int) -> Pace:
    """Have forwarders drain the queue `enriched`, to a receiver that must be there."""
    return _drained(site, crew, events, "forwarder", ENRICHED)


def _drained(site: Site, crew: Crew, events: int, role: str, route: Route) -> Pace:
    client, queue = site.client, f"rq:queue:{route.queue}"
    # A batch that is in no queue is given a job again by a worker that looks: none shall.
    client.set(keys.orphans(route.queue), "1", ex=HELD_SECONDS)
    client.rename(queue, "held")
    hop = _Hop(
        role,
        is_ready=lambda: queues.workers(client, route) >= crew.replicas,
        release=lambda: client.rename("held", queue),
        is_done=lambda: not client.zcard(keys.outstanding(route.queue)),
    )
    return _measured(site, crew, events, hop)


def _measured(site: Site, crew: Crew, events: int, hop: _Hop) -> Pace:
    cores, replicas = machine.cores(), crew.replicas
    pinned = len(cores) > replicas and not crew.prefix
    with ExitStack() as stack:
        places = cores[:replicas] if pinned else [None] * replicas
        roles = [site.role(hop.role, crew.config, prefix=crew.prefix, core=core) for core in places]
        pids = [stack.enter_context(role) for role in roles]
        until(hop.is_ready, f"{replicas} {hop.role} ready", HELD_SECONDS)
        before = _cpu(pids), site.redis_cpu_seconds()
        began = monotonic()
        hop.release()
        seconds = until(hop.is_done, f"{hop.role} done") - began
        return Pace(
            events=events,
            seconds=seconds,
            cpu_seconds=_cpu(pids) - before[0],
            redis_cpu_seconds=site.redis_cpu_seconds() - before[1],
            pinned=pinned,
        )


def _cpu(pids: Sequence[int]) -> float:
    return sum(usage(pid).cpu_seconds for pid in pids)
