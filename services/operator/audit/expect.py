"""Which events must have been read by now, as a checkpoint tells: services/fetcher/slices.py and sweeps.py say why.

A test holds the numbers and the rule of deep sweeps equal to the fetcher's.
"""

from shared.messages import Checkpoint, DeepSweeps, LogEvent
from shared.remembered import ingested

#: How long an event may need from its ingestion until a read returns it.
VISIBLE_MS = 60_000
#: With no more message bytes remembered than this, every poll reads all of their time again; else little of it.
SMALL_BYTES = 64 * 1024
#: The lateness that every poll allows for.
LEAST_LATENESS_MS = 10_000


def is_awaited(checkpoint: Checkpoint, event: LogEvent) -> bool:
    """Say whether no read so far can be relied on to have brought an event, so that one to come may.

    What arrived after the last complete read began is awaited in any case: that read says nothing of it.
    """
    if ingested(event) > checkpoint.watermark_ms:
        return True
    deep = checkpoint.deep
    if deep is None or not deep.from_ms <= event.timestamp_ms < checkpoint.swept_ms:
        return False
    return ingested(event) + VISIBLE_MS > _certain_ms(deep, event.timestamp_ms)


def is_left_to_sweep(event: LogEvent) -> bool:
    """Say whether the tail of a busy group may pass over an event that is not swept yet: it reads little of the past again."""
    return ingested(event) - event.timestamp_ms > LEAST_LATENESS_MS


def _certain_ms(deep: DeepSweeps, timestamp_ms: int) -> int:
    """Return when an event must have been readable to have been read for certain."""
    if timestamp_ms < deep.to_ms:
        return deep.read_ms
    is_before = timestamp_ms < deep.late_window_since_ms
    return timestamp_ms + (deep.late_window_before_ms if is_before else deep.late_window_ms)
