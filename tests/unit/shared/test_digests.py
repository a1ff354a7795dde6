"""The digests of what was committed: the same sums in whatever order and pieces, and gone when they say nothing any more."""

import random
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from shared import digests, keys
from shared.digests import HOUR_MS, MINUTE_MS, Digest, Keeper, Mark
from shared.event_columns import EventColumns
from shared.messages import LogEvent

NOW_MS = 1_800_000_000_000 // HOUR_MS * HOUR_MS
WINDOW_MS = 24 * HOUR_MS
KEY = "0123456789abcdef"


def fresh(*timestamps: int) -> EventColumns:
    events = [LogEvent(event_id=f"{n:056}", log_stream="s", timestamp_ms=ms) for n, ms in enumerate(timestamps)]
    return EventColumns(events)


def commit(
    client: redis.Redis, events: EventColumns, *, sequence: int = 1, now_ms: int = NOW_MS, **changes: Any
) -> None:
    keeper = Keeper(client, KEY, changes.get("window_ms", WINDOW_MS))
    with client.pipeline() as pipe:
        keeper.record(pipe, events, sequence, changes.get("start_ms", 0), now_ms)
        pipe.execute()


def held(client: redis.Redis) -> dict[int, Digest]:
    found: dict[int, Digest] = {}
    for name in client.scan_iter(match=keys.digest(KEY, "*")):
        hour = int(name.rpartition(b":")[2])
        found.update(digests.decode(hour, client.hgetall(name)))  # type: ignore[arg-type]
    return found


def mark(client: redis.Redis) -> Mark:
    found = digests.read_mark(client, KEY)
    assert found is not None
    return found


def test_order_and_pieces_are_no_matter(client: redis.Redis) -> None:
    """Pages come late, twice cut, and from two fetchers."""
    events = fresh(*(NOW_MS - n * 7_919 for n in range(2_000)))
    commit(client, events)
    whole = held(client)
    client.flushall()
    shuffled = EventColumns(random.Random(1).sample(events.events, 2_000))
    for sequence, at in enumerate(range(0, 2_000, 130), start=1):
        commit(client, shuffled.cut(at, at + 130), sequence=sequence)

    assert whole == held(client)
    assert 2_000 == sum(one.count for one in whole.values())


