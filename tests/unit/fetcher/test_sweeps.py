"""What a deep sweep reads, and what it takes for read by its times alone: the arithmetic behind exactly once."""

from typing import Any

import pytest
from msgspec.structs import replace

from services.fetcher import slices, sweeps
from services.fetcher.sweeps import PAGES_A_ROUND, VISIBLE_MS
from shared.messages import Checkpoint, DeepSweeps, LogEvent, OpenSlice
from shared.remembered import UNKNOWN_MS, Field
from shared.settings.model import Source

NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WINDOW_MS = 15 * MINUTE_MS
SWEPT_MS = NOW_MS - 20 * MINUTE_MS
SOURCE = Source(name="s", regions=("eu-west-1",), log_groups=("/app",))
TAIL = OpenSlice(from_ms=SWEPT_MS, to_ms=NOW_MS + slices.AHEAD_MS, started_ms=NOW_MS)


def a_source(**changes: Any) -> Source:
    return replace(SOURCE, **changes)


def a_checkpoint(**changes: Any) -> Checkpoint:
    """Return the checkpoint of a group whose last deep sweep began six hours ago."""
    usual: dict[str, Any] = {
        "begun_ms": NOW_MS - 6 * HOUR_MS,
        "read_ms": NOW_MS - 6 * HOUR_MS,
        "to_ms": NOW_MS - 6 * HOUR_MS - 20 * MINUTE_MS,
        "from_ms": NOW_MS - 30 * HOUR_MS,
        "late_window_ms": WINDOW_MS,
        "late_window_since_ms": NOW_MS - 9 * DAY_MS,
    }
    deep = DeepSweeps(**(usual | changes))
    return Checkpoint(watermark_ms=NOW_MS, swept_ms=SWEPT_MS, deep=deep)


def an_event(timestamp_ms: int, ingestion_ms: int) -> LogEvent:
    return LogEvent(event_id="1", log_stream="s", timestamp_ms=timestamp_ms, ingestion_ms=ingestion_ms)


def deep_of(checkpoint: Checkpoint) -> DeepSweeps:
    assert checkpoint.deep is not None
    return checkpoint.deep


def test_a_group_seen_for_the_first_time_is_swept_an_interval_later() -> None:
    """Of what was there before, the first read brings all."""
    first = sweeps.arranged(slices.begin(NOW_MS - DAY_MS, NOW_MS), TAIL, NOW_MS + 5000, SOURCE)
    later = replace(first, swept_ms=NOW_MS)

    assert (NOW_MS, NOW_MS - DAY_MS) == (deep_of(first).read_ms, deep_of(first).from_ms)
    assert sweeps.due(later, NOW_MS + 6 * HOUR_MS - 1, SOURCE) is None
    assert sweeps.due(later, NOW_MS + 6 * HOUR_MS, SOURCE) is not None


def test_a_sweep_reads_what_was_open_for_late_events_when_the_last_one_began() -> None:
    """Up to the mark of the tail, which sees to the rest."""
    found = sweeps.due(a_checkpoint(), NOW_MS, SOURCE)

    assert found == OpenSlice(
        from_ms=NOW_MS - 30 * HOUR_MS, to_ms=SWEPT_MS - 1, started_ms=NOW_MS, is_sweep=True, is_deep=True
    )


@pytest.mark.parametrize("days", [0, 3])
def test_the_next_sweep_begins_a_window_before_this_one_however_long_it_took(days: int) -> None:
    """An event that comes within the window and behind this one's back is there for the next."""
    before = a_checkpoint()
    current = sweeps.due(before, NOW_MS, SOURCE)
    assert current is not None
    after = sweeps.advance(before, current, [], None, NOW_MS + days * DAY_MS, SOURCE)

    assert NOW_MS - DAY_MS - VISIBLE_MS == deep_of(after).from_ms
    assert [NOW_MS, NOW_MS, SWEPT_MS] == [deep_of(after).begun_ms, deep_of(after).read_ms, deep_of(after).to_ms]
    assert deep_of(after).open_slice is None


def test_a_larger_window_does_not_reach_behind_what_is_remembered() -> None:
    """Ids of before were forgotten: reading there would deliver it all again."""
    current = sweeps.due(a_checkpoint(), NOW_MS, a_source(sweep_window=14 * DAY_MS))

    assert current is not None
    assert NOW_MS - 30 * HOUR_MS == current.from_ms


