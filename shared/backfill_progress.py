"""How far a backfill is, and how long it may still take: for those who show it. Pure."""

from msgspec import Struct

from shared import backfills
from shared.messages import Backfill

MINUTE_MS = 60_000


class Progress(Struct, frozen=True, kw_only=True):
    """One backfill at one moment."""

    percent: float
    """Of the time range, not of the events: how many there are, nobody knows before."""
    pages_a_minute: float
    """Since it began, waiting included."""
    left_seconds: float | None
    """An estimate: if the rest goes as what was read. None: no telling."""


def progress(one: Backfill, now_ms: int) -> Progress:
    """Return how far `one` is."""
    whole = sum(part.to_ms - part.from_ms + 1 for part in one.parts)
    done = whole if one.state == "done" else _read_ms(one)
    end_ms = now_ms if backfills.is_active(one) else one.changed_ms
    spent_ms = max(1, end_ms - one.started_ms)
    left = None
    if one.state == "running" and done:
        left = round(spent_ms * (whole - done) / done / 1000, 1)
    return Progress(
        percent=round(100 * done / whole, 1),
        pages_a_minute=round(one.pages * MINUTE_MS / spent_ms, 1) if one.pages else 0.0,
        left_seconds=left,
    )


def _read_ms(one: Backfill) -> int:
    before = sum(part.to_ms - part.from_ms + 1 for part in one.parts[: one.part])
    return before + (one.newest_ms - one.parts[one.part].from_ms + 1 if one.newest_ms else 0)