@given(times=st.lists(st.integers(NOW_MS - WINDOW_MS, NOW_MS + HOUR_MS), max_size=50))
def test_minutes_hold_the_events_of_their_timestamps(times: list[int]) -> None:
    """Every event is in one minute, with the sum of the hashes there."""
    events = fresh(*times)
    hours = digests._by_hour(events)
    found = {hour * 60 + minute: cell for hour, cells in hours.items() for minute, cell in cells.items()}

    assert {ms // MINUTE_MS for ms in times} == set(found)
    assert len(times) == sum(count for count, _ in found.values())
    assert sum(digests.hashed(hash64) for hash64 in events.hashes) == sum(total for _, total in found.values())


def test_a_late_event_adds_to_its_own_minute(client: redis.Redis) -> None:
    """Where it happened, not when it came."""
    commit(client, fresh(NOW_MS - 5 * HOUR_MS))
    commit(client, fresh(NOW_MS - 5 * HOUR_MS), sequence=2, now_ms=NOW_MS + HOUR_MS)

    assert [(NOW_MS - 5 * HOUR_MS) // MINUTE_MS] == list(held(client))
    assert [2] == [one.count for one in held(client).values()]


def test_an_hour_older_than_the_window_is_not_begun_again(client: redis.Redis) -> None:
    """It would know of the late event alone, and pass for all there was."""
    late = fresh(NOW_MS - WINDOW_MS - HOUR_MS)
    commit(client, late)
    young = fresh(NOW_MS - WINDOW_MS)
    commit(client, young, sequence=2)

    assert [(NOW_MS - WINDOW_MS) // MINUTE_MS] == list(held(client))


def test_a_timestamp_out_of_reason_leaves_no_digest(client: redis.Redis) -> None:
    """A digest of the year 5000 would stay till then."""
    commit(client, fresh(1 << 50, -(1 << 40), 0))

    assert {} == held(client)


def test_a_digest_goes_when_its_hour_is_older_than_the_window(client: redis.Redis) -> None:
    """And an hour later at most, whenever it was written last."""
    for now_ms in (NOW_MS, NOW_MS + 5 * HOUR_MS):
        commit(client, fresh(NOW_MS - HOUR_MS), now_ms=now_ms)
        left = client.ttl(keys.digest(KEY, (NOW_MS - HOUR_MS) // HOUR_MS))

        assert 0 <= (NOW_MS + WINDOW_MS + HOUR_MS - now_ms) // 1000 - left <= 2


def test_a_busy_hour_fits_the_compact_encoding(client: redis.Redis) -> None:
    """docs/audit.md says what an hour takes."""
    name = keys.digest(KEY, NOW_MS // HOUR_MS)
    for minute in range(60):
        client.hincrby(name, str(minute), 1_000_000)
        client.hincrby(name, f"{minute}:sum", 1_000_000 << 31)

    assert b"listpack" == client.object("encoding", name)
    assert client.memory_usage(name, samples=0) < 2048  # type: ignore[operator]


def test_the_greatest_sum_is_one_that_redis_counts() -> None:
    """An overflow would be an error in the middle of a transaction that is carried out all the same."""
    assert digests.hashed((1 << 64) - 1) * 2_000_000_000 < 1 << 63


def test_digests_of_a_new_group_are_whole_from_where_it_is_read(client: redis.Redis) -> None:
    """Nothing of it was committed before."""
    commit(client, EventColumns([]), start_ms=NOW_MS - 12_345)

    assert [NOW_MS - 12_345, True] == [mark(client).from_ms, mark(client).from_start]


def test_digests_of_a_group_that_was_read_before_are_whole_from_a_later_time(client: redis.Redis) -> None:
    """Later than any timestamp that may have been committed without one."""
    commit(client, fresh(NOW_MS), sequence=7)
    first = mark(client)
    commit(client, fresh(NOW_MS + HOUR_MS), sequence=8, now_ms=NOW_MS + HOUR_MS)

    assert [NOW_MS + digests.AHEAD_MS + MINUTE_MS, False] == [first.from_ms, first.from_start]
    assert first == mark(client)


def test_a_group_that_is_read_anew_does_not_have_what_was_counted_before_counted_as_whole(client: redis.Redis) -> None:
    """Somebody deleted its checkpoint: all of it is committed once more."""
    commit(client, fresh(NOW_MS))
    commit(client, fresh(NOW_MS))

    assert mark(client).from_ms > NOW_MS


def test_a_commit_that_never_was_leaves_no_mark(client: redis.Redis) -> None:
    """The next one writes it."""
    keeper = Keeper(client, KEY, WINDOW_MS)
    with client.pipeline() as pipe:
        keeper.record(pipe, EventColumns([]), 1, 5, NOW_MS)
    with client.pipeline() as pipe:
        keeper.record(pipe, EventColumns([]), 1, 5, NOW_MS)
        pipe.execute()

    assert [5, True] == [mark(client).from_ms, mark(client).from_start]


@pytest.mark.parametrize("window_h", [1, 12, 24, 48])
def test_a_window_that_is_changed_never_promises_what_is_gone(client: redis.Redis, window_h: int) -> None:
    """Digests written for a day are gone after a day, even if it is a week from now on."""
    commit(client, fresh(NOW_MS))
    commit(client, fresh(NOW_MS), sequence=2, window_ms=window_h * HOUR_MS)
    hour = NOW_MS // HOUR_MS
    kept = mark(client)

    assert (hour + 1) * HOUR_MS + min(24, window_h) * HOUR_MS == kept.kept_ms(hour)
    assert (hour + 9) * HOUR_MS + window_h * HOUR_MS == kept.kept_ms(hour + 8)
