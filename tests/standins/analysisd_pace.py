"""How fast the threads of the stand-in work: a rate, an EPS limit, and threads that lose their processor. Time is given."""

import math
from dataclasses import dataclass

#: As many as anybody may ask for.
UNLIMITED = 1 << 30


class Pace:
    """A server that is busy while it has work: so many events a second, and no credit for having been idle.

    No rate: as fast as the machine allows.
    """

    def __init__(self, per_second: float | None, now: float) -> None:
        self._per_second = per_second
        self._tokens = 0.0
        self._at = now

    def allowance(self, now: float) -> int:
        """Return how many events may be done now."""
        if self._per_second is None:
            return UNLIMITED
        self._tokens += (now - self._at) * self._per_second
        self._at = now
        return int(self._tokens)

    def spend(self, events: int) -> None:
        """Note that so many were done."""
        self._tokens -= events if self._per_second is not None else 0

    def rest(self) -> None:
        """Note that there was no work, or no room for its result: the time is gone."""
        self._tokens = min(self._tokens, 1.0)

    def wake(self, now: float) -> None:
        """Note that the time until now was idle."""
        self._at = now


class Credits:
    """The EPS limit: `maximum * timeframe` events within any `timeframe` seconds. Every decoder takes from it.

    A second's credits come back whole, when it is `timeframe` seconds old. A maximum of 0: no limit.
    """

    def __init__(self, maximum: int, timeframe: int, now: float) -> None:
        self.limited = maximum > 0
        self.available = maximum * timeframe if self.limited else UNLIMITED
        self.available_before = self.available
        """What was left at the end of the last second."""
        self.seconds_over_limit = 0
        self._timeframe = timeframe
        self._taken = [0]
        self._at = now

    @property
    def used_up(self) -> bool:
        """Whether the decoders wait for credits."""
        return self.available <= 0

    def take(self, events: int) -> None:
        """Spend credits."""
        if self.limited:
            self.available -= events
            self._taken[-1] += events

    def tick(self, now: float) -> None:
        """Let the seconds pass that have passed."""
        if not self.limited:
            return
        for _ in range(math.floor(now - self._at)):
            self._at += 1
            self.seconds_over_limit += self.used_up
            self.available_before = self.available
            if len(self._taken) == self._timeframe:
                self.available += self._taken.pop(0)
            self._taken.append(0)


@dataclass
class Dawdling:
    """One in so many events stays in the hand of its thread, while others overtake it."""

    one_in: int
    seconds: float
    overtaken_by: int
    """It goes on after so many others at the latest."""
    countdown: int = 0

    def __post_init__(self) -> None:
        self.countdown = self.one_in

    def reach(self, events: int) -> int:
        """Return how many of the next events come before the one that stays."""
        return min(events, self.countdown - 1)

    def passed(self, events: int) -> None:
        """Note that so many came, none of them staying."""
        self.countdown -= events

    def strike(self) -> None:
        """Note that the one whose turn it was stays."""
        self.countdown = self.one_in
