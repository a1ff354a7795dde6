"""What of the time asked for a backfill may read, so that nothing is delivered twice. Pure."""

from msgspec import Struct

from shared import backfills
from shared.messages import BackfillPart, Backfills, TimeRange


class Clipped(Struct, frozen=True, kw_only=True):
    """What is left of a request, and what is not."""

    parts: tuple[BackfillPart, ...]
    tail: tuple[TimeRange, ...]
    """The tail delivered it, or will."""
    earlier: tuple[TimeRange, ...]
    """Backfills delivered it; with `again`, it is among the parts all the same."""
    pending: tuple[TimeRange, ...]
    """Backfills that have not ended will deliver it."""


def clip(wanted: TimeRange, start_ms: int, state: Backfills, *, again: bool) -> Clipped:
    """Return what to read of `wanted`; the tail of the group began at `start_ms`."""
    tail = TimeRange(from_ms=start_ms, to_ms=max(start_ms, wanted.to_ms))
    asked = [part for one in state.requests if backfills.is_active(one) for part in one.parts]
    below = backfills.without(wanted, [tail])
    pending = [part for one in below for part in backfills.common(one, asked)]
    free = [part for one in below for part in backfills.without(one, asked)]
    earlier = [part for one in free for part in backfills.common(one, state.covered)]
    fresh = [part for one in free for part in backfills.without(one, state.covered)]
    parts = [BackfillPart(from_ms=one.from_ms, to_ms=one.to_ms) for one in fresh]
    if again:
        parts += [BackfillPart(from_ms=one.from_ms, to_ms=one.to_ms, again=True) for one in earlier]
    return Clipped(
        parts=tuple(sorted(parts, key=lambda part: part.from_ms)),
        tail=backfills.common(wanted, [tail]),
        earlier=tuple(earlier),
        pending=tuple(pending),
    )
