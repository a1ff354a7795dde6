"""Which range is read next, and what a page moves: the arithmetic that late events depend on."""

from typing import Any

import pytest
from msgspec.structs import replace

from services.fetcher import slices
from services.fetcher.slices import AHEAD_MS, CLOSE_MARGIN_MS, LEAST_LATENESS_MS, SMALL_BYTES
from shared.messages import Checkpoint, OpenSlice

NOW_MS = 1_800_000_000_000
WINDOW_MS = 900_000
QUARTER_MS = WINDOW_MS // 4


def a_checkpoint(**changes: Any) -> Checkpoint:
    """Return the checkpoint of a group that was read a minute ago and swept for the last time when it had to be."""
    usual: dict[str, Any] = {"watermark_ms": NOW_MS - 60_000, "swept_ms": NOW_MS - 60_000 - WINDOW_MS}
    return Checkpoint(**(usual | changes))


def page(
    checkpoint: Checkpoint, current: OpenSlice, *times_ms: int, token: str | None = None, now_ms: int = NOW_MS
) -> Checkpoint:
    """Return the checkpoint after a page of events at these times."""
    return slices.advance(checkpoint, current, times_ms, token, now_ms, WINDOW_MS)


def tail(checkpoint: Checkpoint, remembered_bytes: int = 0, now_ms: int = NOW_MS) -> OpenSlice:
    return slices.next_slice(checkpoint, now_ms, WINDOW_MS, remembered_bytes)


def test_a_first_read_goes_from_the_start_to_two_hours_ahead() -> None:
    """CloudWatch takes timestamps up to two hours ahead of its clock."""
    current = tail(slices.begin(NOW_MS - 5000, NOW_MS))

    assert OpenSlice(from_ms=NOW_MS - 5000, to_ms=NOW_MS + AHEAD_MS, started_ms=NOW_MS) == current


def test_an_open_slice_is_gone_on_with() -> None:
    """Its token fits its own range only."""
    current = OpenSlice(from_ms=1, to_ms=2, started_ms=3, token="t")

    assert current == tail(a_checkpoint(open_slice=current), 10 * SMALL_BYTES)


@pytest.mark.parametrize("remembered_bytes", [0, SMALL_BYTES])
def test_a_small_group_is_read_from_where_it_is_done_with(remembered_bytes: int) -> None:
    """Its whole late window fits in the one call that a poll costs anyway: late events come at the next poll."""
    checkpoint = a_checkpoint()

    assert checkpoint.swept_ms == tail(checkpoint, remembered_bytes).from_ms


@pytest.mark.parametrize(
    ("lateness_ms", "lateness_next_ms", "back_ms"),
    [
        (0, 0, LEAST_LATENESS_MS),
        (20_000, 0, 20_000),
        (0, 20_000, 20_000),
        (30_000, 20_000, 30_000),
        (10 * WINDOW_MS, 0, WINDOW_MS),
    ],
)
def test_a_busy_group_is_read_from_its_watermark_less_its_lateness(
    lateness_ms: int, lateness_next_ms: int, back_ms: int
) -> None:
    """As much again as its events were late, of this late window and the one before; never more than a late window."""
    checkpoint = a_checkpoint(lateness_ms=lateness_ms, lateness_next_ms=lateness_next_ms)

    assert checkpoint.watermark_ms - back_ms == tail(checkpoint, SMALL_BYTES + 1).from_ms


def test_a_busy_group_is_never_read_from_before_it_is_done_with() -> None:
    """Ids from there are forgotten: their events would be delivered twice."""
    checkpoint = a_checkpoint(swept_ms=NOW_MS - 61_000)

    assert checkpoint.swept_ms == tail(checkpoint, SMALL_BYTES + 1).from_ms


def test_a_group_that_is_a_late_window_behind_is_read_from_where_it_is_done_with() -> None:
    """A fetcher that was away: what a sweep would read is on the way."""
    checkpoint = a_checkpoint(watermark_ms=NOW_MS - WINDOW_MS, swept_ms=NOW_MS - 2 * WINDOW_MS)

    assert checkpoint.swept_ms == tail(checkpoint, SMALL_BYTES + 1).from_ms


