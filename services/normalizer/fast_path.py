"""The common events of a batch, many at a time: an object that needs no change, a line that needs none.

Shaper.shape decides about every event, and this decides nothing: it recognises, by what it finds in all of them at
once, which events surely come out as they are, and leaves the others to it. What it returns is what `shape` would: a
property test holds the two together. An event costs about half as much here (docs/performance.md).
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from services.normalizer import json_object
from services.normalizer.json_object import ABSENT, VALIDATE
from services.normalizer.origin import MAX_ID_BYTES, MILLISECONDS, SECONDS, Origin
from services.normalizer.restore.lines import ESCAPE
from shared.messages import LogEvent

_OPEN = ord("{")
_ALERT = b"Alert Level"
_TRAILING = "\r\n\0"


class FastPath(Protocol):
    """For the events of one group. Does not block."""

    def datagrams(self, events: Sequence[LogEvent]) -> list[bytes | None]:
        """Return for each event its one datagram, or None: `shape` it. Some hundred events are a good number."""


class RawEvents:
    """Events of the format `raw`. `limit` is that of a datagram, in bytes."""

    def __init__(self, header: bytes, limit: int) -> None:
        self._header = header
        self._limit = limit

    def datagrams(self, events: Sequence[LogEvent]) -> list[bytes | None]:
        """See FastPath."""
        header, limit = self._header, self._limit
        try:
            made = [header + event.message.rstrip(_TRAILING).encode() for event in events]
        except UnicodeEncodeError:
            return [None] * len(events)
        if 0 in b"".join(made):
            return [None] * len(events)
        return [datagram if len(datagram) <= limit else None for datagram in made]


class CommonEvents:
    """Events of the format `auto` where a group permits no family, and no rule discards any.

    `origin_of` gives the origin of a stream; `limit` is that of a datagram, in bytes.
    """

    def __init__(self, origin_of: Callable[[str], Origin], limit: int) -> None:
        self._origin_of = origin_of
        self._limit = limit

    def datagrams(self, events: Sequence[LogEvent]) -> list[bytes | None]:
        """See FastPath."""
        try:
            logs = [event.message.rstrip(_TRAILING) for event in events]
            whole = "\n".join(logs).encode()
            has_plain_ids = _are_plain([event.event_id for event in events])
        except UnicodeEncodeError:
            return [None] * len(events)
        if 0 in whole or not has_plain_ids:
            return [None] * len(events)
        origins = _Origins(self._origin_of)
        # What a line must not have, or `shape` looks at it: most lots have none of it, and then no line is asked.
        is_odd = ESCAPE in whole or whole.find(_ALERT) >= 0
        if is_odd or _OPEN in whole:
            made = _objects_and_lines(events, logs, origins, json_object.needs_no_guard(whole), is_odd)
        else:
            made = [_line(log, origins[event.log_stream][0]) for event, log in zip(events, logs, strict=True)]
        limit = self._limit
        return [datagram if datagram is not None and len(datagram) <= limit else None for datagram in made]


def _objects_and_lines(
    events: Sequence[LogEvent], logs: list[str], origins: "_Origins", may_be_objects: bool, is_odd: bool
) -> list[bytes | None]:
    """Make datagrams of objects, unless they may not be as they are, and of lines, unless they are odd."""
    made: list[bytes | None] = []
    ingestion_ms: int | None = None
    ingested = ""
    for event, log in zip(events, logs, strict=True):
        header, start = origins[event.log_stream]
        if log[:2] != '{"':
            made.append(None if is_odd or "{" in log else _line(log, header))
            continue
        if not may_be_objects or not _is_plain_object(log):
            made.append(None)
            continue
        at = event.timestamp_ms
        if event.ingestion_ms != ingestion_ms:  # the events of one PutLogEvents have it in common
            ingestion_ms = event.ingestion_ms
            ingested = SECONDS[ingestion_ms // 1_000] + MILLISECONDS[ingestion_ms % 1_000]
        made.append(
            (
                f'{start}"{event.event_id}","timestamp":"{SECONDS[at // 1_000]}{MILLISECONDS[at % 1_000]}'
                f'","ingestion_time":"{ingested}"}},{log[1:]}'
            ).encode()
        )
    return made


def _is_plain_object(log: str) -> bool:
    """Say whether a log is an object, of no depth to speak of, that holds no line of text."""
    try:
        members = VALIDATE(log)
    except (msgspec.DecodeError, RecursionError):
        return False
    return members.log is ABSENT and members.message is ABSENT and len(log) <= json_object.SHALLOW_BYTES


def _line(log: str, header: bytes) -> bytes | None:
    """Return the datagram of a line. None: it may begin with an ISO stamp or a priority."""
    line = log.encode()
    return header + line if line[10:11] != b"T" and line[:1] != b"<" else None


def _are_plain(event_ids: list[str]) -> bool:
    """Say whether ids are letters and digits of ASCII and no longer than they may be, as AWS's are."""
    return "".join(event_ids).encode().isalnum() and max(map(len, event_ids)) <= MAX_ID_BYTES - 2


class _Origins(dict[str, tuple[bytes, str]]):
    """Stream -> the header of its datagrams, and all of an object's datagram up to the event id. A hit costs no call."""

    def __init__(self, origin_of: Callable[[str], Origin]) -> None:
        super().__init__()
        self._origin_of = origin_of

    def __missing__(self, log_stream: str) -> tuple[bytes, str]:
        origin = self._origin_of(log_stream)
        found = self[log_stream] = origin.header, origin.start.decode()
        return found
