"""When to look at the receiver again: a look costs it and us some tenths of a millisecond."""

#: Bounds of a pause, in seconds: no sooner is anything to be seen, no later may the receiver run dry.
SHORTEST, LONGEST = 0.000_3, 0.005
#: Taken for the receiver's pace until it is known: what analysisd does on two cores.
FIRST_GUESS = 15_000.0
#: Two looks closer to each other say nothing of the pace.
LEAST_SPAN = 0.002


class Tempo:
    """The receiver's pace, in events a second, as its counter shows it. Pure: the caller brings the time."""

    def __init__(self) -> None:
        self._rate = FIRST_GUESS
        self._processed = 0
        self._at: float | None = None

    def note(self, processed: int, now: float) -> None:
        """Take into account a counter of processed events, read at `now` seconds."""
        if self._at is None or processed < self._processed:
            self._processed, self._at = processed, now
        elif now - self._at >= LEAST_SPAN:
            self._rate = max(1.0, (self._rate + (processed - self._processed) / (now - self._at)) / 2)
            self._processed, self._at = processed, now

    def pause(self, events: int) -> float:
        """Return half the seconds that so many events take it, within bounds: it must not run dry while we sleep."""
        return min(max(events / self._rate / 2, SHORTEST), LONGEST)
