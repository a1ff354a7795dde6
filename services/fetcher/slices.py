"""Which time range of a group to read next, and what a page read moves. Pure: no clock, no I/O.

A group is read in slices [from, to] of timestamps. Two marks in its checkpoint only ever grow:

    watermark   every timestamp below was read completely at least once
    swept       every timestamp below was read again when it was late_window old: done with

CloudWatch takes events up to two hours ahead of its clock, so a slice of the tail ends there; but a page token means
"after this position", and what arrives behind it later is never seen by it. Therefore reads overlap:

- while all that is remembered (timestamps from `swept` on) is small, each poll reads all of it, in the one call that
  a poll costs anyway;
- a busier group is polled from its watermark less the lateness measured for it, and the stretch that has become
  late_window old is read once more, a quarter of late_window at a time: a sweep.

Remembered event ids make the overlap harmless: see seen.py.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from shared.messages import Checkpoint, OpenSlice

#: PutLogEvents accepts timestamps as far ahead as this.
AHEAD_MS = 2 * 3_600_000
#: A remembered stretch of so many bytes fits in one page with ease: read all of it at each poll.
SMALL_BYTES = 64 * 1024
#: No group is on time to the second; visibility after ingestion also takes a moment.
LEAST_LATENESS_MS = 10_000
#: A longer slice is closed early, where AWS's order of pages allows: ids in an open slice have to be remembered.
MAX_SLICE_EVENTS = 1_000_000
#: How far before the newest event a slice is closed early, and how far a page may step back in time without being
#: out of order: pages were seen to overlap a little.
CLOSE_MARGIN_MS = 10_000


def begin(start_ms: int, now_ms: int) -> Checkpoint:
    """Return the checkpoint of a group that was never read and is to be read from `start_ms` on."""
    return Checkpoint(watermark_ms=start_ms, swept_ms=start_ms, lateness_since_ms=now_ms, start_ms=start_ms)


def next_slice(checkpoint: Checkpoint, now_ms: int, late_window_ms: int, remembered_bytes: int) -> OpenSlice:
    """Return the slice to read now: the open one, else a new one of the tail."""
    if checkpoint.open_slice is not None:
        return checkpoint.open_slice
    behind = now_ms - checkpoint.watermark_ms >= late_window_ms
    start = checkpoint.swept_ms
    if not behind and remembered_bytes > SMALL_BYTES:
        start = max(start, checkpoint.watermark_ms - lateness(checkpoint, late_window_ms))
    return OpenSlice(from_ms=start, to_ms=max(now_ms, start) + AHEAD_MS, started_ms=now_ms)


def due_sweep(checkpoint: Checkpoint, now_ms: int, late_window_ms: int) -> OpenSlice | None:
    """Return the sweep that is due, if one is and no slice is open."""
    end = min(now_ms, checkpoint.watermark_ms) - late_window_ms
    if checkpoint.open_slice is not None or end - checkpoint.swept_ms < late_window_ms // 4:
        return None
    return OpenSlice(from_ms=checkpoint.swept_ms, to_ms=end, started_ms=now_ms, is_sweep=True)


def lateness(checkpoint: Checkpoint, late_window_ms: int) -> int:
    """Return how far before the watermark a busy group is read again, in ms."""
    seen = max(checkpoint.lateness_ms, checkpoint.lateness_next_ms)
    return min(max(seen, LEAST_LATENESS_MS), late_window_ms)


def unread_ms(checkpoint: Checkpoint) -> int:
    """Return a time before which nothing is unread, unless it arrives later; 0 when that is not known yet."""
    current = checkpoint.open_slice
    if checkpoint.sequence == 0:
        return 0
    if current is None or current.is_sweep or current.from_ms > checkpoint.watermark_ms or not current.in_order:
        return checkpoint.watermark_ms
    if not current.newest_ms and checkpoint.watermark_ms == checkpoint.swept_ms:
        return 0  # of the first read, nothing but where it was told to begin: nobody knows where the first event is
    return max(checkpoint.watermark_ms, current.newest_ms - CLOSE_MARGIN_MS)


def advance(
    checkpoint: Checkpoint,
    current: OpenSlice,
    times_ms: Sequence[int],
    token: str | None,
    now_ms: int,
    late_window_ms: int,
) -> Checkpoint:
    """Return the checkpoint after one more page of `current`, by the timestamps of its events; without a token, the slice
    is complete."""
    newest_ms = current.newest_ms
    moved = replace(
        current,
        token=token or "",
        started_ms=min(current.started_ms, now_ms),  # by a clock that was wrong, and has been set right since
        events=current.events + len(times_ms),
        newest_ms=max(newest_ms, max(times_ms, default=newest_ms)),
        in_order=current.in_order and min(times_ms, default=newest_ms) >= newest_ms - CLOSE_MARGIN_MS,
    )
    after = replace(checkpoint, sequence=checkpoint.sequence + 1, open_slice=moved)
    if not token:
        return _closed(after, moved, min(moved.started_ms, moved.to_ms + 1), late_window_ms)
    cut_ms = moved.newest_ms - CLOSE_MARGIN_MS
    if _closes_early(after, moved, cut_ms, now_ms, late_window_ms):
        return _closed(after, moved, min(cut_ms, moved.started_ms), late_window_ms)
    return after


def restarted(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with its open slice given up: its token is no longer taken."""
    return replace(checkpoint, sequence=checkpoint.sequence + 1, open_slice=None)


def measured(checkpoint: Checkpoint, late_ms: Sequence[int], now_ms: int, late_window_ms: int) -> Checkpoint:
    """Return the checkpoint with the lateness of new events taken into account."""
    if now_ms - checkpoint.lateness_since_ms >= late_window_ms:
        checkpoint = replace(
            checkpoint,
            lateness_ms=checkpoint.lateness_next_ms,
            lateness_next_ms=0,
            lateness_since_ms=now_ms,
        )
    latest = max(late_ms, default=0)
    if latest <= checkpoint.lateness_next_ms:
        return checkpoint
    return replace(checkpoint, lateness_next_ms=min(latest, late_window_ms))


def _closes_early(checkpoint: Checkpoint, current: OpenSlice, cut_ms: int, now_ms: int, late_window_ms: int) -> bool:
    """Say whether a slice that is not complete ends before `cut_ms`, and another begins there."""
    if current.events < MAX_SLICE_EVENTS or not current.in_order or cut_ms <= current.from_ms:
        return False
    if current.from_ms <= checkpoint.swept_ms and cut_ms <= current.started_ms - late_window_ms:
        return True  # done with: none of it is read again
    # The next slice reads a part of this one again: if that were more than what is new, the group would never get ahead.
    again_ms = checkpoint.watermark_ms - current.from_ms
    return cut_ms <= now_ms and cut_ms - checkpoint.watermark_ms > again_ms


def _closed(checkpoint: Checkpoint, current: OpenSlice, read_to_ms: int, late_window_ms: int) -> Checkpoint:
    """Move the marks: all of `current` below `read_to_ms` has been read, by a reading that began at its start."""
    watermark, swept = checkpoint.watermark_ms, checkpoint.swept_ms
    if not current.is_sweep:
        watermark = max(watermark, read_to_ms)
    if current.from_ms <= swept:
        # What was read is done with as far as it was late_window old when the reading began; of a sweep, that is all.
        swept = max(swept, min(read_to_ms, current.started_ms - late_window_ms))
    return replace(checkpoint, watermark_ms=watermark, swept_ms=swept, open_slice=None)
