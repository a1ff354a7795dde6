"""Every metric of every role, listed once; served for Prometheus where `metrics_address` says so.

Names follow Prometheus: a unit at the end, `_total` for what only grows, a timestamp rather than an age. A role counts
only what it does itself, and exports nothing else. What is one for all roles, the state in Redis, is read by
`cwpipe metrics` when it is asked, and by nobody else: so a sum over replicas counts nothing twice.
docs/metrics.md is made from this list by `python -m shared.metrics_document`.
"""

from typing import Literal

from msgspec import Struct
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.errors import Unreachable
from shared.messages import GroupRef

Role = Literal["fetcher", "normalizer", "forwarder", "metrics"]

#: So many groups have series of their own in one process; a series costs Prometheus memory for as long as it is kept.
MAX_GROUPS = 200
#: The `log_group` of all the others, in what a process counts by group.
OTHER = "other"

_GROUP = ("account_id", "region", "log_group")


class Asked(Struct, frozen=True, kw_only=True):
    """A metric that nobody counts: its value is asked for when it is scraped."""

    name: str
    kind: Literal["counter", "gauge"]
    sentence: str
    labels: tuple[str, ...] = ()

    def family(self) -> CounterMetricFamily | GaugeMetricFamily:
        """Return it without any value yet."""
        made = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        return made(self.name, self.sentence, labels=self.labels)


def _counter(name: str, sentence: str, *labels: str) -> Counter:
    return Counter(name, sentence, labels, registry=None)


def _gauge(name: str, sentence: str, *labels: str) -> Gauge:
    return Gauge(name, sentence, labels, registry=None)


def _asked(name: str, sentence: str, *labels: str, kind: Literal["counter", "gauge"] = "gauge") -> Asked:
    return Asked(name=name, kind=kind, sentence=sentence, labels=labels)


API_CALLS = _counter("cwpipe_api_calls", "Calls to AWS.", "region", "operation")
CALLS_THROTTLED = _counter("cwpipe_throttled_calls", "Calls to AWS that it throttled.", "region", "operation")
CREDENTIALS_LEFT = _gauge(
    "cwpipe_credentials_remaining_seconds",
    "How long the AWS credentials in hand are valid; NaN: without an end, or not known.",
    "source",
)
EVENTS_FETCHED = _counter("cwpipe_fetched_events", "Events read from CloudWatch Logs, repeats included.")
EVENTS_DUPLICATE = _counter("cwpipe_duplicate_events", "Events that had been read before.")
BYTES_FETCHED = _counter("cwpipe_fetched_bytes", "Messages of new events, each character counted as one byte.", *_GROUP)
STREAMS_DELETED = _counter("cwpipe_deleted_streams", "Log streams deleted at AWS after their delivery.")
GROUPS_FAULTY = _gauge("cwpipe_faulty_groups", "Groups and sources that cannot be read now.")

EVENTS_NORMALIZED = _counter("cwpipe_normalized_events", "Events made into datagrams.")
EVENTS_DISCARDED = _counter("cwpipe_discarded_events", "Events dropped by a discard or keep rule.")
EVENTS_DEAD = _counter("cwpipe_dead_lettered_events", "Events that became dead letters.", "reason")

EVENTS_DELIVERED = _counter("cwpipe_delivered_events", "Events whose delivery was confirmed.")
BYTES_DELIVERED = _counter("cwpipe_delivered_bytes", "Datagrams whose delivery was confirmed.", *_GROUP)
DATAGRAMS_SENT_AGAIN = _counter("cwpipe_sent_again_datagrams", "Datagrams sent again after a doubt.")
RECEIVER_WAIT = _counter("cwpipe_receiver_wait_seconds", "Time spent waiting for the receiver.")
CONFIRM = Histogram(
    "cwpipe_confirm_seconds", "Time from sending a window of events to its confirmation.", registry=None
)
LAG = _gauge("cwpipe_lag_seconds", "Now less the newest timestamp of the batch delivered last.")
NEWEST = _gauge(
    "cwpipe_group_delivered_timestamp_seconds", "The newest timestamp of the events delivered so far.", *_GROUP
)
RECEIVER_FULL = _asked("cwpipe_receiver_queue_usage_ratio", "How full the fullest queue of the receiver is, 0 to 1.")
RECEIVER_PROCESSED = _asked(
    "cwpipe_receiver_processed_events", "Events that the receiver processed, of all who send to it.", kind="counter"
)
RECEIVER_DROPPED = _asked(
    "cwpipe_receiver_dropped_events", "Events that the receiver dropped, of all who send to it.", kind="counter"
)

