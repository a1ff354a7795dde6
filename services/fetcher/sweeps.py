"""Deep sweeps: what is behind `swept` is read again now and then, for events that arrived later than late_window. Pure.

A deep sweep reads all timestamps from `from` to before `swept`. Most of what it brings was read before, and must be told from
what was not without remembering all of it. Ingestion times do that: what could be read when a reading began was read by it,
as far as that reading was complete. So of an event with timestamp t, behind `swept`, it was read for certain

    t <  to     if it could be read when the last complete deep sweep, which ended at `to`, began
    t >= to     if it could be read when t was late_window old, which is when `swept` may go past it at the earliest

Everything else is looked up among the remembered ids: those are kept as long as they are not certain, see `is_needed`.
What is certain of an event stays certain: a late_window that is changed holds for timestamps not swept so far, and one
such change is taken up between two deep sweeps.

The next deep sweep begins where sweep_window before the last one began: what came within sweep_window and too late for the
one is there for the other, however long they take.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from shared.messages import Checkpoint, DeepSweeps, LogEvent, OpenSlice
from shared.remembered import Field, ingested
from shared.settings.model import Source

#: How long an event may need from its ingestion until a read returns it. AWS does not say; what was reported is seconds.
#: An error of ours of a second or two about AWS's clock is in it, too. Longer costs memory where late_window is short.
VISIBLE_MS = 60_000
#: Pages of a deep sweep between two reads of the tail: a quarter of a megabyte a second, at a poll every 30 s.
PAGES_A_ROUND = 8


def is_on(source: Source) -> bool:
    """Say whether deep sweeps are wanted, and could find anything."""
    return source.sweep_interval > 0 and source.sweep_window > source.late_window


def late_window(checkpoint: Checkpoint, source: Source) -> int:
    """Return the late_window that the tail is to be read with, in ms: a smaller one may have to wait its turn."""
    return max(source.late_window, checkpoint.deep.late_window_ms if checkpoint.deep else 0)


def arranged(checkpoint: Checkpoint, current: OpenSlice, now_ms: int, source: Source) -> Checkpoint:
    """Return the checkpoint as the settings want it, before a page of `current` moves its marks."""
    deep, swept = checkpoint.deep, checkpoint.swept_ms
    if not is_on(source):
        return replace(checkpoint, deep=None)
    if deep is None:
        # Ids are remembered from here on, and what could be read by now will be: the reading at hand began by then.
        began_ms = min(now_ms, current.started_ms)
        deep = DeepSweeps(
            begun_ms=began_ms,
            read_ms=began_ms,
            to_ms=swept,
            from_ms=max(swept, began_ms - source.sweep_window - VISIBLE_MS),
            late_window_ms=_wanted(source),
            late_window_since_ms=swept,
        )
    elif _wanted(source) != deep.late_window_ms and deep.late_window_since_ms <= deep.to_ms:
        deep = replace(
            deep,
            late_window_ms=_wanted(source),
            late_window_before_ms=deep.late_window_ms,
            late_window_since_ms=swept,
        )
    return replace(checkpoint, deep=deep)


def due(checkpoint: Checkpoint, now_ms: int, source: Source) -> OpenSlice | None:
    """Return the slice of the deep sweep that is under way or due, if one is."""
    deep = checkpoint.deep
    if deep is None or not is_on(source):
        return None
    if deep.open_slice is not None:
        return deep.open_slice
    # A clock that was set back by more than that is not waited for.
    if abs(now_ms - deep.begun_ms) < source.sweep_interval or deep.from_ms >= checkpoint.swept_ms:
        return None
    return OpenSlice(
        from_ms=deep.from_ms, to_ms=checkpoint.swept_ms - 1, started_ms=now_ms, is_sweep=True, is_deep=True
    )


def pages_a_round(current: OpenSlice, now_ms: int, source: Source) -> int:
    """Return how many pages of a deep sweep to read between two reads of the tail: more when it takes too long."""
    return PAGES_A_ROUND * (1 + max(0, now_ms - current.started_ms) // max(1, source.sweep_interval))


def advance(
    checkpoint: Checkpoint, current: OpenSlice, times_ms: Sequence[int], token: str | None, now_ms: int, source: Source
) -> Checkpoint:
    """Return the checkpoint after one more page of a deep sweep, by the timestamps of its events; without a token, it is
    complete."""
    deep = _deep(checkpoint)
    moved = replace(
        current,
        token=token or "",
        started_ms=min(current.started_ms, now_ms),  # by a clock that was wrong, and has been set right since
        events=current.events + len(times_ms),
        newest_ms=max(current.newest_ms, max(times_ms, default=0)),
    )
    if token:
        deep = replace(deep, open_slice=moved)
    else:
        read_ms = max(deep.read_ms, moved.started_ms, _certain_below(deep, moved.to_ms + 1))
        deep = replace(
            deep,
            open_slice=None,
            begun_ms=moved.started_ms,
            read_ms=read_ms,
            to_ms=moved.to_ms + 1,
            from_ms=max(deep.from_ms, moved.from_ms, read_ms - source.sweep_window - VISIBLE_MS),
        )
    return replace(checkpoint, sequence=checkpoint.sequence + 1, deep=deep)


def restarted(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with its deep sweep given up, to be begun anew: its token is no longer taken."""
    return replace(checkpoint, sequence=checkpoint.sequence + 1, deep=replace(_deep(checkpoint), open_slice=None))


def is_certain(checkpoint: Checkpoint, event: LogEvent) -> bool:
    """Say whether an event that `swept` is past is known by its times alone to have been read."""
    deep = checkpoint.deep
    return deep is not None and ingested(event) + VISIBLE_MS <= _certain_ms(deep, event.timestamp_ms)


def is_needed(checkpoint: Checkpoint, field: Field) -> bool:
    """Say whether a deep sweep has to ask for one of the ids in `field`, once `swept` is past it."""
    deep = checkpoint.deep
    if deep is None or field.newest_ms < deep.from_ms:
        return False
    if field.oldest_ms < deep.to_ms and field.ingested_ms + VISIBLE_MS > deep.read_ms:
        return True
    since_ms, late_ms = deep.late_window_since_ms, field.late_ms + VISIBLE_MS
    if field.newest_ms >= max(deep.to_ms, since_ms) and late_ms > deep.late_window_ms:
        return True
    between = field.newest_ms >= deep.to_ms and field.oldest_ms < since_ms
    return between and late_ms > deep.late_window_before_ms


def _certain_ms(deep: DeepSweeps, timestamp_ms: int) -> int:
    """Return when an event must have been readable to have been read for certain."""
    if timestamp_ms < deep.to_ms:
        return deep.read_ms
    is_before = timestamp_ms < deep.late_window_since_ms
    return timestamp_ms + (deep.late_window_before_ms if is_before else deep.late_window_ms)


def _certain_below(deep: DeepSweeps, end_ms: int) -> int:
    """Return the latest such time of all timestamps below `end_ms`: what is certain stays so, also when clocks jump."""
    return max(_certain_ms(deep, min(end_ms, deep.late_window_since_ms) - 1), _certain_ms(deep, end_ms - 1))


def _deep(checkpoint: Checkpoint) -> DeepSweeps:
    if checkpoint.deep is None:
        raise ValueError("there is no deep sweep in this checkpoint")
    return checkpoint.deep


def _wanted(source: Source) -> int:
    """Return the late_window of the settings, or the least by which events of a minute's lateness need no remembering."""
    return max(source.late_window, 2 * VISIBLE_MS)
