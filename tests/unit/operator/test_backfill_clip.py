"""What of a request is left, so that nothing is delivered twice unless it is wanted."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.operator.backfill.clip import clip
from services.operator.backfill.report import asked, lines
from shared import backfills
from shared.books import GroupState
from shared.messages import Backfill, BackfillPart, Backfills, GroupRef, TimeRange

ranges = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(
    lambda pair: BackfillPart(from_ms=min(pair), to_ms=max(pair))
)
GROUP = GroupRef(account_id="123456789012", region="eu-west-1", log_group="/app\x1b[2J")
STATE = GroupState(group=GROUP, source="s")


def timestamps(*parts: TimeRange) -> list[int]:
    return [time for part in parts for time in range(part.from_ms, part.to_ms + 1)]


def a_state(covered: list[BackfillPart], pending: list[BackfillPart]) -> Backfills:
    requests = tuple(Backfill(backfill_id=str(n), parts=(part,), asked_ms=0) for n, part in enumerate(pending))
    return Backfills(requests=requests, covered=backfills.merged(covered))


@given(ranges, st.integers(0, 60), st.lists(ranges, max_size=5), st.lists(ranges, max_size=3), st.booleans())
def test_each_timestamp_is_read_or_accounted_for(
    wanted: BackfillPart, start_ms: int, covered: list[BackfillPart], pending: list[BackfillPart], again: bool
) -> None:
    """By the tail, by a backfill before, by one that has not ended, or by this one."""
    clipped = clip(wanted, start_ms, a_state(covered, pending), again=again)
    fresh = [part for part in clipped.parts if not part.again]
    repeated = [part for part in clipped.parts if part.again]

    assert timestamps(wanted) == sorted(timestamps(*fresh, *clipped.tail, *clipped.earlier, *clipped.pending))
    assert all(time < start_ms for time in timestamps(*clipped.parts))
    assert timestamps(*repeated) == (timestamps(*clipped.earlier) if again else [])
    assert timestamps(*clipped.parts) == sorted(set(timestamps(*clipped.parts)))


def test_what_is_clipped_is_said_with_the_reason() -> None:
    """Who asked for more has to know who delivers it; no name moves a cursor."""
    state = a_state([BackfillPart(from_ms=20, to_ms=29)], [BackfillPart(from_ms=40, to_ms=49)])
    wanted = TimeRange(from_ms=0, to_ms=99)
    text = "\n".join(asked(STATE, wanted, clip(wanted, 60, state, again=False), "abc", again=False))

    assert "\x1b" not in text
    for said in (
        "clipped    1970-01-01T00:00:00.060Z to 1970-01-01T00:00:00.099Z: the tail began there",
        "clipped    1970-01-01T00:00:00.040Z to 1970-01-01T00:00:00.049Z: a backfill that has not ended reads this",
        "clipped    1970-01-01T00:00:00.020Z to 1970-01-01T00:00:00.029Z: a backfill delivered this before: --again",
        "to read    1970-01-01T00:00:00Z to 1970-01-01T00:00:00.019Z\n",
        "to read    1970-01-01T00:00:00.030Z to 1970-01-01T00:00:00.039Z\n",
        "to read    1970-01-01T00:00:00.050Z to 1970-01-01T00:00:00.059Z\n",
        "backfill   abc: ",
    ):
        assert said in text


def test_what_is_delivered_once_more_is_said_in_a_line_of_its_own() -> None:
    """Rules will count those events twice."""
    wanted = TimeRange(from_ms=20, to_ms=25)
    clipped = clip(wanted, 60, a_state([BackfillPart(from_ms=20, to_ms=29)], []), again=True)
    text = "\n".join(asked(STATE, wanted, clipped, "abc", again=True))

    assert "again      1970-01-01T00:00:00.020Z to 1970-01-01T00:00:00.025Z: ONCE MORE" in text
    assert "clipped" not in text


def test_where_nothing_is_left_no_backfill_is_made() -> None:
    """All of it is the tail's."""
    wanted = TimeRange(from_ms=20, to_ms=25)
    text = asked(STATE, wanted, clip(wanted, 0, Backfills(), again=False), "abc", again=False)

    assert "backfill   none: nothing is left to be read" == text[-1]


def test_a_running_backfill_shows_progress_an_estimate_and_why_it_stands() -> None:
    """What an operator asks first."""
    one = Backfill(
        backfill_id="abc",
        parts=(BackfillPart(from_ms=0, to_ms=999),),
        asked_ms=0,
        state="running",
        started_ms=1_000_000,
        newest_ms=249,
        pages=10,
        events=12_345,
        fault="not allowed",
    )

    assert (
        "    running, 25 % of the time range, 12,345 events, 10 pages, 10 pages a minute, about 3 min left, an estimate"
        == lines(GROUP, one, 1_060_000)[1]
    )
    assert "    cannot be read: not allowed" == lines(GROUP, one, 1_060_000)[2]
    assert 2 == len(lines(GROUP, msgspec.structs.replace(one, state="done"), 1_060_000))
