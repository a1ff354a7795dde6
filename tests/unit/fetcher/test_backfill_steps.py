"""What a page of a backfill moves: every history of pages, refusals and cancellations reads all of it, once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.fetcher import backfill_steps
from services.fetcher.slices import CLOSE_MARGIN_MS
from services.operator.backfill.clip import clip
from shared import backfills
from shared.event_columns import EventColumns
from shared.messages import Backfill, BackfillPart, Backfills, LogEvent, TimeRange

FROM_MS, TO_MS = 1_000_000, 2_000_000
NOW_MS = 3_000_000
NOTHING = EventColumns([])


def an_event(number: int, timestamp_ms: int) -> LogEvent:
    return LogEvent(event_id=str(number), log_stream="s", timestamp_ms=timestamp_ms, message="m" * 10)


def a_backfill(*parts: tuple[int, int]) -> Backfill:
    given = tuple(BackfillPart(from_ms=begin, to_ms=end) for begin, end in parts or ((FROM_MS, TO_MS),))
    return backfill_steps.begun(Backfill(backfill_id="b", parts=given, asked_ms=0), NOW_MS)


def advance(
    one: Backfill, times: list[int], last: bool = False, ids: backfill_steps.Ids | None = None
) -> backfill_steps.Moved:
    page = EventColumns([an_event(number, time) for number, time in enumerate(times)])
    return backfill_steps.advance(Backfills(requests=(one,)), one, page, page, None if last else "t", ids or {}, NOW_MS)


def test_what_is_covered_ends_a_margin_before_the_newest_event() -> None:
    """Pages may overlap by seconds."""
    moved = advance(a_backfill(), [FROM_MS, FROM_MS + 60_000])

    assert (TimeRange(from_ms=FROM_MS, to_ms=FROM_MS + 60_000 - CLOSE_MARGIN_MS - 1),) == moved.state.covered
    assert ("running", FROM_MS + 60_000, 2, 20) == (
        moved.one.state,
        moved.one.newest_ms,
        moved.one.events,
        moved.one.bytes,
    )


def test_without_a_token_a_part_is_complete_and_the_last_one_ends_it() -> None:
    """All of its time is covered, also where nothing happened."""
    first = advance(a_backfill((0, 9), (20, 29)), [5], last=True)
    assert ("running", 1, 20, 0) == (first.one.state, first.one.part, first.one.begin_ms, first.one.newest_ms)
    assert {} == dict(first.ids)

    second = backfill_steps.advance(first.state, first.one, NOTHING, NOTHING, None, first.ids, NOW_MS)
    assert "done" == second.one.state
    assert (TimeRange(from_ms=0, to_ms=9), TimeRange(from_ms=20, to_ms=29)) == second.state.covered


def test_a_refused_token_is_given_up_at_the_margin() -> None:
    """A call that begins elsewhere needs no token."""
    moved = advance(a_backfill(), [FROM_MS + 60_000])
    state = backfill_steps.restarted(moved.state, moved.one)

    one = state.requests[0]
    assert ("", FROM_MS + 50_000, FROM_MS + 50_000) == (one.token, one.begin_ms, one.certain_ms)


def test_pages_out_of_order_are_read_again_from_the_start() -> None:
    """Nobody knows what else is behind: twice is better than never."""
    moved = advance(a_backfill(), [FROM_MS + 60_000])
    moved = backfill_steps.advance(
        moved.state, moved.one, NOTHING, EventColumns([an_event(9, FROM_MS + 1)]), "t", moved.ids, NOW_MS
    )
    state = backfill_steps.restarted(moved.state, moved.one)

    assert not moved.one.in_order
    assert FROM_MS == state.requests[0].begin_ms


def test_memory_is_bounded_whatever_a_group_writes_in_a_second() -> None:
    """With more events than that within the margin, the margin is shorter."""
    many = {number: FROM_MS + 1 + number // 1_000 for number in range(100, backfill_steps.MAX_IDS + 50_000)}
    moved = advance(a_backfill(), [FROM_MS + 9_000], ids=many)

    assert backfill_steps.MAX_IDS <= len(moved.ids) < backfill_steps.MAX_IDS + 2_000
    assert moved.one.certain_ms > FROM_MS


class Model:
    """A group's events in order of time, read in pages by backfills that are asked for, refused and cancelled."""

    def __init__(self, times: list[int], page: int) -> None:
        self.events = [an_event(number, time) for number, time in enumerate(sorted(times))]
        self.page = page
        self.state = Backfills()
        self.ids: backfill_steps.Ids = {}
        self.delivered: list[str] = []
        self.names = iter(range(1_000))

    def ask(self, from_ms: int, to_ms: int) -> None:
        clipped = clip(TimeRange(from_ms=from_ms, to_ms=to_ms), TO_MS, self.state, again=False)
        if clipped.parts:
            one = Backfill(backfill_id=str(next(self.names)), parts=clipped.parts, asked_ms=0)
            self.state = replace(self.state, requests=(*self.state.requests, one))

    def read(self) -> bool:
        asked = backfills.active(self.state)
        if asked is None:
            return False
        one = backfill_steps.begun(asked, NOW_MS)
        part = backfill_steps.current(one)
        there = [event for event in self.events if one.begin_ms <= event.timestamp_ms <= part.to_ms]
        at = int(one.token or 0)
        page, rest = there[at : at + self.page], there[at + self.page :]
        events = EventColumns(page)
        fresh = backfill_steps.unseen(events, self.ids)
        token = str(at + self.page) if rest else None
        moved = backfill_steps.advance(self.state, one, events, fresh, token, self.ids, NOW_MS)
        self.delivered += [event.event_id for event in fresh.events]
        self.state, self.ids = moved.state, moved.ids
        return True

    def refuse(self) -> None:
        one = backfills.active(self.state)
        if one is not None and one.token:
            self.state = backfill_steps.restarted(self.state, one)

    def cancel(self) -> None:
        one = backfills.active(self.state)
        if one is not None:
            self.state = backfills.replaced(self.state, replace(one, state="cancelled"))


moments = st.integers(FROM_MS, FROM_MS + 60_000) | st.sampled_from([FROM_MS, FROM_MS + 7, FROM_MS + 30_000, TO_MS - 1])
steps = st.sampled_from(["read", "read", "refuse", "cancel"]) | st.tuples(moments, moments)


@settings(max_examples=300, deadline=None)
@given(
    times=st.lists(moments, max_size=60),
    page=st.integers(1, 9),
    history=st.lists(steps, max_size=40),
    page_ids=st.sampled_from([1, backfill_steps.PAGE_IDS]),
)
def test_whatever_is_asked_refused_and_cancelled_all_is_delivered_once(
    times: list[int], page: int, history: list[str | tuple[int, int]], page_ids: int
) -> None:
    """In the end everything was asked for; nothing was there twice. The margin alone does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backfill_steps, "PAGE_IDS", page_ids)
        _check_history(Model(times, page), history)


def _check_history(model: Model, history: list[str | tuple[int, int]]) -> None:
    for step in history:
        if isinstance(step, tuple):
            model.ask(min(step), max(step))
        else:
            getattr(model, step)()
    model.ask(FROM_MS, TO_MS)
    while model.read():
        pass
    model.ask(FROM_MS, TO_MS)
    while model.read():
        pass

    assert sorted(model.delivered, key=int) == [event.event_id for event in model.events]
    assert {} == dict(model.ids)
    assert (TimeRange(from_ms=FROM_MS, to_ms=TO_MS - 1),) == model.state.covered
