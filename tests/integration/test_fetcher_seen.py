"""What is remembered of a group, on a real Valkey and on the stand-in that the made-up histories run on."""

from array import array
from typing import Any

import pytest
import redis
from msgspec.structs import replace

from services.fetcher import seen
from services.fetcher.seen import SeenEvents
from shared import keys
from shared.event_columns import EventColumns
from shared.messages import LogEvent
from shared.remembered import UNKNOWN_MS, digest
from tests.unit.fetcher.memory_redis import MemoryRedis

NOW_MS = 1_800_000_000_000
KEY = "0123456789abcdef"


@pytest.fixture(params=["memory", "valkey"])
def store(request: pytest.FixtureRequest, client: redis.Redis) -> Any:
    return client if request.param == "valkey" else MemoryRedis()


def an_event(number: int, timestamp_ms: int | None = None, stream: str = "s", message: str = "x") -> LogEvent:
    timestamp = NOW_MS + number if timestamp_ms is None else timestamp_ms
    return LogEvent(event_id=f"{number:056}", log_stream=stream, timestamp_ms=timestamp, message=message)


def loaded(store: Any) -> SeenEvents:
    events = SeenEvents(store, KEY)
    events.reload()
    return events


def commit(store: Any, events: SeenEvents, page: list[LogEvent], sequence: int, swept_ms: int = 0) -> list[LogEvent]:
    """Remember what is new of a page, forget what is before `swept_ms`; return what was new."""
    fresh = events.unseen(EventColumns(page))
    with store.pipeline() as pipe:
        pipe.multi()
        additions = events.add(pipe, fresh, sequence)
        pruned = events.prune(pipe, swept_ms)
        pipe.execute()
    events.committed(additions, pruned)
    return fresh.events


def names(store: Any) -> list[str]:
    """Return the names of what is kept, in order: oldest, newest, message bytes, commit."""
    return sorted(short(name.decode()) for name in store.hkeys(keys.seen(KEY)))


def short(name: str) -> str:
    """Return the name of a field without which one of its commit it is, and how late its events are."""
    return name.partition(".")[0]


def test_an_event_is_new_once(store: Any) -> None:
    """On the same page, the next, and for a reader that starts anew."""
    page = [an_event(number) for number in range(5)]
    events = loaded(store)

    assert page == commit(store, events, [*page, *page], 1)
    assert [] == commit(store, events, page, 2)
    assert [] == commit(store, loaded(store), page, 3)
    assert [an_event(9)] == commit(store, loaded(store), [*page, an_event(9)], 4)


def test_nothing_is_remembered_of_a_commit_that_never_was(store: Any) -> None:
    """Its events are new until their batch is queued, in the same transaction."""
    events = loaded(store)
    fresh = events.unseen(EventColumns([an_event(1)]))
    with store.pipeline() as pipe:
        pipe.multi()
        events.add(pipe, fresh, 1)

    assert [an_event(1)] == loaded(store).unseen(EventColumns([an_event(1)])).events


def test_events_that_differ_in_one_thing_are_two(store: Any) -> None:
    """Nobody promises that an eventId is unique beyond its stream."""
    page = [an_event(1), an_event(2, NOW_MS + 1), an_event(1, NOW_MS + 2), an_event(1, stream="t")]

    assert page == commit(store, loaded(store), page, 1)
    assert 4 == len({digest(event) for event in page})


def test_what_is_before_the_mark_is_forgotten_when_all_of_its_field_is(store: Any) -> None:
    """A field at a time: what it still holds may be read again."""
    events = loaded(store)
    commit(store, events, [an_event(0), an_event(10)], 1)
    commit(store, events, [an_event(20)], 2, swept_ms=NOW_MS + 10)
    half = names(store)
    commit(store, events, [an_event(30)], 3, swept_ms=NOW_MS + 11)

    assert [f"{NOW_MS}:{NOW_MS + 10}:2:1", f"{NOW_MS + 20}:{NOW_MS + 20}:1:2"] == half
    assert [f"{NOW_MS + 20}:{NOW_MS + 20}:1:2", f"{NOW_MS + 30}:{NOW_MS + 30}:1:3"] == names(store)
    assert 2 == events.remembered_bytes == loaded(store).remembered_bytes


def test_late_events_are_kept_apart_for_as_long_as_they_are_needed(store: Any) -> None:
    """In one field with what came in time, one of them would keep a page of ids."""
    page = [replace(an_event(n), ingestion_ms=NOW_MS + n + (5000 if n % 10 == 3 else 10)) for n in range(30)]
    events = loaded(store)
    with store.pipeline() as pipe:
        pipe.multi()
        additions = events.add(pipe, events.unseen(EventColumns(page)), 1, lambda field: field.late_ms > 1000)
        pipe.execute()
    events.committed(additions, [])
    assert 2 == len(names(store))

    for needed_ms, forgotten in ((NOW_MS + 5023, [n for n in range(30) if n % 10 != 3]), (NOW_MS + 5024, range(30))):
        with store.pipeline() as pipe:
            pipe.multi()
            pruned = events.prune(pipe, NOW_MS + 1000, lambda field, ms=needed_ms: field.ingested_ms >= ms)  # type: ignore[misc]
            pipe.execute()
        events.committed([], pruned)
        assert [page[n] for n in forgotten] == loaded(store).unseen(EventColumns(page)).events
        assert 0 == events.bytes_from(NOW_MS + 1000)


