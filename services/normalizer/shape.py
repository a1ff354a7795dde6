"""What becomes of one event: the datagrams that analysisd will be sent, or nothing where a rule discards it."""

from collections.abc import Callable

from services.normalizer import datagrams, json_object, predecode, wire
from services.normalizer.datagrams import Shaped
from services.normalizer.families.family import EventChannel, Findings, Shape
from services.normalizer.families.registry import families_of
from services.normalizer.fast_path import CommonEvents, FastPath, RawEvents
from services.normalizer.json_object import ABSENT
from services.normalizer.location import BACKFILL, DEFAULT, PLAIN
from services.normalizer.origin import Origin, origin_of
from services.normalizer.recognise import Recogniser, record_of
from services.normalizer.restore import lines, wrappers
from services.normalizer.rules import Rules
from services.normalizer.text import clean
from services.normalizer.wire import MAX_DATAGRAM_BYTES
from shared.messages import GroupRef, LogEvent
from shared.settings.model import Source

__all__ = ["DISCARDED", "Shaped", "Shaper"]

DISCARDED = Shaped(())


class Shaper:
    """Shapes the events of one group by the settings of its source. Does not block."""

    def __init__(
        self, group: GroupRef, source: Source, limit: int = MAX_DATAGRAM_BYTES, *, backfill: bool = False
    ) -> None:
        """`limit` is that of a datagram, in bytes; `backfill`: the events say that one read them.

        Raises SettingsError when a rule of `source` cannot be compiled.
        """
        self._group = group
        self._limit = limit
        self._backfill = backfill
        self._raw_header = wire.header(BACKFILL if backfill else PLAIN)
        self._template = source.location
        self._latest_stream: str | None = None
        self._latest_origin: Origin
        self._rules = Rules(source)
        self._recogniser = self._recogniser_of(source)
        self._form = self._form_of(source)
        self.fast_path = self._fast_path()
        """For the common events of this group, if any are."""

    def _recogniser_of(self, source: Source) -> Recogniser:
        return Recogniser(self._group.account_id, source, families_of(source.format, self._group.log_group))

    def _form_of(self, source: Source) -> Callable[[LogEvent, bytes], Shaped]:
        """Decide what every event of the group goes through."""
        if source.format == "raw":
            return self._raw
        if source.format == "text":
            return self._as_logged
        if source.format == "json":
            return self._as_object
        return self._recognised if self._recogniser.exist else self._restored

    def _fast_path(self) -> FastPath | None:
        if self._rules.exist or self._backfill:
            return None
        if self._form == self._raw:
            return RawEvents(self._raw_header, self._limit)
        return CommonEvents(self._origin, self._limit) if self._form == self._restored else None

    def shape(self, event: LogEvent) -> Shaped:
        """Return what is sent for `event`, whatever it holds."""
        if self._rules.exist and self._rules.discarding(event.message):
            return DISCARDED
        return self._form(event, clean(event.message))

    def _recognised(self, event: LogEvent, log: bytes) -> Shaped:
        """Shape an event of a group that permits a family; what is of none goes the way of any other group's."""
        if log[:1] != b"{":
            found = self._recogniser.of_line(log, event)
            return (found and self._of_family(event, found)) or self._restored(event, log)
        record = record_of(log)
        body = json_object.guarded(log) if record is not None else None
        if record is None or body is None:
            return self._restored(event, log)
        found = self._recogniser.of_object(record, event)
        shaped = found and self._of_family(event, found)
        if not shaped and "log" not in record and "MESSAGE" not in record:  # so that it is not read once more
            shaped = datagrams.of_object(self._origin_of(event), b"", body, event, self._limit)
        return shaped or self._restored(event, log)

    def _of_family(self, event: LogEvent, found: Shape) -> Shaped | None:
        if isinstance(found, Findings):
            return datagrams.of_findings(self._origin_of(event), found.records, event, self._limit)
        if isinstance(found, EventChannel):
            return datagrams.of_event_channel(self._origin_of(event), found, self._limit)
        return self._as_logged(event, found.log)

    def _restored(self, event: LogEvent, log: bytes) -> Shaped:
        """Shape an event of any group: the line in a wrapper, and a line as Wazuh's decoders know it."""
        if log[:2] == b'{"':
            return self._opened(event, log, 0)
        if log[10:11] == b"T" or log[:1] == b"<" or lines.ESCAPE in log:  # an ISO stamp, a priority, a colour
            line = self._line_restored(log)
            if line is not log:
                return self._as_logged(event, line)
        place = predecode.find_object(log)
        if place == predecode.NOWHERE:
            datagram = self._origin_of(event).header + log
            if len(datagram) <= self._limit:
                return Shaped((datagram,))
            return datagrams.of_text(self._origin_of(event).header, log, event, self._limit)
        preamble = predecode.preamble(log, place) if place > 0 else b""
        if place == predecode.UNSAFE or preamble:
            return self._marked(event, log, place)
        return self._opened(event, log, place)

    def _opened(self, event: LogEvent, log: bytes, place: int) -> Shaped:
        """Shape what looks like an object, behind nothing but white space, or the line in it."""
        body = log[place:] if place else log
        members = json_object.members_of(body)
        if members is None:
            return self._wrapped(event, log)
        if members.log is not ABSENT or members.message is not ABSENT:
            line = self._line_in(body, event)
            if line is not None:
                return self._as_logged(event, self._line_restored(line))
        guarded = json_object.guarded(body)
        if guarded is None:
            return self._wrapped(event, log)
        datagram = self._origin_of(event).datagram(event, guarded)
        if len(datagram) <= self._limit:
            return Shaped((datagram,))
        shaped = datagrams.of_object(self._origin_of(event), b"", guarded, event, self._limit)
        return shaped or self._wrapped(event, log)

    def _as_logged(self, event: LogEvent, log: bytes) -> Shaped:
        """Shape an event as it is: an object with its origin, a text as a text."""
        place = 0 if log[:2] == b'{"' else predecode.find_object(log)
        if place == predecode.NOWHERE:
            return datagrams.of_text(self._origin_of(event).header, log, event, self._limit)
        return self._marked(event, log, place)

    def _as_object(self, event: LogEvent, log: bytes) -> Shaped:
        """Shape an event as an object with its origin, whatever it is."""
        place = 0 if log[:2] == b'{"' else predecode.find_object(log)
        if place == predecode.NOWHERE:
            return self._wrapped(event, log)
        return self._marked(event, log, place)

    def _marked(self, event: LogEvent, log: bytes, place: int) -> Shaped:
        """Give the object at `place` of `log` its origin; what is not sure to be one is wrapped."""
        origin = self._origin_of(event)
        body = json_object.protected(log[place:]) if place != predecode.UNSAFE else None
        preamble = predecode.preamble(log, place) if place > 0 else b""
        shaped = datagrams.of_object(origin, preamble, body, event, self._limit) if body is not None else None
        return shaped or self._wrapped(event, log)

    def _raw(self, event: LogEvent, log: bytes) -> Shaped:
        return datagrams.of_text(self._raw_header, log, event, self._limit)

    # What `explain` watches, apart from the above.

    def _line_restored(self, log: bytes) -> bytes:
        return lines.restored(log)

    def _line_in(self, body: bytes, event: LogEvent) -> bytes | None:
        return wrappers.opened(body, event.timestamp_ms)

    def _wrapped(self, event: LogEvent, log: bytes) -> Shaped:
        return datagrams.of_wrapped(self._origin_of(event), log, event, self._limit)

    def _origin_of(self, event: LogEvent) -> Origin:
        """Return the origin of the event's stream, which often is that of the event before."""
        stream = event.log_stream
        if stream != self._latest_stream:
            self._latest_origin = self._origin(stream)
            self._latest_stream = stream
        return self._latest_origin

    def _origin(self, stream: str) -> Origin:
        if self._backfill:
            return origin_of(self._group, stream, self._template, backfill=True)
        if self._template == DEFAULT:  # left out, since a shorter key is found in less time
            return origin_of(self._group, stream)
        return origin_of(self._group, stream, self._template)