def test_a_complete_slice_moves_the_watermark_to_its_start_in_time() -> None:
    """What arrived while it was read may be behind its token."""
    checkpoint = a_checkpoint()
    current = tail(checkpoint, SMALL_BYTES + 1)
    after = page(checkpoint, current, NOW_MS + 5000, now_ms=NOW_MS + 20_000)

    assert [NOW_MS, checkpoint.swept_ms, None] == [after.watermark_ms, after.swept_ms, after.open_slice]


def test_a_complete_read_of_a_small_group_is_its_sweep_too() -> None:
    """All that was late_window old when it began is done with."""
    checkpoint = a_checkpoint()
    after = page(checkpoint, tail(checkpoint))

    assert [NOW_MS, NOW_MS - WINDOW_MS] == [after.watermark_ms, after.swept_ms]


def test_a_slice_with_a_token_stays_open_where_it_is() -> None:
    """The checkpoint is slice and token: a crash goes on from the page."""
    checkpoint = a_checkpoint(sequence=5)
    current = tail(checkpoint)
    after = page(checkpoint, current, NOW_MS - 300, NOW_MS - 100, token="t")

    assert replace(current, token="t", events=2, newest_ms=NOW_MS - 100) == after.open_slice
    assert [6, checkpoint.watermark_ms, checkpoint.swept_ms] == [after.sequence, after.watermark_ms, after.swept_ms]


def test_an_empty_page_with_a_token_ends_nothing() -> None:
    """They are real: AWS searched for a while and found nothing yet."""
    checkpoint = a_checkpoint()
    current = replace(tail(checkpoint), newest_ms=NOW_MS - 500, events=3)
    after = page(checkpoint, current, token="t")

    assert replace(current, token="t") == after.open_slice


def test_a_slice_that_was_given_up_begins_anew() -> None:
    """With a new sequence, or its batches would have the names of those that are queued."""
    current = OpenSlice(from_ms=1, to_ms=2, started_ms=3, token="t")
    checkpoint = a_checkpoint(sequence=5, open_slice=current)

    assert replace(checkpoint, sequence=6, open_slice=None) == slices.restarted(checkpoint)


@pytest.mark.parametrize("behind_ms", [1000, 3_600_000, 2 * AHEAD_MS])
def test_a_clock_set_back_moves_no_mark_back(behind_ms: int) -> None:
    """And asks for no range that ends before it begins, which AWS refuses."""
    checkpoint = a_checkpoint()
    now_ms = NOW_MS - behind_ms
    for remembered_bytes in (0, SMALL_BYTES + 1):
        current = tail(checkpoint, remembered_bytes, now_ms)
        after = page(checkpoint, current, now_ms=now_ms)

        assert current.from_ms <= current.to_ms
        assert checkpoint.watermark_ms <= after.watermark_ms
        assert checkpoint.swept_ms <= after.swept_ms
    assert slices.due_sweep(checkpoint, now_ms, WINDOW_MS) is None


def test_a_start_in_the_future_is_waited_for() -> None:
    """only_logs_after may name tomorrow."""
    current = tail(slices.begin(NOW_MS + 10 * AHEAD_MS, NOW_MS))
    after = page(slices.begin(NOW_MS + 10 * AHEAD_MS, NOW_MS), current)

    assert current.from_ms <= current.to_ms
    assert NOW_MS + 10 * AHEAD_MS == after.watermark_ms == after.swept_ms


@pytest.mark.parametrize(("overdue_ms", "is_due"), [(QUARTER_MS - 1, False), (QUARTER_MS, True)])
def test_a_quarter_of_a_late_window_is_swept_at_a_time(overdue_ms: int, is_due: bool) -> None:
    """More often would cost calls, more seldom memory and time."""
    checkpoint = a_checkpoint(watermark_ms=NOW_MS, swept_ms=NOW_MS - WINDOW_MS - overdue_ms)
    sweep = slices.due_sweep(checkpoint, NOW_MS, WINDOW_MS)

    assert is_due == (sweep is not None)
    if sweep is not None:
        assert [checkpoint.swept_ms, NOW_MS - WINDOW_MS, True] == [sweep.from_ms, sweep.to_ms, sweep.is_sweep]


def test_no_sweep_goes_beyond_what_was_read() -> None:
    """Where the tail has not been, there is nothing to read again."""
    checkpoint = a_checkpoint(watermark_ms=NOW_MS - 5 * WINDOW_MS, swept_ms=NOW_MS - 9 * WINDOW_MS)
    sweep = slices.due_sweep(checkpoint, NOW_MS, WINDOW_MS)

    assert sweep is not None
    assert NOW_MS - 6 * WINDOW_MS == sweep.to_ms


