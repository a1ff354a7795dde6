"""One minute that does not agree: read once more, with what is remembered of it, to name the events."""

from typing import Literal

import msgspec
import redis
from msgspec import Struct, field

from services.operator.audit import kept as audit_kept
from services.operator.audit.expect import is_awaited, is_left_to_sweep
from services.operator.audit.kept import KeptMinute
from services.operator.audit.reading import Reading
from shared.digests import MINUTE_MS, Digest, hashed
from shared.messages import LogEvent

#: Events of one minute that are listed at most.
LISTED = 10_000
#: Reads of a minute whose events still change under our eyes.
_TRIES = 4

NamedBy = Literal["", "remembered ids", "digest", "none: every event of the minute is listed"]


class Cell(Struct):
    """What CloudWatch holds of one minute: all of it, and what of it no read so far need have brought."""

    whole: Digest = Digest()
    awaited: Digest = Digest()

    def add(self, hash64: int, *, awaited: bool) -> None:
        """Count an event by its 64-bit hash."""
        one = Digest(1, hashed(hash64))
        self.whole = self.whole.plus(one)
        if awaited:
            self.awaited = self.awaited.plus(one)


class Difference(Struct, kw_only=True):
    """One minute, in events."""

    minute_ms: int
    at_aws: int
    fetched: int
    missing: int = 0
    """At least so many were never fetched."""
    read_twice: int = 0
    not_yet_read: int = 0
    no_longer_at_aws: int = 0
    named_by: NamedBy = ""
    """What tells which events those in `events` are."""
    events: list[LogEvent] = field(default_factory=list)
    """Missing, or read twice. Without their messages."""
    more: int = 0
    """So many more than are listed."""


class _Found(Struct, kw_only=True):
    """What one read of the minute found."""

    whole: Digest = Digest()
    unread: Digest = Digest()
    """Awaited, and not among the remembered."""
    lost: Digest = Digest()
    """Not awaited, and not among the remembered, while all are remembered."""
    lost_events: list[LogEvent] = field(default_factory=list)
    hits: list[LogEvent] = field(default_factory=list)
    """Events of the hash by which the sums differ."""
    events: list[LogEvent] = field(default_factory=list)
    """All that are not awaited, up to the bound."""

    def add(self, event: LogEvent, hash64: int, known: KeptMinute) -> None:
        one = Digest(1, hashed(hash64))
        self.whole = self.whole.plus(one)
        awaited = is_awaited(known.checkpoint, event) or (
            known.is_whole and not known.is_small and is_left_to_sweep(event)
        )
        is_remembered = hash64 in known.hashes
        if awaited and not is_remembered:
            self.unread = self.unread.plus(one)
        elif known.is_whole and not is_remembered:
            self.lost = self.lost.plus(one)
            _append(self.lost_events, event)
        if not awaited or is_remembered:
            _append(self.events, event)


def examine(
    client: redis.Redis, group_key: str, reading: Reading, suspect: tuple[int, Cell], from_ms: int
) -> Difference:
    """Return what differs in the minute, from `from_ms` on; nothing, if it agrees by now. Blocks on AWS and Redis."""
    minute, cell = suspect
    whole, unread = cell.whole, cell.awaited
    for _ in range(_TRIES):
        known = audit_kept.read_minute(client, group_key, minute)
        wanted = _wanted(known.digest, whole, whole.minus(unread))
        found = _read(reading, known, wanted, from_ms, (minute + 1) * MINUTE_MS)
        if (found.whole, found.unread) == (whole, unread) or found.whole.minus(found.unread) == known.digest:
            break
        whole, unread = found.whole, found.unread  # what to look for was not known, or has changed since
    difference = Difference(
        minute_ms=minute * MINUTE_MS,
        at_aws=found.whole.count,
        fetched=known.digest.count,
        not_yet_read=found.unread.count,
    )
    if found.lost.count:
        difference.missing = found.lost.count
        _list(difference, "remembered ids", found.lost_events, found.lost.count)
    _by_sums(difference, known.digest, found)
    return difference


def _wanted(fetched: Digest, *bases: Digest) -> set[int]:
    """Return the hashes of an event that, missing or counted twice, would alone explain a difference."""
    gaps = [base.minus(fetched) for base in bases]
    return {gap.sum * gap.count for gap in gaps if abs(gap.count) == 1}


def _read(reading: Reading, known: KeptMinute, wanted: set[int], from_ms: int, end_ms: int) -> _Found:
    found = _Found()
    for event, hash64 in reading.events(from_ms, end_ms):
        brief = msgspec.structs.replace(event, message="")
        found.add(brief, hash64, known)
        if hashed(hash64) in wanted:
            _append(found.hits, brief)
    return found


def _by_sums(difference: Difference, fetched: Digest, found: _Found) -> None:
    """Compare the digest with what the ids leave. A single event can be named; of several only the number is known."""
    rest = fetched.minus(found.whole.minus(found.unread).minus(found.lost))
    if rest == Digest():
        return
    if rest.count <= 0:
        difference.missing += max(1, -rest.count)
        if difference.missing == len(found.hits) == 1:
            _list(difference, "digest", found.hits, 1)
        else:
            count = found.whole.count - found.unread.count
            _list(difference, "none: every event of the minute is listed", found.events, count)
    elif fetched == found.whole.plus(found.whole):
        difference.read_twice = found.whole.count
        _list(difference, "digest", found.events, found.whole.count)
    elif rest.count == 1 and found.hits:
        difference.read_twice = 1
        _list(difference, "digest", found.hits[:1], 1)
    else:
        difference.no_longer_at_aws = rest.count


def _list(difference: Difference, named_by: NamedBy, events: list[LogEvent], count: int) -> None:
    difference.named_by = named_by
    difference.events = events
    difference.more = max(0, count - len(events))


def _append(events: list[LogEvent], event: LogEvent) -> None:
    if len(events) < LISTED:
        events.append(event)
