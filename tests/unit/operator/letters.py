"""Plain builders of dead letters, and their way into Redis as the stages put them there."""

import redis

from services.operator.dead_letters.selection import Entry
from shared import books, codec, dead_letters, keys
from shared.messages import DeadLetter, GroupRef, KeptOriginal, LogEvent
from tests.unit.forwarder.factories import GROUP, an_event

AT_MS = 1_763_000_000_000


def a_letter(
    number: int = 0,
    message: str = "",
    *,
    reason: str = "cannot be shaped: ValueError('no')",
    group: GroupRef | None = GROUP,
    at_ms: int = AT_MS,
) -> DeadLetter:
    """Return the letter of the event of that number."""
    return DeadLetter(
        reason=reason,
        at_ms=at_ms,
        group=group,
        source="production",
        event=an_event(number, message or f"line {number}"),
    )


def a_datagram(payload: bytes = b"1:here:long", events: int = 1, at_ms: int = AT_MS) -> DeadLetter:
    """Return the letter of a datagram, as the forwarder writes it."""
    return DeadLetter(reason="11 bytes is too long", at_ms=at_ms, group=GROUP, payload=payload, events=events)


def an_entry(name: str, letter: DeadLetter, *, is_original: bool = False) -> Entry:
    """Return a letter as it is read from Redis."""
    return Entry(name=name.encode(), data=codec.encode(letter), letter=letter, is_original=is_original)


def add(client: redis.Redis, letters: dict[str, DeadLetter]) -> None:
    """Put letters into Redis, their events booked as fetched and as dead-lettered."""
    with client.pipeline() as pipe:
        for name, letter in letters.items():
            dead_letters.add(pipe, name, letter)
            key = keys.group_key(letter.group) if letter.group else "unknown"
            books.record(pipe, key, {"fetched": letter.events, "dead_lettered": letter.events})
        pipe.execute()


def keep(client: redis.Redis, originals: dict[str, LogEvent], group: GroupRef = GROUP) -> None:
    """Put kept originals into Redis."""
    with client.pipeline() as pipe:
        for name, event in originals.items():
            dead_letters.keep(pipe, name, KeptOriginal(at_ms=AT_MS, group=group, event=event))
        pipe.execute()
