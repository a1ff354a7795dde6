"""The events of a read as batches of bounded size, and the facts that travel beside each. Pure."""

from array import array
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from shared import codec, keys
from shared.event_columns import EventColumns
from shared.messages import GroupRef, RawBatch
from shared.queues import Facts

#: Bounds of one batch: some pages of CloudWatch, which hold 10,000 events and 1 MiB at most. A batch costs each role some
#: milliseconds whatever is in it, and what one may become has bounds too (shared/codec.py).
MAX_EVENTS = 20_000
MAX_CHARACTERS = 3 * 1024 * 1024
#: Events that are so old wait for no page: one that arrives now must not wait for the next ones to be read with it.
OLD_MS = 60_000


class Gathered:
    """The events of pages in a row, as long as they make one batch."""

    def __init__(self, page: EventColumns) -> None:
        self._pages: list[EventColumns] = []
        self.count = 0
        """How many events they are."""
        self._characters = 0
        self._last_ms = 0
        self.add(page)

    @property
    def pages(self) -> int:
        """How many pages they are of."""
        return len(self._pages)

    def add(self, page: EventColumns) -> None:
        """Take the events of the next page."""
        self._pages.append(page)
        self.count += len(page)
        self._characters += sum(page.sizes)
        self._last_ms = page.times_ms[-1] if len(page) else self._last_ms

    def has_room(self, now_ms: int) -> bool:
        """Say whether another page like those so far fits in, and is worth waiting for at `now_ms`."""
        return (
            self.count * (self.pages + 1) <= MAX_EVENTS * self.pages
            and self._characters * (self.pages + 1) <= MAX_CHARACTERS * self.pages
            and now_ms - self._last_ms >= OLD_MS
        )

    def events(self) -> EventColumns:
        """Return all of them."""
        return EventColumns.joined(self._pages)


class Made(Struct, frozen=True, kw_only=True):
    """A batch that is ready to be queued."""

    batch_id: str
    payload: bytes
    facts: dict[str, Any]


class Maker:
    """Makes the batches of one group."""

    def __init__(self, group: GroupRef, source: str, *, backfill: bool = False) -> None:
        self._group = group
        self._key = keys.group_key(group)
        self._source = source
        self._backfill = backfill

    def make(self, sequence: int, events: EventColumns) -> list[Made]:
        """Return what commit `sequence` makes of `events`: mostly one batch. Commits of a backfill are counted apart."""
        commit = f"b{sequence}" if self._backfill else str(sequence)
        return [self._made(f"{self._key}-{commit}-{number}", piece) for number, piece in enumerate(split(events))]

    def _made(self, name: str, events: EventColumns) -> Made:
        """Return one batch. Its id names its events too.

        A Redis that went back to an older state comes to the same sequence again, with others, and whoever still has the
        first batch in hand must not be able to finish the second.
        """
        content = blake2b(array("Q", events.hashes).tobytes(), digest_size=4).hexdigest()
        batch = RawBatch(
            batch_id=f"{name}-{content}",
            group=self._group,
            source=self._source,
            events=tuple(events.events),
            backfill=self._backfill,
        )
        return Made(batch_id=batch.batch_id, payload=codec.encode(batch), facts=self._facts(events))

    def _facts(self, events: EventColumns) -> dict[str, Any]:
        """Return what an operator wants to read about a batch, as plain data for the job's arguments."""
        return msgspec.structs.asdict(
            Facts(
                account_id=self._group.account_id,
                region=self._group.region,
                log_group=self._group.log_group,
                group_key=self._key,
                streams=len(set(events.streams)),
                events=len(events),
                bytes=sum(events.sizes),
                first=_iso(min(events.times_ms)),
                last=_iso(max(events.times_ms)),
            )
        )


def split(events: EventColumns) -> Iterator[EventColumns]:
    """Yield `events` in their order, in pieces within the bounds; a single longer event is a piece of its own."""
    if len(events) <= MAX_EVENTS and sum(events.sizes) <= MAX_CHARACTERS:
        if len(events):
            yield events
        return
    start = characters = 0
    for place, size in enumerate(events.sizes):
        if place > start and (place - start >= MAX_EVENTS or characters + size > MAX_CHARACTERS):
            yield events.cut(start, place)
            start, characters = place, 0
        characters += size
    yield events.cut(start, len(events))


def _iso(timestamp_ms: int) -> str:
    try:
        return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(timestamp_ms)
