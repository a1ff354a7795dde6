"""A group's place in the schedule: who holds the reader, and which calls a turn may make."""

import threading
from collections.abc import Callable
from typing import Protocol

from services.fetcher.owners import Reading
from shared.messages import GroupRef


class Lane(Protocol):
    """The permits of one bucket."""

    def reserve(self, *, low_priority: bool = False) -> bool:
        """Set a permit apart for the next call, if there is one now."""

    def release(self) -> None:
        """Take back a permit that was set apart and is not needed."""


class Turn:
    """What the schedule runs for a group. Dropping the reader ends it, and lets its memory go."""

    def __init__(self, reading: Reading) -> None:
        self.reading: Reading | None = reading

    def __call__(self) -> float | None:
        """Read a while, if the group is still ours."""
        reading = self.reading
        return reading() if reading is not None else None


class Place:
    """A group of this fetcher's sources, which it reads as long as the group is its to read. Safe between threads."""

    def __init__(self, group: GroupRef, make: Callable[[], Reading], start: Callable[[Turn], None]) -> None:
        self.group = group
        self._make = make
        self._start = start
        self._lock = threading.Lock()
        self._turn: Turn | None = None
        self._is_over = False

    def settle(self, is_ours: Callable[[], bool]) -> None:
        """Begin to read, or leave the group to another fetcher, unless it is so already."""
        with self._lock:
            if not is_ours():  # asked here, or an answer that is a moment old could come last
                self._end(gone=False)
            elif self._turn is None and not self._is_over:
                self._turn = Turn(self._make())
                self._start(self._turn)

    def retire(self, *, gone: bool = False) -> None:
        """Leave the group alone from now on: it is another source's, or `gone`."""
        with self._lock:
            self._is_over = True
            self._end(gone=gone)

    def __call__(self) -> float | None:
        """Nothing to do: the schedule runs the turns."""
        return None

    def _end(self, *, gone: bool) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and turn.reading is not None:
            turn.reading.retire(gone=gone)
            turn.reading = None


class Permits:
    """The permits of one turn, which begins with one. Not safe between threads.

    A second one is had only while nobody waits: among groups that do, the one that waits longest goes first.
    """

    def __init__(self, lane: Lane | None, is_waited_for: Callable[[], bool]) -> None:
        self._lane = lane
        self._is_waited_for = is_waited_for
        self._has_one = lane is not None

    def ask(self, *, low_priority: bool = False) -> bool:
        """Say whether a call may go out now."""
        if self._lane is None:
            return True
        if low_priority:
            self.release()
            return self._lane.reserve(low_priority=True)
        if self._has_one:
            self._has_one = False
            return True
        return not self._is_waited_for() and self._lane.reserve()

    def release(self) -> None:
        """Give back what was not used."""
        if self._lane is not None and self._has_one:
            self._has_one = False
            self._lane.release()
