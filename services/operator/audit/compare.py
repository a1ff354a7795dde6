"""The comparison of a second read with the digests, minute by minute. Nothing is kept of minutes that agree."""

from collections.abc import Iterable

import redis
from msgspec import Struct

from services.operator.audit import kept as audit_kept
from services.operator.audit.expect import is_awaited
from services.operator.audit.kept import Kept
from services.operator.audit.minute import Cell, Difference, examine
from services.operator.audit.reading import Reading
from shared.digests import HOUR_MS, MINUTE_MS, Digest
from shared.messages import Checkpoint, LogEvent

#: What is compared at a time: 1,440 minutes in memory.
STRETCH_MS = 24 * HOUR_MS


class Comparison(Struct, kw_only=True):
    """What came of it, in events."""

    watermark_ms: int = 0
    minutes: int = 0
    """Minutes compared: those below the watermark, empty ones too."""
    at_aws: int = 0
    fetched: int = 0
    """Of the minutes compared, by the digests."""
    missing: int = 0
    read_twice: int = 0
    not_yet_read: int = 0
    """They arrived after the last complete read of their time."""
    no_longer_at_aws: int = 0
    above_at_aws: int = 0
    above_fetched: int = 0
    """Events of the minutes from the watermark on: their reading is not complete."""
    differences: list[Difference] = []


def compare(client: redis.Redis, group_key: str, reading: Reading, from_ms: int, end_ms: int) -> Comparison:
    """Return how [from_ms, end_ms), whose digests must be whole, compares. Blocks on AWS and Redis; raises SourceError."""
    found = Comparison(differences=[])
    for start_ms in range(from_ms // HOUR_MS * HOUR_MS, end_ms, STRETCH_MS):
        begin_ms, stop_ms = max(from_ms, start_ms), min(end_ms, start_ms + STRETCH_MS)
        # Before the read: what is fetched while it goes on would look like more than there is at AWS.
        kept = audit_kept.read(client, group_key, begin_ms // HOUR_MS, -(-stop_ms // HOUR_MS))
        cells = _tally(reading.events(begin_ms, stop_ms), kept.checkpoint)
        found.watermark_ms = kept.watermark_ms
        for minute in range(begin_ms // MINUTE_MS, -(-stop_ms // MINUTE_MS)):
            cell = cells.get(minute, Cell())
            if (minute + 1) * MINUTE_MS > kept.watermark_ms:
                _add_above(found, minute, cell, kept)
            elif kept.minutes.get(minute, Digest()) == cell.whole:
                _add(found, Difference(minute_ms=minute * MINUTE_MS, at_aws=cell.whole.count, fetched=cell.whole.count))
            else:
                _add(found, examine(client, group_key, reading, (minute, cell), max(from_ms, minute * MINUTE_MS)))
    return found


def _tally(events: Iterable[tuple[LogEvent, int]], checkpoint: Checkpoint | None) -> dict[int, Cell]:
    """Return the digest of each minute."""
    cells: dict[int, Cell] = {}
    for event, hashed in events:
        awaited = checkpoint is None or is_awaited(checkpoint, event)
        cells.setdefault(event.timestamp_ms // MINUTE_MS, Cell()).add(hashed, awaited=awaited)
    return cells


def _add_above(found: Comparison, minute: int, cell: Cell, kept: Kept) -> None:
    found.above_at_aws += cell.whole.count
    found.above_fetched += kept.minutes.get(minute, Digest()).count


def _add(found: Comparison, difference: Difference) -> None:
    found.minutes += 1
    found.at_aws += difference.at_aws
    found.fetched += difference.fetched
    found.missing += difference.missing
    found.read_twice += difference.read_twice
    found.not_yet_read += difference.not_yet_read
    found.no_longer_at_aws += difference.no_longer_at_aws
    if difference.missing or difference.read_twice or difference.no_longer_at_aws:
        found.differences.append(difference)
