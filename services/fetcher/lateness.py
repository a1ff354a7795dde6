"""How late the events of a group are, to tell the operator: from timestamp to ingestion, by AWS's clock and nobody else's. Pure.

`slices.measured` measures for the tail, which has no use for more than a late_window; this is not bounded by it.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from shared.messages import Checkpoint

#: PutLogEvents takes no older events: whatever says more is no lateness.
MAX_LATE_MS = 14 * 86_400_000


def noted(checkpoint: Checkpoint, late_ms: Sequence[int], now_ms: int, period_ms: int) -> Checkpoint:
    """Return the checkpoint with the lateness of new events taken into account, of which some may be ahead of the time."""
    if not 0 <= now_ms - checkpoint.latest_since_ms < period_ms:
        checkpoint = replace(checkpoint, latest_ms=checkpoint.latest_next_ms, latest_next_ms=0, latest_since_ms=now_ms)
    latest = max(late_ms, default=0)
    if latest > MAX_LATE_MS:
        latest = max([ms for ms in late_ms if ms <= MAX_LATE_MS], default=0)
    if latest <= checkpoint.latest_next_ms:
        return checkpoint
    return replace(checkpoint, latest_next_ms=latest)


def latest(checkpoint: Checkpoint) -> int:
    """Return the longest lateness of the running period and the one before, in ms."""
    return max(checkpoint.latest_ms, checkpoint.latest_next_ms)
