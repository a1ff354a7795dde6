"""Backfills as Redis holds them, for who asks for one and who reads it; and the arithmetic of time ranges.

Everything about the backfills of a group is one hash. Who changes it watches it: a request, a cancellation and a page that
is committed never undo one another.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

import msgspec
import redis
from msgspec import Struct

from shared import keys
from shared.errors import PoisonMessage
from shared.messages import Backfill, Backfills, TimeRange

STATE = "state"
IDS = "ids"

_decoder = msgspec.json.Decoder(Backfills)


class Stored(Struct, frozen=True, kw_only=True):
    """What the hash of a group holds."""

    state: Backfills
    raw: bytes | None
    """The state as it was read: a commit expects it unchanged."""
    ids: Mapping[int, int]
    """Hash of an event -> its timestamp, of events that a page to come may bring again."""


def read(client: redis.Redis, group_key: str) -> Stored:
    """Return what is known of the backfills of a group. Blocks on Redis; raises PoisonMessage when it is no such thing."""
    raw, ids = client.hmget(keys.backfills(group_key), [STATE, IDS])
    return Stored(state=_decoded(raw), raw=raw, ids=_unpacked(ids or b""))  # type: ignore[arg-type]


def read_states(client: redis.Redis, group_keys: Iterable[str]) -> dict[str, Backfills]:
    """Return the backfills of those groups that have any that can be read, by group key. Blocks on Redis."""
    wanted = list(group_keys)
    with client.pipeline(transaction=False) as pipe:
        for group_key in wanted:
            pipe.hget(keys.backfills(group_key), STATE)
        rows = pipe.execute()
    found = {}
    for name, raw in zip(wanted, rows, strict=True):
        with suppress(PoisonMessage):
            if raw is not None:
                found[name] = _decoded(raw)
    return found


def change(client: redis.Redis, group_key: str, change: Callable[[Backfills], Backfills]) -> Backfills:
    """Write what `change` makes of the backfills of a group, and return it; `change` may be called more than once.

    Blocks on Redis; raises PoisonMessage when what is there is no such thing.
    """
    name = keys.backfills(group_key)
    while True:
        with client.pipeline() as pipe:
            try:
                pipe.watch(name)  # type: ignore[no-untyped-call]
                raw = pipe.hget(name, STATE)
                after = change(_decoded(raw))  # type: ignore[arg-type]
                pipe.multi()
                pipe.hset(name, STATE, msgspec.json.encode(after))
                pipe.execute()
            except redis.WatchError:
                continue
            return after


def packed(ids: Mapping[int, int]) -> bytes:
    """Return `ids` as they are kept: 16 bytes for each event."""
    return array("Q", [number for pair in ids.items() for number in pair]).tobytes()


def is_active(one: Backfill) -> bool:
    """Say whether a backfill is still to be read."""
    return one.state in ("waiting", "running")


def active(state: Backfills) -> Backfill | None:
    """Return the backfill to read now: one at a time, in the order in which they were asked for."""
    return next((one for one in state.requests if is_active(one)), None)


def replaced(state: Backfills, one: Backfill) -> Backfills:
    """Return `state` with `one` in the place of what it was."""
    requests = tuple(one if other.backfill_id == one.backfill_id else other for other in state.requests)
    return msgspec.structs.replace(state, requests=requests)


def merged(ranges: Iterable[TimeRange]) -> tuple[TimeRange, ...]:
    """Return the same timestamps in as few ranges as possible, in order."""
    out: list[TimeRange] = []
    for one in sorted(ranges, key=lambda one: one.from_ms):
        if out and one.from_ms <= out[-1].to_ms + 1:
            out[-1] = TimeRange(from_ms=out[-1].from_ms, to_ms=max(out[-1].to_ms, one.to_ms))
        else:
            out.append(TimeRange(from_ms=one.from_ms, to_ms=one.to_ms))
    return tuple(out)


def common(wanted: TimeRange, ranges: Iterable[TimeRange]) -> tuple[TimeRange, ...]:
    """Return what of `wanted` is in `ranges`, in order."""
    cut = [(max(one.from_ms, wanted.from_ms), min(one.to_ms, wanted.to_ms)) for one in merged(ranges)]
    return tuple(TimeRange(from_ms=begin, to_ms=end) for begin, end in cut if begin <= end)


def without(wanted: TimeRange, ranges: Iterable[TimeRange]) -> tuple[TimeRange, ...]:
    """Return what of `wanted` is not in `ranges`, in order."""
    out, begin = [], wanted.from_ms
    for one in common(wanted, ranges):
        if begin < one.from_ms:
            out.append(TimeRange(from_ms=begin, to_ms=one.from_ms - 1))
        begin = one.to_ms + 1
    if begin <= wanted.to_ms:
        out.append(TimeRange(from_ms=begin, to_ms=wanted.to_ms))
    return tuple(out)


def holding(ranges: Iterable[TimeRange], timestamp_ms: int) -> TimeRange | None:
    """Return the range that a timestamp is in, if it is in one."""
    return next((one for one in ranges if one.from_ms <= timestamp_ms <= one.to_ms), None)


def _decoded(raw: bytes | None) -> Backfills:
    try:
        return _decoder.decode(raw) if raw is not None else Backfills()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PoisonMessage(f"what Redis holds of the backfills of a group cannot be read: {error}") from None


def _unpacked(data: bytes) -> dict[int, int]:
    numbers = array("Q")
    try:
        numbers.frombytes(data)
        return dict(zip(numbers[::2], numbers[1::2], strict=True))
    except ValueError as error:
        raise PoisonMessage(f"what Redis holds of the ids of a backfill cannot be read: {error}") from None
