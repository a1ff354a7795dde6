"""The event ids of one group that may be read again, as short hashes: what makes overlapping reads deliver once.

Remembered are the events with a timestamp from the `swept` mark on, and of older ones those that a deep sweep could take
for new: see sweeps.py. In Redis they are one hash, a field for each commit and stretch of time, late events apart:

    field   "<oldest ms>:<newest ms>:<message bytes>:<sequence>.<n>,<newest ingestion ms>,<longest lateness ms>"
    value   8 bytes for each event: BLAKE2b of stream, event id and timestamp

The names alone say which fields a page can touch; values are read when a page needs them and let go when there are
too many, so memory does not grow with the group. Stretches are short, or a host whose clock is an hour ahead would have
every page touch what was remembered for an hour. Two different events share a hash with probability 2^-64 a pair.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import pairwise
from operator import not_
from typing import NamedTuple

import redis
from redis.client import Pipeline

from shared import keys
from shared.event_columns import EventColumns
from shared.remembered import Field, field_name, parse, unpack

#: Hashes held in memory for one group before the least recently used fields are let go: about 20 MB at most.
MAX_LOADED = 250_000
#: A field covers so much time, or more where a page is so sparse that it would take more fields than this.
STRETCH_MS = 300_000
MAX_STRETCHES = 16


class SeenEvents:
    """What is remembered of one group. Not safe between threads; blocks on Redis."""

    def __init__(self, client: redis.Redis, group_key: str) -> None:
        self._client = client
        self._key = keys.seen(group_key)
        self._fields: dict[str, Field] = {}
        self._loaded: dict[str, set[int]] = {}  # in order of use, the oldest first
        self.held = 0
        """Hashes in memory."""

    def reload(self) -> None:
        """Forget what is in memory and read the names of the fields anew."""
        self._loaded.clear()
        self.held = 0
        names = self._client.hkeys(self._key)
        self._fields = {field.name: field for field in map(parse, names)}  # type: ignore[arg-type]

    @property
    def remembered_bytes(self) -> int:
        """Message bytes of the remembered events."""
        return self.bytes_from(0)

    def bytes_from(self, swept_ms: int) -> int:
        """Return the message bytes of those events that a read from `swept_ms` on brings again, or a little more."""
        return sum(field.bytes for field in self._fields.values() if field.newest_ms >= swept_ms)

    def unseen(self, events: EventColumns) -> EventColumns:
        """Return the events not seen before, in their order; repeats within `events` go too."""
        if not len(events):
            return events
        oldest, newest = min(events.times_ms), max(events.times_ms)
        touched = self._load(
            [field.name for field in self._fields.values() if field.oldest_ms <= newest and field.newest_ms >= oldest]
        )
        new = set(events.hashes)
        for held in touched:
            if not new.isdisjoint(held):  # nearly never, where much comes
                new -= new & held
        return events.first_of(new)

    def add(
        self,
        pipe: Pipeline,
        fresh: EventColumns,
        sequence: int,
        is_needed: Callable[[Field], bool] = lambda _: False,
    ) -> list["Addition"]:
        """Write `fresh` within the transaction in `pipe`; give the result to `committed` once it went through.

        Events that `is_needed` holds for once they are swept are kept apart: the rest can be forgotten earlier.
        """
        additions: list[Addition] = []
        for stretch in _stretches(fresh.by_time()):
            for unnamed, part in _apart(stretch, is_needed):
                field = _named(unnamed, f"{sequence}.{len(additions)}")
                pipe.hset(self._key, field.name, array("Q", part.hashes).tobytes())
                additions.append(Addition(field, part.hashes))
        return additions

    def prune(self, pipe: Pipeline, swept_ms: int, is_needed: Callable[[Field], bool] = lambda _: False) -> list[str]:
        """Delete what nobody returns to, within the transaction in `pipe`; give the result to `committed`.

        Kept are fields with an event from `swept_ms` on, and those that `is_needed`.
        """
        names = [field.name for field in self._fields.values() if field.newest_ms < swept_ms and not is_needed(field)]
        if names:
            pipe.hdel(self._key, *names)
        return names

    def committed(self, additions: list["Addition"], pruned: list[str]) -> None:
        """Bring memory in line with a transaction that went through."""
        for name in pruned:
            self._unload(name)
            del self._fields[name]
        for addition in additions:
            self._fields[addition.field.name] = addition.field
            self._hold(addition.field.name, addition.hashes)
        self._make_room(needed=set())

    def _load(self, names: list[str]) -> list[set[int]]:
        """Return the hashes in these fields."""
        missing = [name for name in names if name not in self._loaded]
        for name in names:
            if name in self._loaded:
                self._loaded[name] = self._loaded.pop(name)
        if missing:
            for name, value in zip(missing, self._client.hmget(self._key, missing), strict=True):
                self._hold(name, unpack(value))  # type: ignore[arg-type]
        self._make_room(set(names))
        return [self._loaded[name] for name in names]

    def _make_room(self, needed: set[str]) -> None:
        while self.held > MAX_LOADED:
            name = next((name for name in self._loaded if name not in needed), None)
            if name is None or len(self._loaded) == 1:
                return
            self._unload(name)

    def _hold(self, name: str, hashes: Iterable[int]) -> None:
        held = self._loaded[name] = set(hashes)
        self.held += len(held)

    def _unload(self, name: str) -> None:
        self.held -= len(self._loaded.pop(name, ()))


class Addition(NamedTuple):
    field: Field
    hashes: list[int]


def _apart(stretch: EventColumns, is_needed: Callable[[Field], bool]) -> Iterable[tuple[Field, EventColumns]]:
    """Yield `stretch` whole if nothing in it is late, else what is not late and what is; each with a field yet to be named."""
    whole = _field(stretch)
    if not is_needed(whole):
        yield whole, stretch
        return
    are_needed = [is_needed(_field(stretch.cut(place, place + 1))) for place in range(len(stretch))]
    for part in (stretch.where(list(map(not_, are_needed))), stretch.where(are_needed)):
        if len(part):
            yield _field(part), part


def _field(events: EventColumns) -> Field:
    """Return the field of events in order of time."""
    times_ms, ingestion_ms = events.times_ms, events.ingestion_ms
    oldest_ms, newest_ms, size = times_ms[0], times_ms[-1], sum(events.sizes)
    if min(ingestion_ms) <= 0:
        return Field("", oldest_ms, newest_ms, size)
    return Field("", oldest_ms, newest_ms, size, max(ingestion_ms), max(events.late_ms))


def _named(field: Field, written: str) -> Field:
    name = field_name(field.oldest_ms, field.newest_ms, field.bytes, written, field.ingested_ms, field.late_ms)
    return parse(name.encode())


def _stretches(events: EventColumns) -> Iterable[EventColumns]:
    """Return events in order of time by stretches of it that do not touch one another."""
    if not len(events):
        return []
    times_ms = events.times_ms
    oldest, newest = times_ms[0], times_ms[-1]
    length = max(STRETCH_MS, (newest - oldest) // MAX_STRETCHES + 1)
    ends = [bisect_left(times_ms, (number + 1) * length) for number in range(oldest // length, newest // length + 1)]
    return [events.cut(start, end) for start, end in pairwise([0, *ends]) if end > start]
