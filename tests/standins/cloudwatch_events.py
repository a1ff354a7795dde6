"""Events, their order, and the cutting of pages: no I/O, no clock.

Order is (timestamp, ingestion time, arrival). A position is a place in that order; reading goes on strictly after it.
"""

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

#: What AWS adds to every event's UTF-8 bytes when it measures a page or a batch.
EVENT_OVERHEAD_BYTES = 26
MAX_PAGE_BYTES = 1024 * 1024
MAX_PAGE_EVENTS = 10_000

_ID_TIME_SHIFT = 144
_ID_LOW_MASK = (1 << 143) - 1
#: Odd, so multiplication by it modulo a power of two never maps two numbers to one; and the ids lose all order
#: within a millisecond, so that a reader that sorts by them is found out.
_ID_SCRAMBLE = 0x5BD1E995_9E3779B9_7F4A7C15_F39CC060_5CED


class Position(NamedTuple):
    """A place in the order of a group's events."""

    timestamp_ms: int
    ingestion_ms: int
    sequence: int


class Event(NamedTuple):
    """One stored event; compares by position, since no two share a sequence."""

    timestamp_ms: int
    ingestion_ms: int
    sequence: int
    stream: str
    message: str
    visible_at_ms: int
    size: int
    wire: bytes

    @property
    def position(self) -> Position:
        """Where it stands in its group."""
        return Position(self.timestamp_ms, self.ingestion_ms, self.sequence)


def event_number(timestamp_ms: int, sequence: int) -> int:
    """Return an event's eventId as a number."""
    return (timestamp_ms << _ID_TIME_SHIFT) | (sequence * _ID_SCRAMBLE & _ID_LOW_MASK)


def event_id(timestamp_ms: int, sequence: int) -> str:
    """Return 56 digits whose upper bits are the timestamp, as AWS makes them."""
    return f"{event_number(timestamp_ms, sequence):056d}"


def json_text(text: str) -> bytes:
    """Return `text` as a JSON string in UTF-8; a lone surrogate, which UTF-8 cannot hold, becomes an escape."""
    try:
        return msgspec.json.encode(text)
    except UnicodeEncodeError:
        return json.dumps(text).encode("ascii")


def message_size(message: str) -> int:
    """Return what a message counts towards a page."""
    return len(message.encode("utf-8", "surrogatepass")) + EVENT_OVERHEAD_BYTES


def make_event(position: Position, stream: str, message: str, visible_at_ms: int) -> Event:
    """Return an event with its bytes on the wire already made."""
    wire = b'{"logStreamName":%b,"timestamp":%d,"message":%b,"ingestionTime":%d,"eventId":"%b"}' % (
        json_text(stream),
        position.timestamp_ms,
        json_text(message),
        position.ingestion_ms,
        event_id(position.timestamp_ms, position.sequence).encode(),
    )
    return Event(*position, stream, message, visible_at_ms, message_size(message), wire)


@dataclass(frozen=True)
class Query:
    """Which of a group's events are wanted."""

    start_ms: int
    end_ms: int
    """Inclusive."""
    streams: frozenset[str] = frozenset()
    """Empty: all."""
    prefix: str = ""
    contains: str = ""
    newest_first: bool = False

    @property
    def takes_all(self) -> bool:
        """Whether only time chooses, oldest first."""
        return not (self.streams or self.prefix or self.contains or self.newest_first)

    def matches(self, stream: str, message: str) -> bool:
        """Return whether an event of the right time is wanted."""
        if self.streams and stream not in self.streams:
            return False
        return stream.startswith(self.prefix) and self.contains in message


@dataclass(frozen=True)
class Limits:
    """How much one page may hold, and how many of its last positions are to be remembered."""

    events: int = MAX_PAGE_EVENTS
    bytes: int = MAX_PAGE_BYTES
    tail: int = 0


@dataclass(frozen=True)
class Chunk:
    """The events of one page, in runs that are joined with commas already: they are long, and copied as little as may be."""

    runs: Sequence[bytes | memoryview] = ()
    count: int = 0
    last: Position | None = None
    tail: list[Position] = field(default_factory=list)
    more: bool = False
    """Whether a wanted event comes after."""


def cut(events: Iterable[Event], limits: Limits) -> Chunk:
    """Return as many of `events` as fit; always one, however long it is."""
    wires: list[bytes] = []
    tail: deque[Position] = deque(maxlen=limits.tail)
    last: Position | None = None
    size = 0
    more = False
    for event in events:
        size += event.size
        if wires and (len(wires) >= limits.events or size > limits.bytes):
            more = True
            break
        wires.append(event.wire)
        last = event.position
        tail.append(last)
    return Chunk(runs=[b",".join(wires)] if wires else [], count=len(wires), last=last, tail=list(tail), more=more)