REDIS_UP = _asked("cwpipe_redis_up", "Whether Redis answered, and what it holds could be read: 1 or 0.")
QUEUE_BATCHES = _asked("cwpipe_queue_batches", "Batches that wait on a queue or are being worked on.", "queue")
QUEUE_BYTES = _asked("cwpipe_queue_bytes", "Their bytes in Redis.", "queue")
QUEUE_AGE = _asked("cwpipe_queue_oldest_batch_age_seconds", "Age of the oldest of them; 0: there is none.", "queue")
QUEUE_WORKERS = _asked("cwpipe_queue_workers", "Workers alive on a queue.", "queue")
BUDGET_USED = _asked("cwpipe_budget_used_bytes", "Bytes of batches and dead letters that limits.queued_bytes bounds.")
BUDGET_LIMIT = _asked("cwpipe_budget_limit_bytes", "The setting limits.queued_bytes: beyond it fetching pauses.")
DEAD_LETTERS = _asked("cwpipe_dead_letters", "Dead letters that wait for an operator.")
DEAD_LETTER_BYTES = _asked("cwpipe_dead_letter_bytes", "Their bytes in Redis.")
ORIGINALS = _asked("cwpipe_kept_originals", "Originals of oversize events that are kept.")
ORIGINAL_BYTES = _asked("cwpipe_kept_original_bytes", "Their bytes in Redis.")
BOOKS = _asked(
    "cwpipe_books_events", "The books of all groups since the first start, by entry.", "entry", kind="counter"
)
BOOKS_DEAD = _asked("cwpipe_books_dead_lettered_events", "Events booked as dead letters; a replay takes them back.")
IN_FLIGHT = _asked("cwpipe_in_flight_events", "Events read and not yet accounted for.")
UNACCOUNTED = _asked(
    "cwpipe_unaccounted_events",
    "Difference of the books: events on no queue and with no end, or, below 0, with more than one end.",
)
GROUPS = _asked("cwpipe_groups", "Groups by what there is to say of them; one may be in several states.", "state")
GROUP_EVENTS = _asked(
    "cwpipe_group_events", "The books of a group since the first start, by entry.", *_GROUP, "entry", kind="counter"
)
GROUP_READ = _asked("cwpipe_group_read_timestamp_seconds", "Up to when a group was last read to its end.", *_GROUP)
GROUP_UNREAD = _asked("cwpipe_group_unread_timestamp_seconds", "Every older event of the group was read.", *_GROUP)
GROUP_LATENESS = _asked(
    "cwpipe_group_lateness_seconds", "The longest time from timestamp to ingestion seen lately.", *_GROUP
)
GROUP_UNREADABLE = _asked("cwpipe_group_unreadable", "Whether a group cannot be read now: 1 or 0.", *_GROUP)
GROUP_SILENT = _asked("cwpipe_group_silent", "Whether nothing new came for silent_after: 1 or 0.", *_GROUP)
GROUP_EXPIRING = _asked(
    "cwpipe_group_expiring", "Whether reading lags by half the retention of a group: 1 or 0.", *_GROUP
)
GROUP_LATE = _asked("cwpipe_group_late", "Whether events came later than late_window: 1 or 0.", *_GROUP)