@pytest.mark.parametrize(
    ("changes", "now_ms", "is_due"),
    [
        ({}, NOW_MS, True),
        ({}, NOW_MS - 1, False),
        ({"sweep_interval": 0}, NOW_MS, False),
        ({"sweep_window": WINDOW_MS}, NOW_MS, False),
        ({}, NOW_MS - 11 * HOUR_MS, False),
        ({}, NOW_MS - 12 * HOUR_MS, True),
    ],
    ids=["due", "too early", "none wanted", "window too short", "clock set back", "clock set back by a long way"],
)
def test_a_sweep_is_due_an_interval_after_the_last(changes: dict[str, int], now_ms: int, *, is_due: bool) -> None:
    assert is_due == (sweeps.due(a_checkpoint(), now_ms, a_source(**changes)) is not None)


def test_a_sweep_under_way_is_gone_on_with_and_given_up_with_its_token() -> None:
    before = a_checkpoint()
    current = sweeps.due(before, NOW_MS, SOURCE)
    assert current is not None
    after = sweeps.advance(before, current, [SWEPT_MS - 5], "t", NOW_MS, SOURCE)

    assert replace(current, token="t", events=1, newest_ms=SWEPT_MS - 5) == sweeps.due(after, NOW_MS, SOURCE)
    again = sweeps.due(sweeps.restarted(after), NOW_MS + 5000, SOURCE)
    assert replace(current, started_ms=NOW_MS + 5000) == again
    assert (before.watermark_ms, before.swept_ms) == (after.watermark_ms, after.swept_ms)


def test_a_sweep_that_takes_too_long_gets_more_pages() -> None:
    """Else a group that makes more pages in a poll than a sweep reads would never be swept."""
    current = OpenSlice(from_ms=0, to_ms=1, started_ms=NOW_MS)

    assert [1, 1, 2, 5] == [
        sweeps.pages_a_round(current, NOW_MS + hours * HOUR_MS, SOURCE) // PAGES_A_ROUND for hours in (0, 5, 6, 24)
    ]


OLD_MS = NOW_MS - 8 * HOUR_MS
RECENT_MS = NOW_MS - HOUR_MS


@pytest.mark.parametrize(
    ("timestamp_ms", "ingestion_ms", "certain"),
    [
        (OLD_MS, OLD_MS, True),
        (OLD_MS, NOW_MS - 6 * HOUR_MS - VISIBLE_MS, True),
        (OLD_MS, NOW_MS - 6 * HOUR_MS - VISIBLE_MS + 1, False),
        (RECENT_MS, RECENT_MS + WINDOW_MS - VISIBLE_MS, True),
        (RECENT_MS, RECENT_MS + WINDOW_MS - VISIBLE_MS + 1, False),
        (RECENT_MS, RECENT_MS - HOUR_MS, True),
        (RECENT_MS, 0, False),
    ],
    ids=["on time", "before the last sweep", "after it", "in time", "late", "ahead of its time", "nobody knows"],
)
def test_an_event_is_known_by_its_times_or_looked_up(timestamp_ms: int, ingestion_ms: int, *, certain: bool) -> None:
    """And what is looked up is what was kept."""
    checkpoint = a_checkpoint()
    ingested_ms = ingestion_ms or UNKNOWN_MS
    late_ms = ingestion_ms - timestamp_ms if ingestion_ms else UNKNOWN_MS
    field = Field("", timestamp_ms, timestamp_ms, 0, ingested_ms, late_ms)

    assert certain == sweeps.is_certain(checkpoint, an_event(timestamp_ms, ingestion_ms))
    assert certain != sweeps.is_needed(checkpoint, field)


def test_a_sweep_ends_where_it_ended() -> None:
    """What begins there was read last by the tail."""
    checkpoint = a_checkpoint()
    end_ms = NOW_MS - 6 * HOUR_MS - 20 * MINUTE_MS

    assert sweeps.is_certain(checkpoint, an_event(end_ms - 1, NOW_MS - 6 * HOUR_MS - VISIBLE_MS))
    assert not sweeps.is_certain(checkpoint, an_event(end_ms, NOW_MS - 6 * HOUR_MS - VISIBLE_MS))


def test_what_comes_while_a_sweep_is_under_way_is_left_to_the_next() -> None:
    """It may have come behind the place that was being read."""
    checkpoint = a_checkpoint()
    for minutes, token in ((0, "t"), (30, "u"), (60, None)):
        now_ms = NOW_MS + minutes * MINUTE_MS
        current = sweeps.due(checkpoint, now_ms, SOURCE)
        assert current is not None
        checkpoint = sweeps.advance(checkpoint, current, [], token, now_ms, SOURCE)

    assert not sweeps.is_certain(checkpoint, an_event(OLD_MS, NOW_MS - VISIBLE_MS + 1))
    assert sweeps.is_certain(checkpoint, an_event(OLD_MS, NOW_MS - VISIBLE_MS))


