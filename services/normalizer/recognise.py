"""Which family an event is of: its group permits some, once for all, and what it holds confirms one of them."""

from collections.abc import Iterable

import msgspec

from services.normalizer.families.family import Context, Family, Record, Shape
from shared.messages import LogEvent
from shared.settings.model import Source

_DECODE = msgspec.json.Decoder(Record).decode


class Recogniser:
    """The families that one group permits, the first that an event confirms being the one it is of. Does not block."""

    def __init__(self, account_id: str, source: Source, permitted: Iterable[Family]) -> None:
        permitted = tuple(permitted)
        self._of_objects = tuple(family.from_object for family in permitted if family.from_object)
        self._of_lines = tuple(family.from_line for family in permitted if family.from_line)
        self._account_id = account_id
        self._flow_log_format = tuple(name[2:-1].replace("-", "_") for name in source.flow_log_format.split())
        self.exist = bool(self._of_objects or self._of_lines)

    def of_object(self, record: Record, event: LogEvent) -> Shape | None:
        """Return what becomes of an event that is an object. None: it is of no permitted family."""
        context = self._context(event)
        try:
            found = (shape(record, context) for shape in self._of_objects)
            return next((shape for shape in found if shape is not None), None)
        except RecursionError:  # no service nests as deep
            return None

    def of_line(self, log: bytes, event: LogEvent) -> Shape | None:
        """Return what becomes of an event that is text. None: it is of no permitted family."""
        context = self._context(event)
        found = (shape(log, context) for shape in self._of_lines)
        return next((shape for shape in found if shape is not None), None)

    def _context(self, event: LogEvent) -> Context:
        return Context(self._account_id, event.log_stream, event.timestamp_ms, self._flow_log_format)


def record_of(log: bytes) -> Record | None:
    """Return the object `log`. None: it is none, or none that can be written again as it was."""
    try:
        return _DECODE(log)
    except (msgspec.DecodeError, RecursionError):
        return None
