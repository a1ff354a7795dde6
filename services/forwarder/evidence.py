"""What is on its way to one receiver, segment by segment, and what its statistics prove of it. Pure: the caller brings
looks and times."""

from collections import deque

from services.forwarder.in_hand import InHand
from services.forwarder.turnover import Lane, Look, Passage

#: An event is counted before its rules run: what is drained counts when the last ones had so long for it.
RULES_SECONDS = 0.005
#: Queues empty for so long prove that what no counter shows is in nobody's hand, but will never be counted; not while
#: decoders wait for credits of an EPS limit, which may take as long as its time frame.
UNCOUNTED_SECONDS = 2.0
UNCOUNTED_WITHOUT_CREDITS_SECONDS = 60.0


class _Segment:
    """Datagrams of one lane that were sent together; `passage` begins with the first look after they were read."""

    def __init__(self, size: int, lane: Lane) -> None:
        self.size = size
        self.lane: Lane = lane
        self.passage: Passage | None = None

    def is_processed(self, look: Look) -> bool:
        if self.passage is None:
            self.passage = Passage(self.lane, look)
            return False
        return self.passage.is_over(look)


class Evidence:
    """Begins with a look at which nothing is on its way; then segments are added, and looks judged in turn."""

    def __init__(self) -> None:
        self._segments: deque[_Segment] = deque()
        self._in_hand = InHand()
        self._origin: Look | None = None
        """The last look before anything of what is unconfirmed was sent."""
        self._since_origin = 0
        self._empty_since: float | None = None
        self._drained_since: float | None = None

    @property
    def unconfirmed(self) -> int:
        """Datagrams on their way."""
        return sum(segment.size for segment in self._segments)

    @property
    def lanes(self) -> set[Lane]:
        """The lanes that they are in."""
        return {segment.lane for segment in self._segments}

    @property
    def lacks_a_look(self) -> bool:
        """Whether the last segment was not looked after yet: it has to be read first."""
        return bool(self._segments) and self._segments[-1].passage is None

    @property
    def is_settling(self) -> bool:
        """Whether all is processed but for the rules of the last events."""
        return self._drained_since is not None

    def begin(self, look: Look) -> None:
        """Count from this look on, which was taken before the next datagram is sent."""
        self._in_hand.note(look)
        self._start_from(look)

    def add(self, size: int, lane: Lane) -> None:
        """Note that so many datagrams were sent together."""
        self._segments.append(_Segment(size, lane))
        self._since_origin += size
        self._empty_since = self._drained_since = None

    def forget(self) -> None:
        """Have nothing on its way: it will be sent again."""
        self._segments.clear()

    def judge(self, look: Look, now: float) -> int:
        """Return how many of the oldest datagrams are proved to be processed, and let go of them.

        `look` was taken at `now` seconds, after all that was added had been read, and gave no reason for doubt.
        """
        self._in_hand.note(look)
        if self._is_drained(look, now):
            confirmed = self.unconfirmed
            self._segments.clear()
        else:
            confirmed = 0
            while self._segments and self._segments[0].is_processed(look):
                confirmed += self._segments.popleft().size
            for segment in self._segments:
                segment.is_processed(look)
        if not self._segments:
            self._start_from(look)
        return confirmed

    def events_ahead(self, look: Look) -> int:
        """Return how many events the receiver processes at least until more of ours can be proved to be."""
        oldest = self._segments[0]
        inside = look.lanes[oldest.lane].depth + look.waiting
        return min(inside, oldest.passage.events_ahead(look)) if oldest.passage else inside

    def _start_from(self, look: Look) -> None:
        self._origin, self._since_origin = look, 0
        self._empty_since = self._drained_since = None

    def _is_drained(self, look: Look, now: float) -> bool:
        """Say whether nothing of ours is left inside, by queues that stay empty and counters that have caught up."""
        if not all(look.is_empty(lane) for lane in self.lanes):
            self._empty_since = self._drained_since = None
            return False
        self._empty_since = self._empty_since or now
        if self._has_all(look):
            self._drained_since = self._drained_since or now
        if self._drained_since is not None:
            return now - self._drained_since >= RULES_SECONDS
        if now - self._empty_since <= (UNCOUNTED_WITHOUT_CREDITS_SECONDS if look.out_of_credits else UNCOUNTED_SECONDS):
            return False
        self._in_hand.is_for_good(look)
        return True

    def _has_all(self, look: Look) -> bool:
        """Say whether all that was sent is counted as processed, and no thread has an event in its hand."""
        assert self._origin is not None, "begin() comes first"
        lanes = self.lanes
        # Two lanes of one queue are counted together: one of them stands for both.
        queues: list[Lane] = [lane for lane in lanes if lane == "eventchannel" or lane == min(lanes - {"eventchannel"})]
        taken = sum(look.lanes[lane].taken - self._origin.lanes[lane].taken for lane in queues)
        processed = look.processed - self._origin.processed
        return (
            min(taken, processed) >= self._since_origin
            and self._in_hand.with_decoders(look) <= 0
            and self._in_hand.with_rules(look) <= 0
        )
