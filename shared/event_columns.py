"""Events of one read, by field. What is asked of ten thousand of them is asked of a column at a time: of plain numbers, in C.

To take a field out of every event costs more than to look through it afterwards, so it is done once for all who look.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain, compress
from operator import itemgetter, sub
from typing import Any

from shared.messages import LogEvent
from shared.remembered import hashes_of

_COLUMNS = ("hashes", "times_ms", "ingestion_ms", "sizes", "streams")


class EventColumns:
    """Some events in an order, not to be changed. A column is made when it is first asked for, and cut with the others."""

    def __init__(self, events: list[LogEvent]) -> None:
        self.events = events

    @classmethod
    def joined(cls, parts: Sequence["EventColumns"]) -> "EventColumns":
        """Return the events of one part behind those of the other."""
        if len(parts) == 1:
            return parts[0]
        made = cls(list(chain.from_iterable([part.events for part in parts])))
        for name in _COLUMNS:
            if all(name in vars(part) for part in parts):
                vars(made)[name] = list(chain.from_iterable([vars(part)[name] for part in parts]))
        return made

    def __len__(self) -> int:
        return len(self.events)

    @cached_property
    def hashes(self) -> list[int]:
        """What each event is remembered by."""
        return hashes_of(self.events)

    @cached_property
    def times_ms(self) -> list[int]:
        """Their timestamps."""
        return [event.timestamp_ms for event in self.events]

    @cached_property
    def ingestion_ms(self) -> list[int]:
        """Their ingestion times; not above 0 where that is not told."""
        return [event.ingestion_ms for event in self.events]

    @cached_property
    def sizes(self) -> list[int]:
        """The characters of their messages."""
        return [len(event.message) for event in self.events]

    @cached_property
    def streams(self) -> list[str]:
        """Their log streams."""
        return [event.log_stream for event in self.events]

    @property
    def late_ms(self) -> list[int]:
        """The times from timestamp to ingestion of those that tell both: not one for each event."""
        ingestion_ms, times_ms = self.ingestion_ms, self.times_ms
        if not ingestion_ms or min(ingestion_ms) > 0:
            return list(map(sub, ingestion_ms, times_ms))
        return [at - time for at, time in zip(ingestion_ms, times_ms, strict=True) if at > 0]

    def cut(self, start: int, end: int) -> "EventColumns":
        """Return the events from place `start` to before `end`."""
        if start <= 0 and end >= len(self):
            return self
        return self._picked(itemgetter(slice(start, end)))

    def where(self, wanted: Sequence[bool]) -> "EventColumns":
        """Return the events whose place in `wanted` holds True."""
        return self._picked(lambda column: list(compress(column, wanted)))

    def first_of(self, wanted: set[int]) -> "EventColumns":
        """Return the first event of each hash in `wanted`, all of which are among theirs."""
        if len(wanted) == len(self):
            return self  # each event has another
        left, are_first = set(wanted), []
        for hashed in self.hashes:
            are_first.append(hashed in left)
            left.discard(hashed)
        return self.where(are_first)

    def by_time(self) -> "EventColumns":
        """Return them in order of time, those of one time in their order: as nearly all pages are."""
        times_ms = self.times_ms
        if sorted(times_ms) == times_ms:  # no more than one pass over what is sorted
            return self
        order = sorted(range(len(times_ms)), key=times_ms.__getitem__)
        return self._picked(lambda column: [column[at] for at in order])

    def _picked(self, pick: Callable[[list[Any]], list[Any]]) -> "EventColumns":
        made = EventColumns(pick(self.events))
        for name in _COLUMNS:
            if name in vars(self):
                vars(made)[name] = pick(vars(self)[name])
        return made
