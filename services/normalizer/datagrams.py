"""The datagrams of one event, once it is decided what they hold: within the bounds, and nothing cut in silence.

`limit` is the length in bytes of the longest datagram that the receiver takes whole.
"""

import re

import msgspec
from msgspec import Struct

from services.normalizer import json_object, oversize, reserved
from services.normalizer.families.family import EventChannel, Record
from services.normalizer.origin import Origin, id_of
from services.normalizer.text import cut
from services.normalizer.wire import EVENT_CHANNEL
from shared.messages import LogEvent

_ENCODE = msgspec.json.Encoder().encode
# What may choose analysisd's decoder `json-msgraph`; a search for it begins with a single byte.
_MS_GRAPH = re.compile(rb'-[gG][rR][aA][pP][hH]"')


class Shaped(Struct, frozen=True, gc=False):
    """The datagrams of one event, in the order to send them; none: a rule of its source discards it."""

    datagrams: tuple[bytes, ...]
    oversize: bool = False
    """It was too long for one datagram: a text came to be several, a JSON object has shortened strings."""


def of_text(header: bytes, log: bytes, event: LogEvent, limit: int) -> Shaped:
    """Return the text itself, in parts where it is too long for one."""
    room = limit - len(header)
    if len(log) <= room:
        return Shaped((header + log,))
    return Shaped(tuple(header + part for part in oversize.split(log, room, id_of(event)[1:-1])), oversize=True)


def of_object(origin: Origin, preamble: bytes, body: bytes, event: LogEvent, limit: int) -> Shaped | None:
    """Return the object with its origin, shortened if it must be. None: it cannot keep its shape."""
    datagram = origin.datagram(event, body, preamble)
    if len(datagram) <= limit:
        return Shaped((datagram,))
    room = limit - len(origin.datagram(event, b"{}", preamble, truncated=b"[]"))
    shortened = oversize.shorten(body, room)
    if shortened is None:
        return None
    body, truncated = shortened
    return Shaped((origin.datagram(event, body, preamble, truncated),), oversize=True)


def of_wrapped(origin: Origin, log: bytes, event: LogEvent, limit: int) -> Shaped:
    """Return the log as the member `message` of an object of ours; too long, it is shortened as any string is."""
    body = json_object.wrapped(log[: cut(log, limit)])
    shaped = of_object(origin, b"", body, event, limit)
    if shaped is None:
        raise AssertionError("one long string can always be shortened")
    return shaped


def of_findings(origin: Origin, records: tuple[Record, ...], event: LogEvent, limit: int) -> Shaped | None:
    """Return an envelope for each record. None: one of them cannot be made to fit, whatever is shortened."""
    datagrams: list[bytes] = []
    cut_short = False
    for record in records:
        shaped = _of_finding(origin, record, event, limit) or _of_finding(origin, _summary(record), event, limit)
        if shaped is None:
            return None
        datagrams.extend(shaped.datagrams)
        cut_short |= shaped.oversize
    return Shaped(tuple(datagrams), oversize=cut_short)


def _of_finding(origin: Origin, record: Record, event: LogEvent, limit: int) -> Shaped | None:
    body = _ENCODE({"aws": record})
    if _MS_GRAPH.search(body):
        body = reserved.spaced(body)
    datagram = origin.finding(event, body)
    if len(datagram) <= limit:
        return Shaped((datagram,))
    room = limit - len(origin.finding(event, b"{}", truncated=b"[]"))
    shortened = oversize.shorten(body, room)
    if shortened is None:
        return None
    body, truncated = shortened
    return Shaped((origin.finding(event, body, truncated),), oversize=True)


def _summary(record: Record) -> Record:
    """Return the small members of a record with too many others, which become one string that can be shortened."""
    small = {key: value for key, value in record.items() if not isinstance(value, (dict, list))}
    return {**small, "message": _ENCODE(record).decode()}


def of_event_channel(origin: Origin, found: EventChannel, limit: int) -> Shaped | None:
    """Return a Windows event. None: it is too long, and no part of it could be read."""
    datagram = EVENT_CHANNEL + origin.header[1:] + found.body
    return Shaped((datagram,)) if len(datagram) <= limit else None
