"""What becomes of one event: the datagrams that analysisd will be sent, or nothing where a rule discards it."""

from msgspec import Struct

from services.normalizer import json_object, oversize, predecode, wire
from services.normalizer.location import PLAIN
from services.normalizer.origin import Origin, id_of, origin_of
from services.normalizer.rules import Rules
from services.normalizer.text import clean, cut
from services.normalizer.wire import MAX_DATAGRAM_BYTES
from shared.messages import GroupRef, LogEvent
from shared.settings.model import Source


class Shaped(Struct, frozen=True, gc=False):
    """The datagrams of one event, in the order to send them; none: a rule of its source discards it."""

    datagrams: tuple[bytes, ...]
    oversize: bool = False
    """It was too long for one datagram: a text came to be several, a JSON object has shortened strings."""


DISCARDED = Shaped(())


class Shaper:
    """Shapes the events of one group by the settings of its source. Does not block."""

    def __init__(self, group: GroupRef, source: Source) -> None:
        """Raise SettingsError when a rule of `source` cannot be compiled."""
        self._group = group
        self._rules = Rules(source)
        self._raw_header = wire.header(PLAIN) if source.format == "raw" else b""

    def shape(self, event: LogEvent) -> Shaped:
        """Return what is sent for `event`, whatever it holds."""
        if self._rules.exist and not self._rules.keep(event.message):
            return DISCARDED
        log = clean(event.message)
        if self._raw_header:
            return _text(self._raw_header, log, event)
        origin = origin_of(self._group, event.log_stream)
        place = 0 if log[:2] == b'{"' else predecode.find_object(log)
        if place == predecode.NOWHERE:
            return _text(origin.header, log, event)
        body = json_object.protected(log[place:]) if place != predecode.UNSAFE else None
        if body is None:
            return _wrapped(origin, log, event)
        preamble = predecode.preamble(log, place) if place else b""
        return _object(origin, preamble, body, event) or _wrapped(origin, log, event)


def _text(header: bytes, log: bytes, event: LogEvent) -> Shaped:
    room = MAX_DATAGRAM_BYTES - len(header)
    if len(log) <= room:
        return Shaped((header + log,))
    return Shaped(tuple(header + part for part in oversize.split(log, room, id_of(event)[1:-1])), oversize=True)


def _object(origin: Origin, preamble: bytes, body: bytes, event: LogEvent) -> Shaped | None:
    """Return the object with its origin, shortened if it must be. None: it cannot keep its shape."""
    datagram = origin.datagram(event, body, preamble)
    if len(datagram) <= MAX_DATAGRAM_BYTES:
        return Shaped((datagram,))
    room = MAX_DATAGRAM_BYTES - len(origin.datagram(event, b"{}", preamble, truncated=b"[]"))
    shortened = oversize.shorten(body, room)
    if shortened is None:
        return None
    body, truncated = shortened
    return Shaped((origin.datagram(event, body, preamble, truncated),), oversize=True)


def _wrapped(origin: Origin, log: bytes, event: LogEvent) -> Shaped:
    """Return the log as the member `message` of an object of ours; too long, it is shortened as any string is."""
    body = json_object.wrapped(log[: cut(log, MAX_DATAGRAM_BYTES)])
    shaped = _object(origin, b"", body, event)
    if shaped is None:
        raise AssertionError("one long string can always be shortened")
    return shaped