def test_at_the_shortest_late_window_what_comes_within_it_is_certain() -> None:
    """A minute is as long as an event may take to be readable: the tail is swept a minute later, or all would be late."""
    source = a_source(late_window=MINUTE_MS)
    checkpoint = sweeps.arranged(replace(a_checkpoint(), deep=None), TAIL, NOW_MS, source)

    assert 2 * MINUTE_MS == sweeps.late_window(checkpoint, source)
    assert sweeps.is_certain(checkpoint, an_event(NOW_MS, NOW_MS + MINUTE_MS))
    assert not sweeps.is_certain(checkpoint, an_event(NOW_MS, NOW_MS + MINUTE_MS + 1))


def test_nothing_is_needed_without_sweeps_or_behind_them() -> None:
    late = Field("", OLD_MS, OLD_MS, 0, NOW_MS, NOW_MS - OLD_MS)
    gone = Field("", OLD_MS - 9 * DAY_MS, NOW_MS - 30 * HOUR_MS - 1, 0, NOW_MS, DAY_MS)

    assert sweeps.is_needed(a_checkpoint(), late)
    assert not sweeps.is_needed(replace(a_checkpoint(), deep=None), late)
    assert not sweeps.is_needed(a_checkpoint(), gone)


class TestAChangedLateWindow:
    """It holds for what is not swept yet: what was swept before was read when it was as old as was then said."""

    def test_what_was_swept_under_the_old_one_is_judged_by_the_old_one(self) -> None:
        after = sweeps.arranged(a_checkpoint(), TAIL, NOW_MS, a_source(late_window=HOUR_MS))
        late_ms = 30 * MINUTE_MS

        assert not sweeps.is_certain(after, an_event(SWEPT_MS - 1, SWEPT_MS - 1 + late_ms))
        assert sweeps.is_certain(after, an_event(SWEPT_MS, SWEPT_MS + late_ms))

    def test_a_shorter_one_makes_nothing_uncertain_that_was_certain(self) -> None:
        """Its id is forgotten by now."""
        after = sweeps.arranged(a_checkpoint(), TAIL, NOW_MS, a_source(late_window=2 * MINUTE_MS))
        in_time_ms = 10 * MINUTE_MS

        assert sweeps.is_certain(after, an_event(SWEPT_MS - 1, SWEPT_MS - 1 + in_time_ms))
        assert not sweeps.is_certain(after, an_event(SWEPT_MS, SWEPT_MS + in_time_ms))

    def test_a_second_change_waits_for_a_sweep(self) -> None:
        """Meanwhile the tail is read with the longer of the two."""
        first = sweeps.arranged(a_checkpoint(), TAIL, NOW_MS, a_source(late_window=HOUR_MS))
        second = sweeps.arranged(first, TAIL, NOW_MS, a_source(late_window=2 * MINUTE_MS))

        assert first == second
        assert HOUR_MS == sweeps.late_window(second, a_source(late_window=2 * MINUTE_MS))
        current = sweeps.due(second, NOW_MS, a_source(late_window=2 * MINUTE_MS))
        assert current is not None
        swept = sweeps.advance(second, current, [], None, NOW_MS, a_source(late_window=2 * MINUTE_MS))
        assert (
            2 * MINUTE_MS
            == deep_of(sweeps.arranged(swept, TAIL, NOW_MS, a_source(late_window=2 * MINUTE_MS))).late_window_ms
        )

    def test_what_was_certain_stays_certain_after_a_sweep_by_a_clock_that_was_set_back(self) -> None:
        before = a_checkpoint()
        current = sweeps.due(before, NOW_MS, SOURCE)
        assert current is not None
        after = sweeps.advance(before, current, [], None, NOW_MS - 5 * HOUR_MS, SOURCE)

        assert deep_of(after).read_ms >= SWEPT_MS - 1 + WINDOW_MS


def test_sweeps_that_are_turned_off_forget_all_and_begin_anew() -> None:
    off = sweeps.arranged(a_checkpoint(), TAIL, NOW_MS, a_source(sweep_interval=0))
    on = sweeps.arranged(off, TAIL, NOW_MS, SOURCE)

    assert off.deep is None
    assert SWEPT_MS == deep_of(on).from_ms
    assert sweeps.due(on, NOW_MS + DAY_MS, SOURCE) is None
