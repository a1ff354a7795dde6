"""Events later than late_window: found by deep sweeps, once, with little remembered; and the tail does not wait for them."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis

from services.fetcher import seen, sweeps
from services.fetcher.fetch import GroupReader
from shared import keys
from shared.errors import SourceBusy, TokenRefused
from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_contents import Paging
from tests.unit.fetcher.at_work import REGION, a_reader, checkpoint, emptied, events, messages, read, twice

NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class Clock:
    """The time of both the stand-in and the reader."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def aws(server: CloudWatch, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    aws = emptied(server, monkeypatch)
    aws.now_ms = clock
    aws.create_group(REGION, "/app")
    return aws


def put(aws: CloudWatch, text: str, timestamp_ms: int) -> None:
    aws.put(REGION, "/app", "s", [(timestamp_ms, text)])


def live(reader: GroupReader, clock: Clock, hours: float, step_ms: int = 30 * MINUTE_MS) -> None:
    """Let time pass, with a poll now and then."""
    for _ in range(int(hours * HOUR_MS // step_ms)):
        clock.now_ms += step_ms
        read(reader)


def remembered(client: redis.Redis, key: str) -> int:
    """Return how many ids are remembered."""
    return sum(len(value) for value in client.hvals(keys.seen(key))) // 8


@pytest.mark.parametrize("late_ms", [16 * MINUTE_MS, 3 * HOUR_MS, DAY_MS - MINUTE_MS])
def test_an_event_that_comes_hours_late_is_delivered_once(
    aws: CloudWatch, client: redis.Redis, clock: Clock, late_ms: int
) -> None:
    """By the next deep sweep, and by no sweep after that one."""
    reader = a_reader(aws, client, start_ms=NOW_MS - 2 * DAY_MS)
    put(aws, "in time", clock.now_ms)
    live(reader, clock, 25)
    put(aws, "late", clock.now_ms - late_ms)
    found_after = 0.0
    while "late" not in messages(client) and found_after < 24:
        live(reader, clock, 0.5)
        found_after += 0.5
    live(reader, clock, 40)

    assert found_after <= 6.5
    assert ["in time", "late"] == messages(client)


def test_every_event_of_a_day_of_late_ones_is_delivered_once(
    aws: CloudWatch, client: redis.Redis, clock: Clock
) -> None:
    """On time, late for the tail, and late by hours, over many sweeps; restarts between them change nothing."""
    expected = []
    reader = a_reader(aws, client, start_ms=NOW_MS - 2 * DAY_MS)
    for number in range(80):
        clock.now_ms += 29 * MINUTE_MS
        for late_ms in (0, 5 * MINUTE_MS, 14 * MINUTE_MS, 20 * MINUTE_MS, 7 * HOUR_MS, 23 * HOUR_MS):
            expected.append(f"{number} {late_ms}")
            put(aws, expected[-1], clock.now_ms - late_ms)
        if number % 20 == 7:
            reader = a_reader(aws, client, start_ms=NOW_MS - 2 * DAY_MS)
        read(reader)
    live(reader, clock, 7)

    assert sorted(expected) == messages(client)


def test_nothing_from_before_the_start_is_ever_delivered(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """What the operator did not ask for does not come by the back door."""
    reader = a_reader(aws, client, start_ms=NOW_MS)
    live(reader, clock, 1)
    put(aws, "before", NOW_MS - 1)
    put(aws, "after", NOW_MS)
    live(reader, clock, 12)

    assert ["after"] == messages(client)


@pytest.mark.parametrize("changes", [{"sweep_interval": 0}, {"sweep_window": 900_000}], ids=["none", "no longer"])
def test_no_sweep_is_made_where_none_is_wanted(
    aws: CloudWatch, client: redis.Redis, clock: Clock, changes: dict[str, Any]
) -> None:
    """It would cost calls; a window of a late_window finds nothing that the tail does not."""
    reader = a_reader(aws, client, start_ms=NOW_MS, **changes)
    live(reader, clock, 1)
    put(aws, "late", NOW_MS)
    aws.calls.clear()
    live(reader, clock, 24, 30 * MINUTE_MS)

    assert [] == messages(client)
    assert 48 == aws.call_count("FilterLogEvents")
    assert checkpoint(client, reader.key).deep is None


def test_sweeps_that_are_turned_on_later_double_nothing(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """What was delivered before was not remembered: they begin with what comes from then on."""
    before = a_reader(aws, client, start_ms=NOW_MS - DAY_MS, sweep_interval=0)
    for number in range(20):
        put(aws, f"before {number}", clock.now_ms - 14 * MINUTE_MS)
        live(before, clock, 0.2, 6 * MINUTE_MS)
    after = a_reader(aws, client, start_ms=NOW_MS - DAY_MS)
    live(after, clock, 1)
    put(aws, "late", clock.now_ms - 30 * MINUTE_MS)
    live(after, clock, 12)

    assert ["before " + str(number) for number in range(20)] + ["late"] == sorted(
        messages(client), key=lambda text: (text == "late", int(text.split()[-1]) if text != "late" else 0)
    )


def test_a_late_window_made_longer_or_shorter_loses_and_doubles_nothing(
    aws: CloudWatch, client: redis.Redis, clock: Clock
) -> None:
    """Stretches swept under a short one must not pass for read when they were older."""
    expected = []
    for number, window in enumerate([15, 1, 60, 5, 1, 90, 15]):
        reader = a_reader(aws, client, start_ms=NOW_MS - DAY_MS, late_window=window * MINUTE_MS)
        for minutes in range(0, 180, 20):
            for late in (0, 4, 13, 40, 100):
                expected.append(f"{number} {minutes} {late}")
                put(aws, expected[-1], clock.now_ms - late * MINUTE_MS)
            live(reader, clock, 0.35, 5 * MINUTE_MS)
    live(reader, clock, 15)

    assert sorted(expected) == messages(client)


def test_old_logs_uploaded_in_bulk_are_remembered_until_the_sweep_after(
    aws: CloudWatch, client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are late: eight bytes each in Redis, a bounded part of them in the process, and only for a while."""
    monkeypatch.setattr(seen, "MAX_LOADED", 2_000)
    aws.paging = Paging(page_events=1000)
    reader = a_reader(aws, client, start_ms=NOW_MS - 2 * DAY_MS)
    live(reader, clock, 1)
    first_ms = clock.now_ms - 20 * HOUR_MS
    aws.put(REGION, "/app", "old", [(first_ms + number * 4000, str(number)) for number in range(15_000)])
    most = 0
    for _ in range(80):
        live(reader, clock, 10 / 60, 10 * MINUTE_MS)
        most = max(most, reader._state.seen.held)

    assert 15_000 == len(events(client))
    assert set() == twice(client)
    assert 15_000 > remembered(client, reader.key)
    assert most <= 2_000 + 1_000
    live(reader, clock, 14)
    assert 0 == remembered(client, reader.key)


def test_a_busy_group_on_time_is_not_remembered_for_its_sweeps(
    aws: CloudWatch, client: redis.Redis, clock: Clock
) -> None:
    """What came in time is known by its times; a day of it would be gigabytes."""
    reader = a_reader(aws, client, start_ms=NOW_MS - HOUR_MS)
    for number in range(150):
        aws.put(REGION, "/app", "s", [(clock.now_ms - n * 100, f"{number} {n}") for n in range(100)])
        live(reader, clock, 0.1, 6 * MINUTE_MS)

    assert 15_000 == len(events(client))
    assert remembered(client, reader.key) < 800


def _deep_sweep_under_way(aws: CloudWatch, client: redis.Redis, clock: Clock) -> GroupReader:
    """Return the reader of a group of many pages, in the middle of a deep sweep that has three late events to find."""
    aws.paging = Paging(page_events=20)
    aws.put(REGION, "/app", "s", [(NOW_MS - HOUR_MS + n * 1000, f"event {n}") for n in range(600)])
    reader = a_reader(aws, client, start_ms=NOW_MS - DAY_MS)
    live(reader, clock, 5)
    for number in (0, 300, 599):
        put(aws, f"late {number}", NOW_MS - HOUR_MS + number * 1000)
    while checkpoint(client, reader.key).deep.open_slice is None:  # type: ignore[union-attr]
        live(reader, clock, 10 / 60, 10 * MINUTE_MS)
    return reader


def test_the_tail_does_not_wait_for_a_deep_sweep(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """It reads some pages between two polls, more when it takes long, and goes on after a restart where it was."""
    reader = _deep_sweep_under_way(aws, client, clock)
    assert "late 599" not in messages(client)
    put(aws, "new", clock.now_ms)
    aws.calls.clear()
    clock.now_ms += 1000
    read(reader)

    assert "new" in messages(client)
    assert aws.call_count("FilterLogEvents") <= 1 + sweeps.PAGES_A_ROUND
    for _ in range(6):
        clock.now_ms += 1000
        read(a_reader(aws, client, start_ms=NOW_MS - DAY_MS))
    assert checkpoint(client, reader.key).deep.open_slice is None  # type: ignore[union-attr]
    assert 604 == len(events(client))
    assert set() == twice(client)


def test_a_deep_sweep_whose_token_is_refused_begins_anew(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """A fetcher that was down for more than a day with a sweep under way."""
    reader = _deep_sweep_under_way(aws, client, clock)
    clock.now_ms += 25 * HOUR_MS
    with pytest.raises(TokenRefused):
        read(reader)
    live(reader, clock, 2)

    assert 603 == len(events(client))
    assert set() == twice(client)


def test_a_deep_sweep_that_fails_holds_no_tail_up(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """AWS may choke on one page of it for hours: what is new is read all the same."""
    reader = _deep_sweep_under_way(aws, client, clock)
    calls = reader._api.page

    def page(log_group: str, from_ms: int, to_ms: int, token: str = "") -> object:
        if to_ms < clock.now_ms:
            raise SourceBusy("no")
        return calls(log_group, from_ms, to_ms, token)

    reader._api.page = page  # type: ignore[method-assign,assignment]
    try:
        for number in range(5):
            put(aws, f"new {number}", clock.now_ms)
            clock.now_ms += 30_000
            with pytest.raises(SourceBusy):
                read(reader)
    finally:
        del reader._api.page

    assert 5 == sum(text.startswith("new") for text in messages(client))


def test_once_sweeps_when_it_is_due_and_then_to_the_end(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """A first run has nothing to sweep; one of a job that runs each hour does every sixth time, and leaves nothing open."""

    def run() -> int:
        reader = a_reader(aws, client, start_ms=NOW_MS - DAY_MS)
        aws.calls.clear()
        while reader.poll(8, lambda: True, once=True):
            pass
        return aws.call_count("FilterLogEvents")

    aws.paging = Paging(page_events=20)
    aws.put(REGION, "/app", "s", [(NOW_MS - HOUR_MS + n * 1000, f"event {n}") for n in range(600)])
    first = run()
    put(aws, "late", NOW_MS - 2 * HOUR_MS)
    calls = []
    for _ in range(12):
        clock.now_ms += HOUR_MS
        calls.append(run())

    assert 30 <= first <= 31
    assert 2 == sum(count > 25 for count in calls)
    assert 601 == len(events(client))
    assert set() == twice(client)


def test_two_fetchers_share_a_deep_sweep(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """Page by page, in turns: the watched checkpoint lets one of them commit."""
    readers = [_deep_sweep_under_way(aws, client, clock), a_reader(aws, client, start_ms=NOW_MS - DAY_MS)]
    for _ in range(60):
        clock.now_ms += 1000
        for reader in readers:
            with suppress(TokenRefused):
                reader.poll(2, lambda: True)

    assert 603 == len(events(client))
    assert set() == twice(client)
