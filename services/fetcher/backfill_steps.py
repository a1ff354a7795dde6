"""What a backfill reads next, and what a page of it moves. Pure: no clock, no I/O.

A backfill reads its parts one after the other, each forward in time, all below where the tail began: so the tail and a
backfill never read the same event. AWS's pages are in order of time, but may overlap by seconds. So below the newest
timestamp read less a margin all is certain, and is noted as covered; of events above that, ids are remembered. These make
harmless what is read again: when AWS no longer takes a token, reading goes on at the margin; when a backfill was cancelled,
another one begins there.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from services.fetcher.slices import CLOSE_MARGIN_MS
from shared import backfills
from shared.event_columns import EventColumns
from shared.messages import Backfill, BackfillPart, Backfills, TimeRange

#: Ids remembered at most. A group with more events than this within the margin is given a shorter margin.
MAX_IDS = 200_000
#: The newest are remembered whatever their time: as many as a page has at most.
PAGE_IDS = 10_000


Ids = Mapping[int, int]
"""Hash of an event -> its timestamp."""


class Moved(Struct, frozen=True, kw_only=True):
    """The state after a page."""

    state: Backfills
    one: Backfill
    ids: Ids
    completed: BackfillPart | None
    """The part that this page was the last of."""


def begun(one: Backfill, now_ms: int) -> Backfill:
    """Return a backfill as it is when its first page is read."""
    if one.state == "running":
        return one
    start_ms = one.parts[0].from_ms
    return replace(one, state="running", started_ms=now_ms, changed_ms=now_ms, begin_ms=start_ms, certain_ms=start_ms)


def current(one: Backfill) -> BackfillPart:
    """Return the part that is being read."""
    return one.parts[one.part]


def unseen(events: EventColumns, ids: Ids) -> EventColumns:
    """Return the events whose hashes are not among `ids`; repeats within `events` go too."""
    return events.first_of(set(events.hashes) - ids.keys())


def advance(
    state: Backfills,
    one: Backfill,
    events: EventColumns,
    fresh: EventColumns,
    token: str | None,
    ids: Ids,
    now_ms: int,
) -> Moved:
    """Return what a page of `one` moves, a backfill that has begun; without a token, its part is complete.

    `fresh` are those of its `events` that are not among `ids`, which are those remembered so far.
    """
    part = current(one)
    times = {hashed: max(0, time_ms) for hashed, time_ms in zip(fresh.hashes, fresh.times_ms, strict=True)}
    ids = {**ids, **times}
    newest_ms = max([*times.values(), one.newest_ms])
    in_order = one.in_order and all(time >= one.newest_ms - CLOSE_MARGIN_MS for time in times.values())
    certain_ms = max(one.certain_ms, newest_ms - CLOSE_MARGIN_MS) if in_order else one.certain_ms
    one = replace(
        one,
        token=token or "",
        newest_ms=newest_ms,
        in_order=in_order,
        certain_ms=_bounded(part, certain_ms, ids),
        changed_ms=now_ms,
        pages=one.pages + 1,
        events=one.events + len(events),
        bytes=one.bytes + sum(events.sizes),
        fault="",
    )
    read_ms = one.certain_ms - 1 if token else part.to_ms
    if read_ms >= part.from_ms:
        read = TimeRange(from_ms=part.from_ms, to_ms=read_ms)
        state = replace(state, covered=backfills.merged([*state.covered, read]))
    if not token:
        one = _next_part(one, now_ms)
    state = replace(backfills.replaced(state, one), sequence=state.sequence + 1)
    return Moved(state=state, one=one, ids=_needed(state, one, ids), completed=None if token else part)


def restarted(state: Backfills, one: Backfill) -> Backfills:
    """Return the state with the token of `one` given up.

    What is read again is known by its ids; not so where pages were out of order, and then twice is better than never.
    """
    begin_ms = one.certain_ms if one.in_order else current(one).from_ms
    one = replace(one, token="", begin_ms=begin_ms, certain_ms=begin_ms)
    return replace(backfills.replaced(state, one), sequence=state.sequence + 1)


def _next_part(one: Backfill, now_ms: int) -> Backfill:
    """Return a backfill whose part is complete as it begins the next, or done."""
    if one.part + 1 == len(one.parts):
        return replace(one, state="done", changed_ms=now_ms)
    start_ms = one.parts[one.part + 1].from_ms
    return replace(one, part=one.part + 1, begin_ms=start_ms, certain_ms=start_ms, newest_ms=0, in_order=True)


def _bounded(part: BackfillPart, certain_ms: int, ids: Ids) -> int:
    """Return `certain_ms`, or later where there would be too many ids from there on."""
    times = sorted(time for time in ids.values() if certain_ms <= time <= part.to_ms)
    return times[-MAX_IDS] if len(times) > MAX_IDS else certain_ms


def _needed(state: Backfills, one: Backfill, ids: Ids) -> dict[int, int]:
    """Return the ids that a later page may bring again: of this part's margin, and of those that were cancelled."""
    recent: set[int] = set()
    if backfills.is_active(one):
        part = current(one)
        of_part = sorted((time, hashed) for hashed, time in ids.items() if part.from_ms <= time <= part.to_ms)
        recent = {hashed for time, hashed in of_part if time >= one.certain_ms}
        recent.update(hashed for _, hashed in of_part[-PAGE_IDS:])
    return {
        hashed: time for hashed, time in ids.items() if hashed in recent or not backfills.holding(state.covered, time)
    }
