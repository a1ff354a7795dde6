"""The events of a read as batches of bounded size, and the facts that travel beside each. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from shared.messages import GroupRef, LogEvent, RawBatch
from shared.queues import Facts

#: Bounds of one batch: some pages of CloudWatch, which hold 10,000 events and 1 MiB at most. A batch costs each role some
#: milliseconds whatever is in it, and what one may become has bounds too (shared/codec.py).
MAX_EVENTS = 20_000
MAX_CHARACTERS = 3 * 1024 * 1024
#: Events that are so old wait for no page: one that arrives now must not wait for the next ones to be read with it.
OLD_MS = 60_000


class Gathered:
    """The events of pages in a row, as long as they make one batch."""

    def __init__(self, events: list[LogEvent]) -> None:
        self.events = events
        self.pages = 1
        self._characters = _characters(events)

    def add(self, events: list[LogEvent]) -> None:
        """Take the events of the next page."""
        self.events = self.events + events
        self.pages += 1
        self._characters += _characters(events)

    def has_room(self, now_ms: int) -> bool:
        """Say whether another page like those so far fits in, and is worth waiting for at `now_ms`."""
        events = self.events
        return (
            len(events) * (self.pages + 1) <= MAX_EVENTS * self.pages
            and self._characters * (self.pages + 1) <= MAX_CHARACTERS * self.pages
            and (not events or now_ms - events[-1].timestamp_ms >= OLD_MS)
        )


def split(events: list[LogEvent]) -> Iterator[list[LogEvent]]:
    """Yield `events` in their order, in pieces within the bounds; a single longer event is a piece of its own."""
    if len(events) <= MAX_EVENTS and _characters(events) <= MAX_CHARACTERS:
        if events:
            yield events
        return
    piece: list[LogEvent] = []
    characters = 0
    for event in events:
        size = len(event.message)
        if piece and (len(piece) >= MAX_EVENTS or characters + size > MAX_CHARACTERS):
            yield piece
            piece, characters = [], 0
        piece.append(event)
        characters += size
    if piece:
        yield piece


def batch(
    group_key: str,
    group: GroupRef,
    source: str,
    sequence: int | str,
    number: int,
    events: list[LogEvent],
    *,
    backfill: bool = False,
) -> RawBatch:
    """Return the batch that commit `sequence` of the group makes of `events`, its `number`-th.

    The commits of a backfill are counted apart, "b1" and so on.
    Its id names its events too: a Redis that went back to an older state comes to the same sequence again, with others,
    and whoever still has the first batch in hand must not be able to finish the second.
    """
    names = "\n".join([event.event_id for event in events])
    content = blake2b(names.encode(errors="surrogatepass"), digest_size=4).hexdigest()
    batch_id = f"{group_key}-{sequence}-{number}-{content}"
    return RawBatch(batch_id=batch_id, group=group, source=source, events=tuple(events), backfill=backfill)


def facts(group_key: str, made: RawBatch) -> dict[str, Any]:
    """Return what an operator wants to read about a batch, as plain data for the job's arguments."""
    times = [event.timestamp_ms for event in made.events]
    return msgspec.structs.asdict(
        Facts(
            account_id=made.group.account_id,
            region=made.group.region,
            log_group=made.group.log_group,
            group_key=group_key,
            streams=len({event.log_stream for event in made.events}),
            events=len(made.events),
            bytes=_characters(made.events),
            first=_iso(min(times)),
            last=_iso(max(times)),
        )
    )


def _characters(events: Sequence[LogEvent]) -> int:
    return sum([len(event.message) for event in events])


def _iso(timestamp_ms: int) -> str:
    try:
        return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(timestamp_ms)
