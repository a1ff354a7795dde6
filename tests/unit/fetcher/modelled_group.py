"""A log group as FilterLogEvents shows it: events that appear when they appear, and pages that are positions."""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from shared.aws.pages import Page
from shared.errors import SourceBusy, TokenRefused
from shared.messages import LogEvent

#: What may befall one page: it fails, its token is refused or given back, or something else happens before it is used.
Trouble = Literal["none", "busy", "refused", "refused meanwhile", "repeated", "meanwhile"]


class Clock:
    """The time, and what a reader's own clock makes of it."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.behind_ms = 0

    def __call__(self) -> int:
        return self.now_ms - self.behind_ms


class Arrival(NamedTuple):
    """An event and its place: AWS's order is timestamp, ingestion, arrival."""

    timestamp_ms: int
    ingestion_ms: int
    number: int
    visible_ms: int
    event: LogEvent


class ModelledGroup:
    """One group; `page` is what LogsApi offers. `sizes` are the events of its pages, in turn: 0 is an empty page."""

    def __init__(self, clock: Clock, sizes: Sequence[int] = (5,), overlap: int = 0) -> None:
        self.arrivals: list[Arrival] = []
        self.troubles: deque[Trouble] = deque()
        self.meanwhile: Callable[[], object] = lambda: None
        self.calls = 0
        self.ahead_ms = 0
        self.tells_ingestion = True
        self._clock = clock
        self._sizes = sizes
        self._overlap = overlap

    def put(self, timestamp_ms: int, *, delay_ms: int = 0, message: str = "x", stream: str = "s") -> Arrival:
        """Let an event be ingested now and appear `delay_ms` later."""
        number = len(self.arrivals)
        event = LogEvent(
            event_id=f"{timestamp_ms << 16 | number:030d}",
            log_stream=stream,
            timestamp_ms=timestamp_ms,
            ingestion_ms=self._clock.now_ms if self.tells_ingestion else 0,
            message=message,
        )
        arrival = Arrival(timestamp_ms, self._clock.now_ms, number, self._clock.now_ms + delay_ms, event)
        insort(self.arrivals, arrival, key=_place)
        return arrival

    def page(self, log_group: str, from_ms: int, to_ms: int, token: str = "") -> Page:
        assert from_ms <= to_ms, "AWS refuses such a range"
        self.calls += 1
        self.ahead_ms = max(0, self._clock() - self._clock.now_ms)
        trouble = self.troubles.popleft() if self.troubles else "none"
        if trouble == "busy":
            raise SourceBusy(f"group {log_group}: slow down")
        if trouble == "refused meanwhile":
            self.meanwhile()
        if trouble.startswith("refused") and token:
            raise TokenRefused(f"group {log_group}: nextToken is invalid")
        if trouble == "repeated" and token:
            return Page(events=[], token=token)
        page = self._page(from_ms, to_ms, token)
        if trouble == "meanwhile":
            self.meanwhile()
        return page

    def _page(self, from_ms: int, to_ms: int, token: str) -> Page:
        after = tuple(map(int, token.split(":")[:3])) if token else (from_ms - 1, 1 << 62, 0)
        again = [number for number in token.split(":")[3].split(",") if number] if token else []
        size = self._sizes[self.calls % len(self._sizes)]
        rest = [
            arrival
            for arrival in self.arrivals[bisect_right(self.arrivals, after, key=_place) :]
            if arrival.timestamp_ms <= to_ms and arrival.visible_ms <= self._clock.now_ms
        ]
        fresh = rest[:size]
        events = [arrival.event for arrival in self.arrivals if size and str(arrival.number) in again]
        last = _place(fresh[-1]) if fresh else after
        tail = ",".join(str(arrival.number) for arrival in fresh[-self._overlap :] if self._overlap)
        following = ":".join(map(str, last)) + f":{tail}:{self.calls}"
        return Page(
            events=events + [arrival.event for arrival in fresh], token=following if len(rest) > len(fresh) else None
        )


def _place(arrival: Arrival) -> tuple[int, int, int]:
    return arrival[:3]
