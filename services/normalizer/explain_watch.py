"""A Shaper that tells what it did. It overrides steps only to look on, so what it tells is what the service does."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from services.normalizer import json_object, predecode
from services.normalizer.datagrams import Shaped
from services.normalizer.families.family import Context, Family, Shape
from services.normalizer.families.registry import FAMILIES, families_of
from services.normalizer.recognise import Recogniser, record_of
from services.normalizer.restore import lines, wrappers
from services.normalizer.shape import Shaper
from services.normalizer.text import clean
from shared.messages import GroupRef, LogEvent
from shared.settings.model import Source

Log = TypeVar("Log")


class Watch(Shaper):
    """Shapes one event after another as the service does, and holds what was done to the latest. Does not block."""

    def __init__(self, group: GroupRef, source: Source) -> None:
        """Raise SettingsError when a rule of `source` cannot be compiled."""
        self.permitted = families_of(source.format, group.log_group)
        self._source = source
        self._forget()
        super().__init__(group, source)

    def _forget(self) -> None:
        self.discarded_by = ""
        self.family = ""
        """The family whose form was sent."""
        self.too_long = ""
        """A family that was confirmed, and of which no datagram could be made."""
        self.changes: list[str] = []
        self.wrapped_for = ""
        """Why the event became the `message` of an object of ours."""
        self.marked = False
        """An object got its origin, whatever was in front of it."""
        self._confirmed = ""

    def shape(self, event: LogEvent) -> Shaped:
        """Return what is sent for `event`, and hold what was done to it."""
        self._forget()
        self.discarded_by = self._rules.discarding(event.message)
        return super().shape(event)

    def header(self, event: LogEvent) -> bytes:
        """Return the header of the datagrams of `event`, unless its format is `raw`."""
        return self._origin_of(event).header

    def looks_like(self, event: LogEvent) -> list[str]:
        """Return the families that what `event` holds would confirm, if only they were permitted."""
        log = clean(event.message)
        record = record_of(log) if log[:1] == b"{" else None
        found = []
        for family in FAMILIES:
            if family not in self.permitted:
                one = Recogniser(self._group.account_id, self._source, (family,))
                if one.of_line(log, event) if record is None else one.of_object(record, event):
                    found.append(family.name)
        return found

    def _recogniser_of(self, source: Source) -> Recogniser:
        return Recogniser(self._group.account_id, source, map(self._watched, self.permitted))

    def _watched(self, family: Family) -> Family:
        def watched(shape: Callable[[Log, Context], Shape | None]) -> Callable[[Log, Context], Shape | None]:
            def look_on(log: Log, context: Context) -> Shape | None:
                found = shape(log, context)
                if found is not None:
                    self._confirmed = family.name
                return found

            return look_on

        return msgspec.structs.replace(
            family,
            from_object=family.from_object and watched(family.from_object),
            from_line=family.from_line and watched(family.from_line),
        )

    def _of_family(self, event: LogEvent, found: Shape) -> Shaped | None:
        shaped = super()._of_family(event, found)
        if shaped:
            self.family = self._confirmed
        else:
            self.too_long = self._confirmed
        return shaped

    def _line_restored(self, log: bytes) -> bytes:
        self.changes += lines.told(log)
        return super()._line_restored(log)

    def _line_in(self, body: bytes, event: LogEvent) -> bytes | None:
        line = super()._line_in(body, event)
        if line is not None:
            self.family = wrappers.writer(body)
        return line

    def _marked(self, event: LogEvent, log: bytes, place: int) -> Shaped:
        self.marked = True
        return super()._marked(event, log, place)

    def _wrapped(self, event: LogEvent, log: bytes) -> Shaped:
        self.wrapped_for = _reason(log)
        return super()._wrapped(event, log)


def _reason(log: bytes) -> str:
    place = predecode.find_object(log)
    if place == predecode.NOWHERE:
        return "the format json makes an object of each line"
    if place == predecode.UNSAFE:
        return "analysisd could read it as JSON, or as an alert of another manager, at more than one place"
    if json_object.members_of(log[place:]) is None:
        return "analysisd would read it as a JSON object, and it is no valid one, or nested too deep"
    if json_object.guarded(log[place:]) is None:
        return (
            f"analysisd would lose its fields: more than {json_object.MAX_DEPTH} levels, or a number of 64 characters"
        )
    return "it is too long for a datagram, and has no strings that could be shortened enough"