#: What each role exports.
ROLES: dict[Role, tuple[Counter | Gauge | Histogram | Asked, ...]] = {
    "fetcher": (
        API_CALLS,
        CALLS_THROTTLED,
        CREDENTIALS_LEFT,
        EVENTS_FETCHED,
        EVENTS_DUPLICATE,
        BYTES_FETCHED,
        STREAMS_DELETED,
        GROUPS_FAULTY,
    ),
    "normalizer": (EVENTS_NORMALIZED, EVENTS_DISCARDED, EVENTS_DEAD),
    "forwarder": (
        EVENTS_DELIVERED,
        BYTES_DELIVERED,
        NEWEST,
        LAG,
        CONFIRM,
        RECEIVER_WAIT,
        DATAGRAMS_SENT_AGAIN,
        EVENTS_DEAD,
        RECEIVER_FULL,
        RECEIVER_PROCESSED,
        RECEIVER_DROPPED,
    ),
    "metrics": (
        REDIS_UP,
        QUEUE_BATCHES,
        QUEUE_BYTES,
        QUEUE_AGE,
        QUEUE_WORKERS,
        BUDGET_USED,
        BUDGET_LIMIT,
        DEAD_LETTERS,
        DEAD_LETTER_BYTES,
        ORIGINALS,
        ORIGINAL_BYTES,
        BOOKS,
        BOOKS_DEAD,
        IN_FLIGHT,
        UNACCOUNTED,
        GROUPS,
        GROUP_EVENTS,
        GROUP_READ,
        GROUP_UNREAD,
        GROUP_LATENESS,
        GROUP_UNREADABLE,
        GROUP_SILENT,
        GROUP_EXPIRING,
        GROUP_LATE,
    ),
}

#: Each role of a host has a port of its own, counted from the configured one. See `shifted` for more normalizers.
_PORT_OFFSETS: dict[Role, int] = {"fetcher": 0, "normalizer": 1, "forwarder": 2, "metrics": 3}
_MAX_PORT = 65_535

_named: dict[GroupRef, tuple[str, str, str]] = {}


def of_group(group: GroupRef) -> tuple[str, str, str]:
    """Return the labels of `group` in what this process counts by group.

    The first MAX_GROUPS groups that it meets keep their names for its life; all others are one, OTHER.
    """
    labels = _named.get(group)
    if labels is None:
        if len(_named) >= MAX_GROUPS:
            return "", "", OTHER
        labels = _named[group] = (group.account_id, group.region, group.log_group)
    return labels


def note_newest(group: GroupRef, newest_ms: int) -> None:
    """Note that an event of this timestamp was delivered: once a batch. It never goes back for an older one."""
    gauge = NEWEST.labels(*of_group(group))
    gauge.set(max(newest_ms / 1000, gauge._value.get()))


def shifted(address: str, by: int) -> str:
    """Return `address` with its port moved by `by`, or "" where there is no such port: for more roles of one kind."""
    host, _, port = address.rpartition(":")
    moved = int(port) + by if port else _MAX_PORT
    return f"{host}:{moved}" if moved + max(_PORT_OFFSETS.values()) <= _MAX_PORT else ""


def serve(address: str, role: Role, *asked: Collector) -> str:
    """Serve the metrics of this process's role at `address` ("host:port"), the port moved by the role; empty: not at all.

    `asked` collect what is asked for at each scrape. Returns where that is. Raises Unreachable when the port is taken.
    """
    if not address:
        return ""
    host, _, port = address.rpartition(":")
    wanted = int(port) + _PORT_OFFSETS[role]
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    counted = (metric for metric in ROLES[role] if not isinstance(metric, Asked))
    for collector in (*counted, *asked, ProcessCollector(registry=None)):
        registry.register(collector)
    try:
        start_http_server(wanted, host.strip("[]"), registry)
    except OSError as error:
        raise Unreachable(
            f"metrics_address: cannot listen on {host}:{wanted} for the {role}: {error.strerror}"
        ) from None
    return f"{host}:{wanted}"
