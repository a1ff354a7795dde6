"""What an event is known by, and where the ids of a group's recent events are kept: shared by its reader and the audit.

    field   "<oldest ms>:<newest ms>:<message bytes>:<sequence>.<n>,<newest ingestion ms>,<longest lateness ms>"
    value   8 bytes for each event: BLAKE2b of stream, event id and timestamp

services/fetcher/seen.py says how long they are kept, and why.
"""

import sys
from array import array
from collections.abc import Sequence
from hashlib import blake2b

from msgspec import Struct

from shared.messages import LogEvent

#: Later than any time: of events without an ingestion time, and of fields written before it was noted.
UNKNOWN_MS = 1 << 62

_EMPTY = blake2b(digest_size=8)


class Field(Struct, frozen=True):
    """One field of the hash: the stretch of time its events cover, and the bytes of their messages."""

    name: str
    oldest_ms: int
    newest_ms: int
    bytes: int
    ingested_ms: int = UNKNOWN_MS
    """The newest ingestion time of its events."""
    late_ms: int = UNKNOWN_MS
    """The longest time from timestamp to ingestion of its events."""


def field_name(oldest_ms: int, newest_ms: int, size: int, written: str, ingested_ms: int, late_ms: int) -> str:
    """Return the name of a field; `written` is the commit that it is of, and which of its fields it is."""
    return f"{oldest_ms}:{newest_ms}:{size}:{written},{ingested_ms},{late_ms}"


def ingested(event: LogEvent) -> int:
    """Return when an event was ingested, in ms, or a time that never comes where that is not told."""
    return event.ingestion_ms if event.ingestion_ms > 0 else UNKNOWN_MS


def digest(event: LogEvent) -> int:
    """Return the 64-bit hash an event is remembered by."""
    return hashes_of([event])[0]


def hashes_of(events: Sequence[LogEvent]) -> list[int]:
    """Return the hash of each event."""
    try:
        found = _hashed([f"{event.event_id}\0{event.timestamp_ms}\0{event.log_stream}".encode() for event in events])
    except UnicodeEncodeError:  # half a surrogate pair in one of them: no other's bytes depend on how that is written
        names = [f"{event.event_id}\0{event.timestamp_ms}\0{event.log_stream}" for event in events]
        found = _hashed([name.encode("utf-8", "surrogatepass") for name in names])
    packed = array("Q", b"".join(found))
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tolist()


def _hashed(names: list[bytes]) -> list[bytes]:
    """Return the hash of each name. To copy an empty hash takes half the time of making one."""
    empty, found = _EMPTY.copy, []
    for name in names:
        hashed = empty()
        hashed.update(name)
        found.append(hashed.digest())
    return found


def parse(name: bytes) -> Field:
    """Return what the name of a field says."""
    text = name.decode()
    oldest, newest, size, written = text.split(":")
    _, *times = written.split(",")
    return Field(text, int(oldest), int(newest), int(size), *map(int, times))


def unpack(value: bytes | None) -> "array[int]":
    """Return the hashes in a field; none, when it was deleted meanwhile."""
    packed = array("Q")
    packed.frombytes(value or b"")
    return packed
