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
from operator import sub
from typing import NamedTuple

import redis
from redis.client import Pipeline

from shared import keys
from shared.messages import LogEvent
from shared.remembered import Field, field_name, hashes_of, in_order, parse, unpack

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

    def unseen(self, events: list[LogEvent]) -> list[tuple[LogEvent, int]]:
        """Return the events not seen before, each with its hash, in their order; repeats within `events` go too."""
        if not events:
            return []
        times = [event.timestamp_ms for event in events]
        oldest, newest = min(times), max(times)
        touched = self._load(
            [field.name for field in self._fields.values() if field.oldest_ms <= newest and field.newest_ms >= oldest]
        )
        hashes = hashes_of(events)
        own = set(hashes)
        if len(own) == len(hashes) and all(own.isdisjoint(held) for held in touched):  # nearly always, where much comes
            return list(zip(events, hashes, strict=True))
        for held in touched:
            own -= own & held
        fresh: dict[int, LogEvent] = {}
        for event, hashed in zip(events, hashes, strict=True):
            if hashed in own:
                fresh.setdefault(hashed, event)
        return [(event, hashed) for hashed, event in fresh.items()]

    def add(
        self,
        pipe: Pipeline,
        fresh: list[tuple[LogEvent, int]],
        sequence: int,
        is_needed: Callable[[Field], bool] = lambda _: False,
    ) -> list["Addition"]:
        """Write `fresh` within the transaction in `pipe`; give the result to `committed` once it went through.

        Events that `is_needed` holds for once they are swept are kept apart: the rest can be forgotten earlier.
        """
        additions: list[Addition] = []
        for stretch in _stretches(fresh):
            for unnamed, part in _apart(stretch, is_needed):
                field = _named(unnamed, f"{sequence}.{len(additions)}")
                hashes = [hashed for _, hashed in part]
                pipe.hset(self._key, field.name, array("Q", hashes).tobytes())
                additions.append(Addition(field, hashes))
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


def _apart(
    stretch: list[tuple[LogEvent, int]], is_needed: Callable[[Field], bool]
) -> Iterable[tuple[Field, list[tuple[LogEvent, int]]]]:
    """Yield `stretch` whole if nothing in it is late, else what is not late and what is; each with a field yet to be named."""
    whole = _field([event for event, _ in stretch])
    if not is_needed(whole):
        yield whole, stretch
        return
    parts: tuple[list[tuple[LogEvent, int]], list[tuple[LogEvent, int]]] = ([], [])
    for one in stretch:
        parts[is_needed(_field([one[0]]))].append(one)
    for part in filter(None, parts):
        yield _field([event for event, _ in part]), part


def _field(events: list[LogEvent]) -> Field:
    times = [event.timestamp_ms for event in events]
    ingested_ms = [event.ingestion_ms for event in events]
    size = sum([len(event.message) for event in events])
    if min(ingested_ms) <= 0:
        return Field("", min(times), max(times), size)
    return Field("", min(times), max(times), size, max(ingested_ms), max(map(sub, ingested_ms, times)))


def _named(field: Field, written: str) -> Field:
    name = field_name(field.oldest_ms, field.newest_ms, field.bytes, written, field.ingested_ms, field.late_ms)
    return parse(name.encode())


def _stretches(fresh: list[tuple[LogEvent, int]]) -> Iterable[list[tuple[LogEvent, int]]]:
    """Return `fresh` by stretches of time that do not touch one another."""
    if not fresh:
        return []
    times, ordered = in_order(fresh)
    oldest, newest = times[0], times[-1]
    length = max(STRETCH_MS, (newest - oldest) // MAX_STRETCHES + 1)
    ends = [bisect_left(times, (number + 1) * length) for number in range(oldest // length, newest // length + 1)]
    return [ordered[start:end] for start, end in pairwise([0, *ends]) if end > start]
