"""A log group of any size that stores nothing: event number i is computed, and so is the place of a timestamp.

Events are dealt to the streams in turn and spread evenly over the time span, so several may share a millisecond.
What was made is kept, up to a bound, as bytes that pages are cut from: the stand-in must be faster than what reads from it.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.standins.cloudwatch_blocks import BLOCK_EVENTS, Block, Quote, make_block
from tests.standins.cloudwatch_events import (
    EVENT_OVERHEAD_BYTES,
    Chunk,
    Event,
    Limits,
    Position,
    Query,
    event_number,
    make_event,
    message_size,
)
from tests.standins.cloudwatch_groups import Details, Group, Stream

MessageFactory = Callable[[int], str]

#: Virtual groups number their events in ranges this far apart, and apart from what is stored.
_SEQUENCES_A_GROUP = 1 << 48
_NUMBERS = itertools.count(1)
_AFTER_NUMBER = " level=info user=alice action=read result=ok "


def numbered_messages(length: int = 200) -> MessageFactory:
    """Return a factory of messages of this many bytes, at least 18, that tells its events apart."""
    rest = _AFTER_NUMBER.ljust(length, ".")[: length - 18]
    return lambda index: f"event {index:012d}{rest}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many events a virtual group has, and where in time."""

    streams: int
    events_per_stream: int
    start_ms: int
    span_ms: int
    message: MessageFactory = field(default_factory=numbered_messages)
    ingestion_delay_ms: int = 0
    """An event is ingested, and visible, this long after its timestamp."""
    kept_bytes: int = 512 * 1024 * 1024
    """How much of what was made is kept to be served again."""

    @property
    def total(self) -> int:
        """The number of events."""
        return self.streams * self.events_per_stream

    def timestamp(self, index: int) -> int:
        """Return the time of an event."""
        return self.start_ms + index * self.span_ms // self.total

    def first_at(self, timestamp_ms: int) -> int:
        """Return the number of the first event that is not before `timestamp_ms`."""
        into = timestamp_ms - self.start_ms
        if into <= 0:
            return 0
        if self.span_ms == 0:
            return self.total
        return min(self.total, -(-into * self.total // self.span_ms))

    def stream(self, index: int) -> str:
        """Return the name of the stream that an event belongs to."""
        return f"stream-{index % self.streams:07d}"


class VirtualGroup(Group):
    """A group that computes its events. Without locks: nothing in it changes but the blocks kept."""

    def __init__(self, details: Details, plan: Plan) -> None:
        super().__init__(details)
        self.plan = plan
        self._base = next(_NUMBERS) * _SEQUENCES_A_GROUP
        self._blocks: dict[int, Block] = {}
        self._kept_bytes = 0
        self._streams: list[Stream] = []
        self._heads = [f'{{"logStreamName":"{plan.stream(n)}","timestamp":' for n in range(plan.streams)]

    def scan(self, query: Query, after: Position | None, now_ms: int) -> Iterator[Event]:
        """Yield the visible events that `query` wants after a position, in its direction."""
        for index in self._indexes(query, after, now_ms):
            event = self._event(index)
            if query.matches(event.stream, event.message):
                yield event

    def at(self, positions: Sequence[Position]) -> list[Event]:
        """Return the events at exactly these positions."""
        return [self._event(position.sequence - self._base) for position in positions]

    def streams(self, now_ms: int) -> list[Stream]:
        """Return the streams, by name, as the events ingested up to `now_ms` show them."""
        visible = self.plan.first_at(now_ms - self.plan.ingestion_delay_ms + 1)
        if visible < self.plan.total:
            return [self._stream(number, visible) for number in range(self.plan.streams)]
        if not self._streams:
            self._streams = [self._stream(number, visible) for number in range(self.plan.streams)]
        return self._streams

    def has_stream(self, name: str) -> bool:
        """Return whether such a stream exists."""
        number = name.removeprefix("stream-")
        return number.isdigit() and int(number) < self.plan.streams and name == self.plan.stream(int(number))

    def stored_bytes(self) -> int:
        """Return what the group weighs if all its messages are as long as the first."""
        return self.plan.total * self._event(0).size if self.plan.total else 0

    def read(self, query: Query, after: Position | None, limits: Limits, now_ms: int) -> Chunk:
        """Return one page: ready-made bytes when only time chooses, event by event otherwise."""
        if not query.takes_all:
            return super().read(query, after, limits, now_ms)
        indexes = self._indexes(query, after, now_ms)
        if not indexes:
            return Chunk()
        runs, count = self._page(indexes, limits)
        end = indexes.start + count
        return Chunk(
            runs=runs,
            count=count,
            last=self._position(end - 1),
            tail=[self._position(index) for index in range(max(indexes.start, end - limits.tail), end)],
            more=end < indexes.stop,
        )

    def prepare(self) -> None:
        """Make every event before a reader comes, as far as they are kept."""
        for number in range(-(-self.plan.total // BLOCK_EVENTS)):
            self._block(number)

    def _page(self, indexes: range, limits: Limits) -> tuple[list[memoryview], int]:
        """Return as many events as fit, always one, and their number."""
        runs: list[memoryview] = []
        place, stop = indexes.start, min(indexes.stop, indexes.start + limits.events)
        room = limits.bytes
        while place < stop:
            number, first = divmod(place, BLOCK_EVENTS)
            block = self._block(number)
            end = block.fitting(first, min(BLOCK_EVENTS, first + stop - place), room)
            if end == first and runs:
                break
            end = max(end, first + 1)
            runs.append(block.run(first, end))
            room -= block.weight(first, end)
            place += end - first
            if room <= 0:
                break
        return runs, place - indexes.start

    def _block(self, number: int) -> Block:
        """Return a block, made now or kept from before."""
        block = self._blocks.get(number)
        if block is None:
            first = number * BLOCK_EVENTS
            block = make_block(partial(self._wires, range(first, min(self.plan.total, first + BLOCK_EVENTS))))
            if self._kept_bytes + len(block.body) <= self.plan.kept_bytes:
                self._blocks[number] = block
                self._kept_bytes += len(block.body)
        return block

    def _wires(self, indexes: range, quote: Quote) -> tuple[list[str], list[int]]:
        """Return events and their sizes, the way `make_event` writes them, but fast: hence one long expression."""
        plan, heads, base = self.plan, self._heads, self._base
        start_ms, span_ms, total, streams = plan.start_ms, plan.span_ms, plan.total, plan.streams
        wires: list[str] = []
        sizes: list[int] = []
        for index in indexes:
            message = plan.message(index)
            sizes.append(len(message) + EVENT_OVERHEAD_BYTES if message.isascii() else message_size(message))
            timestamp_ms = start_ms + index * span_ms // total
            wires.append(
                f'{heads[index % streams]}{timestamp_ms},"message":{quote(message)},"ingestionTime":'
                f'{timestamp_ms + plan.ingestion_delay_ms},"eventId":"{event_number(timestamp_ms, base + index):056d}"}}',
            )
        return wires, sizes

    def _indexes(self, query: Query, after: Position | None, now_ms: int) -> range:
        """Return the numbers of the visible events in the query's time range after a position, in its direction."""
        low = self.plan.first_at(query.start_ms)
        high = min(
            self.plan.first_at(query.end_ms + 1),
            self.plan.first_at(now_ms - self.plan.ingestion_delay_ms + 1),
        )
        if after is None:
            return range(high - 1, low - 1, -1) if query.newest_first else range(low, high)
        if query.newest_first:
            return range(min(high, self._place(after)) - 1, low - 1, -1)
        return range(max(low, self._place(after) + 1), high)

    def _place(self, position: Position) -> int:
        """Return the number of the event at a position, or of the last one up to its timestamp."""
        index = position.sequence - self._base
        return index if 0 <= index < self.plan.total else self.plan.first_at(position.timestamp_ms + 1) - 1

    def _position(self, index: int) -> Position:
        timestamp_ms = self.plan.timestamp(index)
        return Position(timestamp_ms, timestamp_ms + self.plan.ingestion_delay_ms, self._base + index)

    def _event(self, index: int) -> Event:
        return make_event(self._position(index), self.plan.stream(index), self.plan.message(index), 0)

    def _stream(self, number: int, visible: int) -> Stream:
        """Return what a stream looks like when the first `visible` events of the group are."""
        name = self.plan.stream(number)
        indexes = range(number, visible, self.plan.streams)
        if not indexes:
            return Stream(name=name, created_ms=self.plan.start_ms)
        last_ms = self.plan.timestamp(indexes[-1])
        return Stream(
            name=name,
            created_ms=self.plan.start_ms,
            first_ms=self.plan.timestamp(number),
            last_ms=last_ms,
            last_ingestion_ms=last_ms + self.plan.ingestion_delay_ms,
        )
