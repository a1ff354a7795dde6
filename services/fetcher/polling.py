"""When a group is looked at again, and what it costs. Pure but for chance: the time is an argument.

A group that stays quiet is looked at less and less often: after a quarter of the time for which nothing came, within
poll_interval and max_poll_interval. Whatever comes ends that. Times are moved a little, so that groups do not come due together.
"""

import math
import random

from shared.settings.model import Source

#: The time between two looks, as a share of how long nothing has come.
SHARE_OF_QUIET = 0.25
#: A time between two looks is shortened by up to this share of it.
JITTER = 0.1
#: The first looks of no more groups than this are not spread: there is no herd.
FEW_GROUPS = 64
#: No first look is put off for longer, however long the poll_interval.
LONGEST_FIRST_SECONDS = 60.0
#: What a group cost so long ago counts a third as much as what it costs now.
COST_SECONDS = 300.0


class Pace:
    """When one group is due. Seconds are of a clock that only goes forward."""

    def __init__(self, source: Source, now: float) -> None:
        self._least = source.poll_interval / 1000
        self._most = max(self._least, source.max_poll_interval / 1000)
        self._came_at = now
        self._began_at: float | None = None

    def begin(self, now: float) -> None:
        """Note that a round of reading begins, unless one is under way."""
        if self._began_at is None:
            self._began_at = now

    def end(self, now: float, *, brought_new: bool, is_sweeping: bool = False) -> float:
        """Note that the round is over; return the seconds until the next one. One that took too long is followed at once.

        With a deep sweep under way, the next one comes soon: each round reads a few pages of it.
        """
        began_at, self._began_at = self._began_at if self._began_at is not None else now, None
        if brought_new:
            self._came_at = now
        interval = min(max(self._least, SHARE_OF_QUIET * (now - self._came_at)), self._most)
        interval = self._least if is_sweeping else interval
        jittered = interval * (1 - JITTER * random.random())  # noqa: S311 - no secret
        return max(0.0, jittered - (now - began_at))


def first_delay(source: Source, groups: int) -> float:
    """Return in how many seconds to look at a group for the first time, where `groups` are being read."""
    if groups <= FEW_GROUPS:
        return 0.0
    return random.random() * min(source.poll_interval / 1000, LONGEST_FIRST_SECONDS)  # noqa: S311 - no secret


class Cost:
    """How many calls a minute a group costs lately."""

    def __init__(self, now: float) -> None:
        self._calls = 0.0
        self._at = now

    def add(self, calls: int, now: float) -> float:
        """Note so many calls more; return the calls a minute."""
        self._calls = self._calls * math.exp(-max(0.0, now - self._at) / COST_SECONDS) + calls
        self._at = now
        return self._calls * 60 / COST_SECONDS
