"""Everything that is kept in Redis or crosses a queue, as plain data: msgspec Structs, no behaviour, no import of ours.

Tags carry a version. A new field has a default; a changed meaning is a new tag, read beside the old one for a release.
Unknown fields are ignored on purpose, so that an older worker survives a rolling upgrade.
Times are integer milliseconds since 1970 UTC, as CloudWatch Logs counts them.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

#: What Redis and MessagePack can count to: a page with a time beyond it could be read, and never be queued.
TimeMs = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class GroupRef(Struct, frozen=True, kw_only=True):
    """One log group: the unit of work, of checkpoints and of the books."""

    account_id: str
    region: str
    log_group: str


class LogEvent(Struct, frozen=True, kw_only=True, gc=False):
    """One event as FilterLogEvents gives it; the field names on the wire are AWS's own."""

    event_id: str = field(name="eventId")
    log_stream: str = field(name="logStreamName")
    timestamp_ms: TimeMs = field(name="timestamp")
    ingestion_ms: TimeMs = field(name="ingestionTime", default=0)
    message: str = ""


class RawBatch(Struct, frozen=True, kw_only=True, tag_field="kind", tag="raw.v1"):
    """Events of one page of one group, or of some that were read in a row, of many streams, in the order they were read."""

    batch_id: str
    group: GroupRef
    source: str
    """Name of the source in the settings that owns the group: it decides format, discard and keep rules."""
    events: tuple[LogEvent, ...]
    backfill: bool = False
    """Read by a backfill: what becomes of it says so, that rules can tell it from what happens now."""


class EnrichedBatch(Struct, frozen=True, kw_only=True, tag_field="kind", tag="enriched.v1"):
    """The same events as the datagrams that will be sent, byte for byte."""

    batch_id: str
    group: GroupRef
    datagrams: tuple[bytes, ...]
    continued: tuple[int, ...] = ()
    """Ascending indexes of datagrams that are not the last of their event (an oversize text travels in parts)."""
    newest_ms: int = 0
    """The newest timestamp among the events: lag is measured against it."""


class DeadLetter(Struct, frozen=True, kw_only=True, tag_field="kind", tag="dead_letter.v1"):
    """One event, or one undecodable payload, that will not be delivered, whole, with why."""

    reason: str
    at_ms: int
    group: GroupRef | None = None
    source: str = ""
    event: LogEvent | None = None
    payload: bytes = b""
    """What could not be decoded or sent, where there is no event to keep."""
    events: int = 1
    """Events of the books that it stands for."""
    queue: str = ""
    """The queue on which `payload` was a batch that could not be decoded; empty: `payload` is a datagram."""
    batch_id: str = ""
    """The id of that batch: an undecodable payload goes back under it, as the id within may not be another."""
    facts: bytes = b""
    """The facts of that batch, as JSON: its job needs them again, and the books were told of its events under them."""
    backfill: bool = False
    """`event` was read by a backfill."""


class KeptOriginal(Struct, frozen=True, kw_only=True, tag_field="kind", tag="kept_original.v1"):
    """The whole of an event that was too long for one datagram; what was made of it was delivered."""

    at_ms: int
    group: GroupRef
    event: LogEvent


class OpenSlice(Struct, frozen=True, kw_only=True):
    """A read in progress of the time range [from_ms, to_ms], both included, and how far it is."""

    from_ms: int
    to_ms: int
    started_ms: int
    """When the reading began: events visible then were all read once the slice is complete."""
    is_sweep: bool = False
    """A second look at a stretch that was read before, for events that arrived late."""
    is_deep: bool = False
    """A sweep of what is behind `swept_ms` already: see DeepSweeps."""
    token: str = ""
    """Where the next page begins; empty: at the start of the range."""
    newest_ms: int = 0
    """The newest timestamp read so far in this slice."""
    in_order: bool = True
    """No page so far stepped back in time by more than ten seconds, so all before `newest_ms` less those has been read."""
    events: int = 0
    """Events read so far in this slice, duplicates included."""