def test_no_sweep_begins_while_a_slice_is_open() -> None:
    """One slice, one token, one checkpoint."""
    checkpoint = a_checkpoint(
        swept_ms=NOW_MS - 9 * WINDOW_MS, open_slice=OpenSlice(from_ms=1, to_ms=2, started_ms=3, token="t")
    )

    assert slices.due_sweep(checkpoint, NOW_MS, WINDOW_MS) is None


def test_a_complete_sweep_moves_its_mark_and_leaves_the_watermark() -> None:
    """What it read is late_window old; no read comes back to it."""
    checkpoint = a_checkpoint(watermark_ms=NOW_MS, swept_ms=NOW_MS - 3 * WINDOW_MS)
    sweep = slices.due_sweep(checkpoint, NOW_MS, WINDOW_MS)
    assert sweep is not None
    after = page(checkpoint, sweep, now_ms=NOW_MS + 60_000)

    assert [NOW_MS, NOW_MS - WINDOW_MS] == [after.watermark_ms, after.swept_ms]


class TestClosedEarly:
    """A slice of very many events, here three, ends before it is complete."""

    @pytest.fixture(autouse=True)
    def _three_events(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(slices, "MAX_SLICE_EVENTS", 3)

    BEGIN_MS = NOW_MS - 100 * WINDOW_MS

    def begin(self) -> tuple[Checkpoint, OpenSlice]:
        """Return the checkpoint and the first slice of a group with a long backlog."""
        checkpoint = slices.begin(self.BEGIN_MS, NOW_MS)
        return checkpoint, tail(checkpoint)

    def newest_ms(self, minutes: int) -> tuple[int, int, int]:
        """Return three times, ending so many minutes into the backlog."""
        newest = self.BEGIN_MS + minutes * 60_000
        return newest - 2, newest - 1, newest

    def test_it_ends_ten_seconds_before_the_newest_event(self) -> None:
        """Pages overlap a little, and a millisecond may go on on the next page."""
        checkpoint, current = self.begin()
        after = page(checkpoint, current, *self.newest_ms(30), token="t")
        cut_ms = self.BEGIN_MS + 30 * 60_000 - CLOSE_MARGIN_MS

        assert [cut_ms, cut_ms, None] == [after.watermark_ms, after.swept_ms, after.open_slice]
        assert cut_ms == tail(after).from_ms

    def test_fewer_events_do_not_end_it(self) -> None:
        """Each end costs a call and reads ten seconds again."""
        checkpoint, current = self.begin()

        assert page(checkpoint, current, *self.newest_ms(30)[1:], token="t").open_slice is not None

    def test_events_of_ten_seconds_do_not_end_it(self) -> None:
        """It would begin again where it began, for ever."""
        checkpoint, current = self.begin()
        newest = self.BEGIN_MS + CLOSE_MARGIN_MS

        assert page(checkpoint, current, newest, newest, newest, token="t").open_slice is not None

    def test_a_page_that_steps_back_keeps_it_open(self) -> None:
        """Without order nobody knows what lies before the newest event; also when later pages are in order again."""
        checkpoint, current = self.begin()
        after = page(checkpoint, current, self.BEGIN_MS + 60_000, token="1")
        assert after.open_slice is not None
        after = page(after, after.open_slice, self.BEGIN_MS + 60_000 - CLOSE_MARGIN_MS - 1, token="2")
        assert after.open_slice is not None
        after = page(after, after.open_slice, *self.newest_ms(30), token="3")

        assert after.open_slice is not None
        assert not after.open_slice.in_order
        assert self.BEGIN_MS == after.swept_ms

    def test_a_small_overlap_of_pages_does_not_keep_it_open(self) -> None:
        """Seen at AWS; kept open, the slice of a long backlog would remember every id of it."""
        checkpoint, current = self.begin()
        after = page(checkpoint, current, self.BEGIN_MS + 60_000, token="1")
        assert after.open_slice is not None
        after = page(after, after.open_slice, self.BEGIN_MS + 60_000 - CLOSE_MARGIN_MS, *self.newest_ms(30), token="2")

        assert after.open_slice is None

    def test_a_sweep_that_ends_early_has_swept_what_it_read(self) -> None:
        """Taken for done to its end, the late events of the rest were never read."""
        checkpoint = a_checkpoint(watermark_ms=NOW_MS, swept_ms=self.BEGIN_MS)
        sweep = slices.due_sweep(checkpoint, NOW_MS, WINDOW_MS)
        assert sweep is not None
        after = page(checkpoint, sweep, *self.newest_ms(30), token="t")

        assert [NOW_MS, self.BEGIN_MS + 30 * 60_000 - CLOSE_MARGIN_MS] == [after.watermark_ms, after.swept_ms]

    def test_a_busy_tail_does_not_end_before_it_is_ahead_of_what_it_reads_again(self) -> None:
        """With more events in the overlap than in a slice, each read ended before it came to anything new."""
        checkpoint = a_checkpoint(lateness_ms=30_000)
        current = tail(checkpoint, SMALL_BYTES + 1)
        known_ms = checkpoint.watermark_ms + CLOSE_MARGIN_MS
        after = page(checkpoint, current, known_ms - 2, known_ms - 1, known_ms, token="t")
        assert after.open_slice is not None
        again_ms = checkpoint.watermark_ms + 30_000 + CLOSE_MARGIN_MS
        after = page(after, after.open_slice, again_ms, token="t")
        assert after.open_slice is not None
        after = page(after, after.open_slice, again_ms + 1, token="t")

        assert [None, checkpoint.watermark_ms + 30_001] == [after.open_slice, after.watermark_ms]
        assert checkpoint.swept_ms == after.swept_ms

    def test_a_tail_that_never_catches_up_ends_at_its_start(self) -> None:
        """Events come as fast as they are read: what arrived late behind the token is to be read some day."""
        checkpoint = a_checkpoint()
        current = tail(checkpoint, SMALL_BYTES + 1)
        later_ms = NOW_MS + WINDOW_MS
        after = page(checkpoint, current, later_ms, later_ms, later_ms, token="t", now_ms=later_ms)

        assert [None, NOW_MS] == [after.open_slice, after.watermark_ms]

    def test_events_ahead_of_the_clock_do_not_end_it(self) -> None:
        """There is nothing to go on from: the next slice would read the same again, without a pause."""
        checkpoint = a_checkpoint()
        ahead_ms = NOW_MS + AHEAD_MS

        assert page(checkpoint, tail(checkpoint), ahead_ms, ahead_ms, ahead_ms, token="t").open_slice is not None


def test_lateness_is_the_longest_of_this_window_and_the_one_before() -> None:
    """One straggler makes reads overlap for a while, not for ever."""
    checkpoint = slices.begin(NOW_MS, NOW_MS)
    checkpoint = slices.measured(checkpoint, [20_000, 40_000], NOW_MS, WINDOW_MS)
    checkpoint = slices.measured(checkpoint, [30_000], NOW_MS + WINDOW_MS - 1, WINDOW_MS)
    first = slices.lateness(checkpoint, WINDOW_MS)
    checkpoint = slices.measured(checkpoint, [30_000], NOW_MS + WINDOW_MS, WINDOW_MS)
    second = slices.lateness(checkpoint, WINDOW_MS)
    checkpoint = slices.measured(checkpoint, [], NOW_MS + 2 * WINDOW_MS, WINDOW_MS)
    third = slices.lateness(checkpoint, WINDOW_MS)
    checkpoint = slices.measured(checkpoint, [], NOW_MS + 3 * WINDOW_MS, WINDOW_MS)

    assert [40_000, 40_000, 30_000, LEAST_LATENESS_MS] == [
        first,
        second,
        third,
        slices.lateness(checkpoint, WINDOW_MS),
    ]


@pytest.mark.parametrize(("late_ms", "measured_ms"), [(-5000, 0), (0, 0), (20 * WINDOW_MS, WINDOW_MS)])
def test_lateness_is_between_nothing_and_a_late_window(late_ms: int, measured_ms: int) -> None:
    """An event ahead of the clock is not late; one that is too late anyway is no reason to read so far back."""
    checkpoint = slices.measured(a_checkpoint(lateness_since_ms=NOW_MS), [late_ms], NOW_MS, WINDOW_MS)

    assert measured_ms == checkpoint.lateness_next_ms