def test_fields_of_before_that_tell_no_ingestion_are_read(store: Any) -> None:
    """A fetcher of the new version goes on from what the one of the old version remembered."""
    packed = array("Q", [digest(an_event(1))])
    store.hset(keys.seen(KEY), f"{NOW_MS + 1}:{NOW_MS + 1}:1:7", packed.tobytes())
    events = loaded(store)

    assert [an_event(2)] == events.unseen(EventColumns([an_event(1), an_event(2)])).events
    assert [(UNKNOWN_MS, UNKNOWN_MS)] == [(field.ingested_ms, field.late_ms) for field in events._fields.values()]


def test_remembered_bytes_are_those_of_the_messages(store: Any) -> None:
    """They say whether all of it fits in one page."""
    events = loaded(store)
    commit(store, events, [an_event(1, message="abc"), an_event(2, message="")], 1)
    commit(store, events, [an_event(1, message="abc"), an_event(3, message="de")], 2)

    assert 5 == events.remembered_bytes == loaded(store).remembered_bytes


def test_a_page_asks_only_for_what_it_can_touch(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy group remembers millions; a page is a moment of them."""
    events = loaded(store)
    for number in range(20):
        commit(store, events, [an_event(number * 1000 + n) for n in range(10)], number + 1)
    asked: list[str] = []
    ask = store.hmget

    def noting(key: str, fields: list[str]) -> Any:
        asked.extend(fields)
        return ask(key, fields)

    monkeypatch.setattr(store, "hmget", noting)
    loaded(store).unseen(EventColumns([an_event(4009), an_event(5000)]))

    assert sorted(map(short, asked)) == [f"{NOW_MS + n * 1000}:{NOW_MS + n * 1000 + 9}:10:{n + 1}" for n in (4, 5)]


def test_memory_is_bounded_while_a_group_remembers_more(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used longest ago is let go, and asked for when a page needs it."""
    monkeypatch.setattr(seen, "MAX_LOADED", 30)
    events = loaded(store)
    pages = [[an_event(number * 1000 + n) for n in range(10)] for number in range(20)]
    for sequence, page in enumerate(pages, start=1):
        commit(store, events, page, sequence)

        assert events.held <= 30
    assert [] == [event for page in pages for event in events.unseen(EventColumns(page)).events]
    assert events.held <= 30


def test_memory_forgets_what_the_store_forgets(store: Any) -> None:
    """A process lives for months."""
    events = loaded(store)
    for number in range(50):
        commit(store, events, [an_event(number)], number, swept_ms=NOW_MS + number - 5)

    assert [6, 6, 6] == [events.held, len(events._fields), len(names(store))]


def test_a_host_whose_clock_is_ahead_does_not_have_every_page_touch_everything(store: Any) -> None:
    """One event an hour ahead on each page: in one field with the rest, it stretched the field over all later pages."""
    events = loaded(store)
    for sequence in range(60):
        first = sequence * 30_000
        page = [an_event(first + n * 300) for n in range(100)] + [an_event(first, NOW_MS + first + 3_600_000, "fast")]
        commit(store, events, page, sequence)
    anew = loaded(store)
    anew.unseen(EventColumns([an_event(59 * 30_000 + n * 300) for n in range(100)]))

    assert anew.held < 15 * 100


def test_a_sparse_page_is_kept_in_few_fields(store: Any) -> None:
    """A day with an event a minute must not become a thousand names."""
    commit(store, loaded(store), [an_event(n * 60_000) for n in range(1440)], 1)

    assert len(names(store)) <= seen.MAX_STRETCHES + 1


def test_a_million_ids_take_eight_bytes_each_in_the_store() -> None:
    """Nothing is kept of the events themselves."""
    store = MemoryRedis()
    commit(store, loaded(store), [an_event(n) for n in range(1000)], 1)
    values = store.hashes[keys.seen(KEY)].values()

    assert 8000 == sum(len(value) for value in values)


def test_text_that_is_no_text_has_a_digest() -> None:
    """Half a surrogate pair in a stream's name must not end the reading."""
    assert digest(an_event(1, stream="\ud800")) != digest(an_event(1, stream="\ud801"))


@pytest.mark.parametrize("change", ["other", "none"])
def test_both_stores_let_one_of_two_writers_commit(store: Any, change: str) -> None:
    """The stand-in's WATCH does what the server's does: for values changed, and changed to the same."""
    store.set("place", "old")
    with store.pipeline() as pipe:
        pipe.watch("place")
        value = pipe.get("place")
        if change == "other":
            store.set("place", "old")
        pipe.multi()
        pipe.set("place", "new")
        pipe.hset("hash", "field", 1)
        pipe.hincrby("hash", "field", 4)
        if change == "other":
            with pytest.raises(redis.WatchError):
                pipe.execute()
        else:
            pipe.execute()

    assert b"old" == value
    expected = [b"old", {}] if change == "other" else [b"new", {b"field": b"5"}]
    assert expected == [store.get("place"), store.hgetall("hash")]