class DeepSweeps(Struct, frozen=True, kw_only=True):
    """How far the deep sweeps of one group are, and what they may take for read: see services/fetcher/sweeps.py."""

    begun_ms: int
    """When the last complete one began; of the first, when sweeping was turned on."""
    read_ms: int
    """Of every timestamp below `to_ms`, all that could be read at this time was read."""
    to_ms: int
    """Where the last complete one ended."""
    from_ms: int
    """Where the next one begins. Nothing below is ever read again; only grows."""
    late_window_ms: int
    """Timestamps from `late_window_since_ms` on were, or will be, read when they were at least so old."""
    late_window_before_ms: int = 0
    """The same, of timestamps from `to_ms` to before `late_window_since_ms`."""
    late_window_since_ms: int
    open_slice: OpenSlice | None = None


class Checkpoint(Struct, frozen=True, kw_only=True, tag_field="kind", tag="checkpoint.v1"):
    """How far one group has been read. Written in the same transaction as the batches it speaks of."""

    sequence: int = 0
    """Commits so far; part of every batch id."""
    watermark_ms: int
    """Every timestamp below was read completely at least once."""
    swept_ms: int
    """Every timestamp below was read again after it was late_window old: neither tail nor sweep returns to it."""
    lateness_ms: int = 0
    """The longest (ingestion - timestamp) seen in this late_window and the one before, late_window at most."""
    lateness_next_ms: int = 0
    """The same, of the running late_window alone."""
    lateness_since_ms: int = 0
    """When the running late_window of that measurement began."""
    open_slice: OpenSlice | None = None
    deep: DeepSweeps | None = None
    """None: no deep sweeps."""
    latest_ms: int = 0
    """The longest (ingestion - timestamp) seen in the running period and the one before, of all events; see lateness.py."""
    latest_next_ms: int = 0
    """The same, of the running period alone."""
    latest_since_ms: int = 0
    """When the running period of that measurement began."""
    start_ms: int | None = None
    """Where the first read began: every event from there on is the tail's. None: begun by a release that did not note it."""


class TimeRange(Struct, frozen=True, kw_only=True):
    """Timestamps from `from_ms` to `to_ms`, both included."""

    from_ms: int
    to_ms: int


class BackfillPart(TimeRange, frozen=True, kw_only=True):
    """A range that a backfill reads in one go."""

    again: bool = False
    """It was delivered before, and is wanted once more."""


BackfillState = Literal["waiting", "running", "done", "cancelled"]


class Backfill(Struct, frozen=True, kw_only=True):
    """One request to read the past of a group, and how far it is: see services/fetcher/backfill_steps.py."""

    backfill_id: str
    parts: tuple[BackfillPart, ...]
    """In order of time, apart from one another."""
    asked_ms: int
    state: BackfillState = "waiting"
    part: int = 0
    """The part being read: its place in `parts`."""
    token: str = ""
    """Where the next page begins; empty: at `begin_ms`."""
    begin_ms: int = 0
    """Where the reading began that `token` belongs to."""
    certain_ms: int = 0
    """Every timestamp of the part below was read, as far as AWS's pages are in order."""
    newest_ms: int = 0
    """The newest timestamp read so far in this part; 0: none."""
    in_order: bool = True
    """No page of this part stepped back in time by more than pages may overlap."""
    started_ms: int = 0
    changed_ms: int = 0
    """When the last page was committed, or the request came to its end."""
    pages: int = 0
    events: int = 0
    """Events read, duplicates included."""
    bytes: int = 0
    """Of the messages of those events, in characters."""
    fault: str = ""
    """Why it cannot be read now; empty: it can."""


class Backfills(Struct, frozen=True, kw_only=True, tag_field="kind", tag="backfills.v1"):
    """All backfills of one group. Written in the same transaction as the batches it speaks of."""

    sequence: int = 0
    """Commits so far; part of every batch id."""
    requests: tuple[Backfill, ...] = ()
    """In the order in which they were asked for; of those that ended, the newest."""
    covered: tuple[TimeRange, ...] = ()
    """What backfills delivered so far: in order of time, apart from one another."""
    start_ms: int | None = None
    """Where the tail began, by what was known at the first request: a checkpoint of an older release does not tell."""
    edge_minute: int = 0
    """Of the minute in which the digests begin, in minutes since 1970, what was read and is not in them yet."""
    edge_count: int = 0
    edge_sum: int = 0
