"""Digests: how many events were committed, and the sum of their hashes, by group and minute of their timestamp.

Written by the fetcher in the transaction that commits the events, duplicates left out. A second read of CloudWatch makes
the same sums; where they agree, the same events were committed, each once. A sum does not ask for an order, so late events
and pages in pieces are no matter.

In Redis it is a hash for each group and hour, "<minute>" a count and "<minute>:sum" a sum; small enough for the compact
encoding. It goes by itself `audit_window` after the end of its hour. An hour older than that is never begun either: else a
late event would leave a digest that knows of nothing else, and the digests of a long past would fill Redis.

A mark by group says since when the digests are whole.
"""

from bisect import bisect_left
from collections.abc import Mapping

import msgspec
import redis
from redis.client import Pipeline

from shared import keys
from shared.event_columns import EventColumns

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
MINUTES = 60
#: CloudWatch takes timestamps as far ahead as this.
AHEAD_MS = 2 * HOUR_MS
#: Redis counts in signed 64 bits: with hashes of 32, a sum overflows after two billion events of one group and minute.
_MASK = (1 << 32) - 1
#: A digest outlives its window by so much, that an audit near the edge still finds it.
_SPARE_MS = HOUR_MS
DEFAULT_WINDOW_MS = 3 * 24 * HOUR_MS


class Digest(msgspec.Struct, frozen=True):
    """So many events, and the sum of their hashes."""

    count: int = 0
    sum: int = 0

    def plus(self, other: "Digest") -> "Digest":
        return Digest(self.count + other.count, self.sum + other.sum)

    def minus(self, other: "Digest") -> "Digest":
        return Digest(self.count - other.count, self.sum - other.sum)


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Since when the digests of a group are whole."""

    from_ms: int
    """Every committed event with a timestamp from here on is in a digest."""
    from_start: bool
    """`from_ms` is where the reading of the group began; else earlier events were committed before digests were kept."""
    window_ms: int
    """How long after the end of its hour a digest is kept."""
    narrow_ms: int = 0
    """The same, of hours that began before `widened_ms`: the window was made wider then."""
    widened_ms: int = 0

    def kept_ms(self, hour: int) -> int:
        """Return the time at which the digest of `hour` may be gone."""
        window_ms = self.narrow_ms if hour * HOUR_MS < self.widened_ms else self.window_ms
        return (hour + 1) * HOUR_MS + window_ms


class Keeper:
    """Keeps the digests of one group, for its reader. Not safe between threads."""

    def __init__(self, client: redis.Redis, group_key: str, window_ms: int) -> None:
        self._client = client
        self._group_key = group_key
        self._window_ms = window_ms
        self._marked = False

    def record(self, pipe: Pipeline, fresh: EventColumns, sequence: int, start_ms: int, now_ms: int) -> None:
        """Add the events of commit `sequence` within the transaction in `pipe`.

        `start_ms` is where the reading of the group began. Asks Redis for the mark until it is as it should be.
        """
        if not self._marked:
            self._mark(pipe, sequence, start_ms, now_ms)
        self.add(pipe, fresh, now_ms)

    def add(self, pipe: Pipeline, fresh: EventColumns, now_ms: int) -> None:
        """Add events within the transaction in `pipe`; the mark stays as it is."""
        for hour, cells in _by_hour(fresh).items():
            left_ms = (hour + 1) * HOUR_MS + self._window_ms - now_ms
            if left_ms <= 0 or hour * HOUR_MS > now_ms + AHEAD_MS + HOUR_MS:
                continue
            name = keys.digest(self._group_key, hour)
            for minute, (count, total) in cells.items():
                pipe.hincrby(name, str(minute), count)
                pipe.hincrby(name, f"{minute}:sum", total)
            pipe.expire(name, (left_ms + _SPARE_MS) // 1000)

    def _mark(self, pipe: Pipeline, sequence: int, start_ms: int, now_ms: int) -> None:
        """Write the mark within the transaction, unless there is one that holds; only a mark read back is relied on."""
        mark = read_mark(self._client, self._group_key)
        if mark is not None and mark.window_ms == self._window_ms and sequence > 1:
            self._marked = True
            return
        made = _next_mark(mark, self._window_ms, sequence, start_ms, now_ms)
        pipe.hset(keys.DIGESTS, self._group_key, msgspec.json.encode(made))


def hashed(digest: int) -> int:
    """Return the part of an event's 64-bit hash that the sums are made of."""
    return digest & _MASK


def read_mark(client: redis.Redis, group_key: str) -> Mark | None:
    """Return since when the digests of a group are whole; None: none were ever kept."""
    stored = client.hmget(keys.DIGESTS, [group_key])[0]
    return msgspec.json.decode(stored, type=Mark) if stored is not None else None


def decode(hour: int, row: Mapping[bytes, bytes]) -> dict[int, Digest]:
    """Return the digests in the hash of an hour, by minutes since 1970."""
    return {
        hour * MINUTES + int(name): Digest(int(count), int(row.get(name + b":sum", 0)))
        for name, count in row.items()
        if name.isdigit()
    }


def extended(mark: Mark, from_ms: int) -> Mark:
    """Return the mark of a group of which all from `from_ms` on is in digests now, in whole minutes; it only goes back."""
    whole_ms = -(-from_ms // MINUTE_MS) * MINUTE_MS
    return msgspec.structs.replace(mark, from_ms=min(mark.from_ms, whole_ms))


def _by_hour(fresh: EventColumns) -> dict[int, dict[int, tuple[int, int]]]:
    """Return count and sum by hour and by minute of the hour."""
    ordered = fresh.by_time()
    times, hashes = ordered.times_ms, ordered.hashes
    hours: dict[int, dict[int, tuple[int, int]]] = {}
    start = 0
    while start < len(times):
        minute = times[start] // MINUTE_MS
        end = bisect_left(times, (minute + 1) * MINUTE_MS, start)
        total = sum([digest & _MASK for digest in hashes[start:end]])
        hours.setdefault(minute // MINUTES, {})[minute % MINUTES] = end - start, total
        start = end
    return hours


def _next_mark(mark: Mark | None, window_ms: int, sequence: int, start_ms: int, now_ms: int) -> Mark:
    # What was committed before this commit has a timestamp of at most this.
    unknown_ms = (now_ms + AHEAD_MS) // MINUTE_MS * MINUTE_MS + MINUTE_MS
    if sequence == 1 and mark is None:
        return Mark(from_ms=start_ms, from_start=True, window_ms=window_ms)
    if sequence == 1 or mark is None:  # a checkpoint that was deleted by hand has its events committed once more
        return Mark(from_ms=unknown_ms, from_start=False, window_ms=window_ms)
    if window_ms <= mark.window_ms:
        return msgspec.structs.replace(mark, window_ms=window_ms, narrow_ms=min(mark.narrow_ms, window_ms))
    narrow_ms = min(mark.narrow_ms or mark.window_ms, mark.window_ms)
    return msgspec.structs.replace(mark, window_ms=window_ms, narrow_ms=narrow_ms, widened_ms=unknown_ms)
