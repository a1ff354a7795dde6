"""What `cwpipe backfill` says, to people and to programs. Nothing in it reaches a terminal as a command. Pure."""

from services.operator.audit.report import moment
from services.operator.backfill.clip import Clipped
from shared import backfills
from shared.backfill_progress import progress
from shared.books import GroupState
from shared.messages import Backfill, GroupRef, TimeRange
from shared.visible import visible

_HOUR_SECONDS = 3_600


def asked(state: GroupState, wanted: TimeRange, clipped: Clipped, backfill_id: str, *, again: bool) -> list[str]:
    """Return what becomes of a request, as lines."""
    group = state.group
    out = [
        f"group      {group.log_group}, {group.region}, account {group.account_id}, source {state.source}",
        f"asked      {_range(wanted)}",
    ]
    out += [
        f"clipped    {_range(part)}: the tail began there, it delivered this, or will: `cwpipe audit` proves it"
        for part in clipped.tail
    ]
    out += [f"clipped    {_range(part)}: a backfill that has not ended reads this" for part in clipped.pending]
    if not again:
        out += [
            f"clipped    {_range(part)}: a backfill delivered this before: --again delivers it once more"
            for part in clipped.earlier
        ]
    for part in clipped.parts:
        note = ": ONCE MORE, a backfill delivered this before, and its events will be there twice"
        out.append(f"{'again' if part.again else 'to read':10} {_range(part)}{note if part.again else ''}")
    if clipped.parts:
        out.append(f"backfill   {backfill_id}: a fetcher begins within a poll_interval: see `cwpipe backfill list`")
    else:
        out.append("backfill   none: nothing is left to be read")
    return [visible(line) for line in out]


def lines(group: GroupRef, one: Backfill, now_ms: int) -> list[str]:
    """Return one backfill as lines."""
    whole = TimeRange(from_ms=one.parts[0].from_ms, to_ms=one.parts[-1].to_ms)
    in_parts = f" in {len(one.parts)} parts" if len(one.parts) > 1 else ""
    out = [
        f"{one.backfill_id}  {group.region}  {group.log_group}  {_range(whole)}{in_parts}",
        f"    {summary(one, now_ms)}",
    ]
    if one.fault and backfills.is_active(one):
        out.append(f"    cannot be read: {one.fault}")
    return [visible(line) for line in out]


def summary(one: Backfill, now_ms: int) -> str:
    """Return state and progress of a backfill as a phrase."""
    if one.state == "waiting":
        return f"waiting since {moment(one.asked_ms)}"
    far = progress(one, now_ms)
    text = (
        f"{one.state}, {far.percent:g} % of the time range, {one.events:,} events, {one.pages:,} pages, "
        f"{far.pages_a_minute:g} pages a minute"
    )
    if far.left_seconds is not None:
        text += f", about {_words(far.left_seconds)} left, an estimate"
    return text


def as_json(group: GroupRef, source: str, one: Backfill, now_ms: int) -> dict[str, object]:
    """Return one backfill as plain data; times are RFC 3339."""
    far = progress(one, now_ms)
    return {
        "id": one.backfill_id,
        "account_id": group.account_id,
        "region": group.region,
        "log_group": group.log_group,
        "source": source,
        "state": one.state,
        "parts": [{"from": moment(part.from_ms), "to": moment(part.to_ms), "again": part.again} for part in one.parts],
        "asked": moment(one.asked_ms),
        "started": moment(one.started_ms) if one.started_ms else None,
        "newest": moment(one.newest_ms) if one.newest_ms else None,
        "percent": far.percent,
        "events": one.events,
        "bytes": one.bytes,
        "pages": one.pages,
        "pages_a_minute": far.pages_a_minute,
        "estimated_seconds_left": far.left_seconds,
        "fault": one.fault,
    }


def _range(one: TimeRange) -> str:
    return f"{moment(one.from_ms)} to {moment(one.to_ms)}"


def _words(seconds: float) -> str:
    if seconds >= 2 * _HOUR_SECONDS:
        return f"{seconds / _HOUR_SECONDS:,.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
