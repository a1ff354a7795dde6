"""The state that Redis holds as Prometheus reads it: read at the scrape, and never a reason for the scrape to fail."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from time import monotonic

import redis
import structlog
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from services.operator.metrics import reading
from services.operator.metrics.reading import State
from shared import metrics, risks
from shared.books import Account, Entry, GroupState
from shared.metrics import Asked

#: Several who scrape at once, or too often, cost Redis no more than one.
SHORTEST_SECONDS = 1.0
#: What counts against limits.queued_bytes.
BUDGETED = ("raw", "enriched", "dead_letters")
#: What is told of the books: events, and entries that only grow. A replay takes dead_lettered back.
TOLD: tuple[Entry, ...] = ("fetched", "delivered", "duplicates", "discarded")

Values = Iterable[tuple[tuple[str, ...], float]]

log = structlog.get_logger()


class StateCollector(Collector):
    """Reads `client` at a scrape. Safe between threads; blocks for as long as the client may."""

    def __init__(self, client: redis.Redis, max_queued_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._max_queued_bytes = max_queued_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._state: State | None = None
        self._why = ""

    def collect(self) -> Iterator[Metric]:
        """Yield each family; without Redis, only that it is away."""
        with self._lock:
            if self._read_at is None or monotonic() - self._read_at >= SHORTEST_SECONDS:
                self._state = self._read()
                self._read_at = monotonic()
            state = self._state
        yield _family(metrics.REDIS_UP, [((), float(state is not None))])
        if state is not None:
            yield from _of_all(state, self._clock(), self._max_queued_bytes)
            yield from _of_groups(state, int(self._clock() * 1000))

    def _read(self) -> State | None:
        try:
            state = reading.read(self._client)
        except (redis.RedisError, ValueError, TypeError) as error:  # msgspec's errors are ValueErrors
            if self._why != str(error):
                log.warning("the state cannot be read", why=str(error))
            self._why = str(error)
            return None
        if self._why:
            log.info("the state can be read again")
        self._why = ""
        return state


def _of_all(state: State, now: float, max_queued_bytes: int) -> Iterator[Metric]:
    queues, held, total = state.queues, state.bytes, state.total
    yield _family(metrics.QUEUE_BATCHES, [((queue.name,), queue.batches) for queue in queues])
    yield _family(metrics.QUEUE_BYTES, [((queue.name,), queue.bytes) for queue in queues])
    ages = (((queue.name,), max(0.0, now - queue.oldest_ms / 1000) if queue.oldest_ms else 0.0) for queue in queues)
    yield _family(metrics.QUEUE_AGE, ages)
    yield _family(metrics.QUEUE_WORKERS, [((queue.name,), queue.workers) for queue in queues])
    yield _family(metrics.BOOKS, [((name,), getattr(total, name)) for name in TOLD])
    single: dict[Asked, float | None] = {
        metrics.BUDGET_USED: sum(held.get(name, 0) for name in BUDGETED),
        metrics.BUDGET_LIMIT: max_queued_bytes,
        metrics.DEAD_LETTERS: state.dead_letters,
        metrics.DEAD_LETTER_BYTES: held.get("dead_letters", 0),
        metrics.ORIGINALS: state.kept_originals,
        metrics.ORIGINAL_BYTES: held.get("kept_originals", 0),
        metrics.BOOKS_DEAD: total.dead_lettered,
        metrics.IN_FLIGHT: total.in_flight,
        metrics.UNACCOUNTED: state.unaccounted,
    }
    for asked, value in single.items():
        if value is not None:
            yield _family(asked, [((), value)])


def _of_groups(state: State, now_ms: int) -> Iterator[Metric]:
    """Yield what there is to say of groups: counts of all, and of MAX_GROUPS more, those in trouble first."""
    said = [(group, account, _said(group, now_ms)) for group, account in state.groups]
    states = ("read", "unreadable", "gone", "late", "expiring", "silent")
    yield _family(metrics.GROUPS, [((name,), sum(name in words for _, _, words in said)) for name in states])
    alive = [each for each in said if "gone" not in each[2]]
    shown = sorted(alive, key=lambda each: _rank(*each))[: metrics.MAX_GROUPS]
    names = [(group.group.account_id, group.group.region, group.group.log_group) for group, _, _ in shown]
    for asked, word in (
        (metrics.GROUP_UNREADABLE, "unreadable"),
        (metrics.GROUP_SILENT, "silent"),
        (metrics.GROUP_EXPIRING, "expiring"),
        (metrics.GROUP_LATE, "late"),
    ):
        yield _family(asked, [(name, float(word in words)) for name, (_, _, words) in zip(names, shown, strict=True)])
    for asked, milliseconds in (
        (metrics.GROUP_READ, [group.read_ms for group, _, _ in shown]),
        (metrics.GROUP_UNREAD, [group.unread_ms for group, _, _ in shown]),
    ):
        known = [(name, value / 1000) for name, value in zip(names, milliseconds, strict=True) if value]
        yield _family(asked, known)
    lateness = [(name, group.lateness_ms / 1000) for name, (group, _, _) in zip(names, shown, strict=True)]
    yield _family(metrics.GROUP_LATENESS, lateness)
    entries = [
        ((*name, entry), getattr(account, entry))
        for name, (_, account, _) in zip(names, shown, strict=True)
        for entry in TOLD
    ]
    yield _family(metrics.GROUP_EVENTS, entries)


def _said(group: GroupState, now_ms: int) -> set[str]:
    """Return the words for how a group does; the label `state` of `cwpipe_groups`."""
    if group.gone:
        return {"gone"}
    at_risk = {kind for kind, text in risks.by_kind(group, now_ms).items() if text}
    return at_risk | {"unreadable" if group.fault else "read"}


def _rank(group: GroupState, account: Account, words: set[str]) -> tuple[bool, int, str, str]:
    """Return its place: those in trouble first, then those that deliver most."""
    return words == {"read"}, -account.delivered, group.group.region, group.group.log_group


def _family(asked: Asked, values: Values) -> Metric:
    family = asked.family()
    for labels, value in values:
        family.add_metric(labels, value)
    return family
