"""Batches made of dead letters, each the letter's own way back. Pure.

Ids of new batches come from the ids of the letters in them. A letter's id holds that of the batch it came from, and is
never given again once the letter is gone; so no batch of events or datagrams ever has the id of an earlier one, however
often its events come back as letters. An undecodable payload goes back under the id it had: that batch was never done,
and the id within the payload cannot be another.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from services.operator.dead_letters.selection import Entry
from services.operator.dead_letters.text import moment
from shared import codec, keys
from shared.messages import DeadLetter, EnrichedBatch, GroupRef, RawBatch
from shared.queues import ENRICHED, RAW, Facts

QUEUES = (RAW.queue, ENRICHED.queue)

_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_ORDINAL = re.compile(r"[a-z]([0-9]{1,9})")


class Pile(Struct, frozen=True, kw_only=True):
    """Letters that may travel in one batch have the same."""

    queue: str
    group: GroupRef | None = None
    source: str = ""
    backfill: bool = False
    batch: bytes = b""
    """The id of a letter that is a batch already, and the only one of its pile."""


class Batch(Struct, frozen=True, kw_only=True):
    """A batch as queues.put takes it."""

    queue: str
    batch_id: str
    payload: bytes
    facts: dict[str, Any]


def obstacle(letter: DeadLetter) -> str:
    """Return why `letter` cannot be replayed; empty: it can. An older cwpipe may have written it, or anybody."""
    if letter.queue:
        known = letter.queue in QUEUES and _BATCH_ID.fullmatch(letter.batch_id) and _facts_of(letter) is not None
        return "" if known and letter.events >= 0 else "it does not say which batch it was"
    if letter.group is None:
        return "it does not say where it came from"
    if letter.event is not None:
        return "" if letter.events == 1 else "it is one event and counts as another number"
    return "" if letter.payload and letter.events in {0, 1} else "there is neither an event nor a datagram in it"


def pile(entry: Entry) -> Pile:
    """Return the pile that a letter without an obstacle belongs to."""
    letter = entry.letter
    if letter.queue:
        return Pile(queue=letter.queue, batch=entry.name)
    queue = RAW.queue if letter.event is not None else ENRICHED.queue
    return Pile(queue=queue, group=letter.group, source=letter.source, backfill=letter.backfill)


def batch(of: Pile, entries: Sequence[Entry]) -> Batch:
    """Return the batch that `entries`, at least one of the pile `of`, make."""
    if of.group is None:
        return _payload(entries[0].letter)
    batch_id = _batch_id(of.group, entries)
    return (
        _events(of, of.group, batch_id, entries) if of.queue == RAW.queue else _datagrams(of.group, batch_id, entries)
    )


def _events(of: Pile, group: GroupRef, batch_id: str, entries: Sequence[Entry]) -> Batch:
    numbered = [(entry.letter.event, _place(entry)) for entry in entries]
    in_order = sorted(
        ((event, place) for event, place in numbered if event is not None),
        key=lambda one: (one[0].timestamp_ms, one[1]),
    )
    events = tuple(event for event, _ in in_order)
    facts = _facts(
        group,
        streams=len({event.log_stream for event in events}),
        events=len(events),
        size=sum(len(event.message) for event in events),
        times=(events[0].timestamp_ms, events[-1].timestamp_ms),
    )
    made = RawBatch(batch_id=batch_id, group=group, source=of.source, events=events, backfill=of.backfill)
    return Batch(queue=RAW.queue, batch_id=batch_id, payload=codec.encode(made), facts=facts)


def _datagrams(group: GroupRef, batch_id: str, entries: Sequence[Entry]) -> Batch:
    letters = [entry.letter for entry in sorted(entries, key=_place)]  # the parts of an event in their order
    died = [letter.at_ms for letter in letters]
    facts = _facts(
        group,
        streams=0,  # not told by a datagram
        events=sum(letter.events for letter in letters),
        size=sum(len(letter.payload) for letter in letters),
        times=(min(died), max(died)),
    )
    made = EnrichedBatch(
        batch_id=batch_id,
        group=group,
        datagrams=tuple(letter.payload for letter in letters),
        continued=tuple(number for number, letter in enumerate(letters) if not letter.events),
        newest_ms=max(died),  # the events' own times are not in the letters
    )
    return Batch(queue=ENRICHED.queue, batch_id=batch_id, payload=codec.encode(made), facts=facts)


def _payload(letter: DeadLetter) -> Batch:
    unknown = {**dict.fromkeys(Facts.__struct_fields__, 0), "group_key": "unknown"}
    facts = {**unknown, **(_facts_of(letter) or {}), "events": letter.events}
    return Batch(queue=letter.queue, batch_id=letter.batch_id, payload=letter.payload, facts=facts)


def _batch_id(group: GroupRef, entries: Sequence[Entry]) -> str:
    names = b"\0".join(sorted(entry.name for entry in entries))
    return f"{keys.group_key(group)}-r{blake2b(names, digest_size=16).hexdigest()}"


def _place(entry: Entry) -> tuple[str, int]:
    """Return batch and number of a letter, as its id has them: the order in which the events were read."""
    batch_id, _, ordinal = entry.id.rpartition("-")
    number = _ORDINAL.fullmatch(ordinal)
    return batch_id, int(number[1]) if number else 0


def _facts(group: GroupRef, *, streams: int, events: int, size: int, times: tuple[int, int]) -> dict[str, Any]:
    return msgspec.structs.asdict(
        Facts(
            account_id=group.account_id,
            region=group.region,
            log_group=group.log_group,
            group_key=keys.group_key(group),
            streams=streams,
            events=events,
            bytes=size,
            first=moment(times[0]),
            last=moment(times[1]),
        )
    )


def _facts_of(letter: DeadLetter) -> dict[str, Any] | None:
    """Return the facts kept with an undecodable payload, or None where they make no sense."""
    try:
        return msgspec.json.decode(letter.facts, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
