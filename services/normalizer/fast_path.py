"""The common events of a batch, many at a time: an object that needs no change, a line that needs none.

Shaper.shape decides about every event, and this decides nothing: it recognises, by what it finds in all of them at
once, which events surely come out as they are, and leaves the others to it. What it returns is what `shape` would: a
property test holds the two together. An event costs about half as much here (docs/performance.md).
"""

from collections.abc import Callable, Sequence
from itertools import compress, repeat
from operator import itemgetter, not_
from typing import Protocol

import msgspec

from services.normalizer import json_object
from services.normalizer.json_object import VALIDATE, Members
from services.normalizer.origin import MAX_ID_BYTES, MILLISECONDS, SECONDS, Origin
from services.normalizer.restore.lines import ESCAPE
from shared.messages import LogEvent

_OPEN = ord("{")
_ALERT = b"Alert Level"
_TRAILING = "\r\n\0"
#: What is found in an object that holds no line of text.
_NO_LINE = Members()
_BEHIND_BRACE = itemgetter(slice(1, None))


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
            ids = [event.event_id for event in events]
            has_plain_ids = _are_plain(ids)
        except UnicodeEncodeError:
            return [None] * len(events)
        if 0 in whole or not has_plain_ids:
            return [None] * len(events)
        if _OPEN not in whole:
            made = self._lines(events, logs, whole)
        elif min(logs) >= '{"' and max(logs) < "{#":  # all of them begin with these two characters
            made = self._objects(events, ids, logs, whole)
        else:
            made = self._mixed(events, logs, whole)
        limit = self._limit
        return [datagram if datagram is not None and len(datagram) <= limit else None for datagram in made]

    def _mixed(self, events: Sequence[LogEvent], logs: list[str], whole: bytes) -> list[bytes | None]:
        """Make datagrams of objects and of lines, each kind by itself."""
        are_objects = [log[:2] == '{"' for log in logs]
        if True not in are_objects:
            return self._lines(events, logs, whole)
        objects = iter(self.datagrams(list(compress(events, are_objects))))
        lines = iter(self.datagrams(list(compress(events, map(not_, are_objects)))))
        return [next(objects if is_object else lines) for is_object in are_objects]

    def _objects(self, events: Sequence[LogEvent], ids: list[str], logs: list[str], whole: bytes) -> list[bytes | None]:
        """Make datagrams of objects as they are, unless one of them may have to change.

        A datagram is a row: made by columns, it costs a few calls into C and hardly a step of Python's.
        """
        if not json_object.needs_no_guard(whole):
            return [None] * len(logs)
        streams = [event.log_stream for event in events]
        starts = {stream: self._origin_of(stream).start.decode() + '"' for stream in set(streams)}
        times = [event.timestamp_ms for event in events]
        ingestion_times = [event.ingestion_ms for event in events]
        ingested = {  # the events of one PutLogEvents have it in common
            at: f'","ingestion_time":"{SECONDS[at // 1_000]}{MILLISECONDS[at % 1_000]}"}},'
            for at in set(ingestion_times)
        }
        rows = zip(
            map(starts.__getitem__, streams),
            ids,
            repeat('","timestamp":"'),
            [SECONDS[at // 1_000] for at in times],
            [MILLISECONDS[at % 1_000] for at in times],
            map(ingested.__getitem__, ingestion_times),
            map(_BEHIND_BRACE, logs),
            strict=False,  # `repeat` has no end
        )
        made: list[bytes | None] = list(map(str.encode, map("".join, rows)))
        if _are_plain_objects(logs):
            return made
        return [datagram if _are_plain_objects([log]) else None for datagram, log in zip(made, logs, strict=True)]

    def _lines(self, events: Sequence[LogEvent], logs: list[str], whole: bytes) -> list[bytes | None]:
        """Make datagrams of lines, unless one has what `shape` looks at: most lots have none of it."""
        if ESCAPE in whole or whole.find(_ALERT) >= 0:
            return [None] * len(logs)
        streams = [event.log_stream for event in events]
        headers = {stream: self._origin_of(stream).header for stream in set(streams)}
        may_hold_objects = _OPEN in whole
        return [
            # It may begin with an ISO stamp or a priority, or an object may be in it.
            None
            if line[10:11] == b"T" or line[:1] == b"<" or (may_hold_objects and _OPEN in line)
            else headers[stream] + line
            for stream, line in zip(streams, map(str.encode, logs), strict=True)
        ]


def _are_plain_objects(logs: list[str]) -> bool:
    """Say whether logs are objects, of no depth to speak of, that hold no line of text."""
    try:
        members = list(map(VALIDATE, logs))
    except (msgspec.DecodeError, RecursionError):
        return False
    return members.count(_NO_LINE) == len(members) and max(map(len, logs)) <= json_object.SHALLOW_BYTES


def _are_plain(event_ids: list[str]) -> bool:
    """Say whether ids are letters and digits of ASCII and no longer than they may be, as AWS's are."""
    return "".join(event_ids).encode().isalnum() and max(map(len, event_ids)) <= MAX_ID_BYTES - 2
