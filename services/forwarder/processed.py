"""The sink of the level `processed`: what was sent counts when the receiver's own statistics prove it was processed.

Sent in segments; while the evidence for one is awaited, the next are on their way. What may be on its way is bounded by
the window, which shrinks on doubt and grows back, and by a credit: half of the receiver's free places, shared between
the forwarders that send to it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic, sleep

from services.forwarder import turnover
from services.forwarder.analysisd import Analysisd
from services.forwarder.getstats import StatsUnavailable
from services.forwarder.in_hand import InHand
from services.forwarder.sink import WINDOW, SinkBusy, SinkUnavailable
from services.forwarder.tempo import Tempo
from services.forwarder.turnover import Lane, Look, Passage

#: So many are sent before the receiver is looked at again. With turnover's margin it has to fit in a window well.
SEGMENT = 250
#: What is on its way after a doubt, at first.
LEAST_WINDOW = 50
#: How long `confirm` waits for evidence before it gives the caller a turn.
PATIENCE_SECONDS = 0.25
#: An event is counted before its rules run: what is drained counts when the last ones had so long for it.
RULES_SECONDS = 0.005
#: Queues empty for so long prove that what no counter shows is in nobody's hand, but will never be counted; not while
#: decoders wait for credits of an EPS limit, which may take as long as its time frame.
UNCOUNTED_SECONDS = 2.0
UNCOUNTED_WITHOUT_CREDITS_SECONDS = 60.0


class _Segment:
    """Datagrams of one lane that were sent together; `passage` begins once they were read."""

    def __init__(self, size: int, lane: Lane) -> None:
        self.size = size
        self.lane = lane
        self.passage: Passage | None = None


class ProcessedSink:
    """Not safe between threads. `share` is the number of forwarders that send to this receiver, this one included."""

    def __init__(self, socket: Analysisd, look: Callable[[], Look], share: Callable[[], int]) -> None:
        self._socket = socket
        self._ask = look
        self._share = share
        self._window = WINDOW
        self._segments: deque[_Segment] = deque()
        self._look: Look | None = None
        self._origin: Look | None = None
        """The last look before anything of what is unconfirmed was sent."""
        self._since_origin = 0
        self._since_look = 0
        self._doubtful: Lane | None = None
        self._empty_since: float | None = None
        self._drained_since: float | None = None
        self._in_hand = InHand()
        self._tempo = Tempo()

    def connect(self) -> None:
        """Be connected to whatever is bound at the path now, once all that was sent is confirmed. Raises SinkUnavailable."""
        if not self._segments:
            self._socket.connect()

    def close(self) -> None:
        """Let go of the connection; what was not confirmed is forgotten."""
        self._segments.clear()
        self._socket.close()

    def send(self, datagrams: Sequence[bytes], start: int, limit: int) -> int:
        """Send a segment, as far as window and credit go; return the index after the last one sent. See Sink."""
        if self._segments and self._segments[-1].passage is None:
            raise SinkBusy(f"the receiver at {self._socket.path} has not read what it was sent")
        if not self._segments:
            self._begin()
        room = min(limit, SEGMENT, self._window - self._unconfirmed, self._credit())
        if room <= 0:
            raise SinkBusy(f"the receiver at {self._socket.path} is full: its own queues have no room for more")
        lane = turnover.lane_of(datagrams[start])
        end = start + 1
        while end < min(start + room, len(datagrams)) and turnover.lane_of(datagrams[end]) == lane:
            end += 1
        try:
            reached = self._socket.send(datagrams, start, end - start)
        except SinkUnavailable:
            self._forget()
            raise
        self._segments.append(_Segment(reached - start, lane))
        self._since_origin += reached - start
        self._since_look += reached - start
        self._empty_since = self._drained_since = None
        return reached

    def confirm(self, *, wait: bool) -> int:
        """Return how many more datagrams are proved to be processed. See Sink."""
        if not self._segments:
            return 0
        if self._segments[-1].passage is None:
            self._prove_read()
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            look = self._observe()
            confirmed = self._processed_by(look)
            if confirmed:
                self._prove_alive()  # so it was no other that was looked at, and none died since
            if confirmed or not wait:
                return confirmed
            if monotonic() > deadline:
                self._prove_alive()
                raise SinkBusy(f"the receiver at {self._socket.path} has read and not yet processed what it was sent")
            sleep(RULES_SECONDS if self._drained_since else self._tempo.pause(self._events_ahead(look)))

    @property
    def _unconfirmed(self) -> int:
        return sum(segment.size for segment in self._segments)

    def _credit(self) -> int:
        """Return how many more may be sent: with what is on its way, our share of half of what would be free without it."""
        assert self._look is not None
        share, free = 2 * max(1, self._share()), self._look.free
        return min(free // share - self._since_look, (free + self._unconfirmed) // share - self._unconfirmed)

    def _begin(self) -> None:
        """Look at the receiver before the first datagram is sent, and after a doubt until it is calm."""
        before, look = self._look, self._first_look()
        if self._doubtful is not None:
            if before is None or not turnover.is_calm(before, look, self._doubtful):
                raise SinkBusy(f"the receiver at {self._socket.path} drops events of somebody else, or is almost full")
            self._doubtful = None
        self._start_from(look)

    def _start_from(self, look: Look) -> None:
        """Count from this look on: nothing of ours is unconfirmed."""
        self._origin, self._since_origin = look, 0
        self._empty_since = self._drained_since = None

    def _first_look(self) -> Look:
        try:
            self._look = self._ask()
        except StatsUnavailable as why:
            raise SinkUnavailable(f"the receiver's statistics cannot be had, so nothing is sent: {why}") from None
        self._since_look = 0
        self._in_hand.note(self._look)
        return self._look

    def _prove_read(self) -> None:
        """Have it proved that the receiver has read all that was sent."""
        try:
            self._socket.confirm(wait=True)
        except SinkUnavailable:
            self._forget()
            raise

    def _prove_alive(self) -> None:
        """Have it proved that the receiver which was sent to still lives."""
        try:
            self._socket.prove_alive()
        except SinkUnavailable:
            self._forget()
            raise

    def _observe(self) -> Look:
        """Return a new look; raise SinkUnavailable when it gives reason for doubt, SinkBusy when there is none."""
        before = self._look
        assert before is not None, "send() comes first"
        try:
            look = self._look = self._ask()
        except StatsUnavailable as why:
            self._prove_alive()
            raise SinkBusy(f"the receiver's statistics cannot be had, so nothing more is sent: {why}") from None
        self._since_look = 0
        self._tempo.note(look.processed, monotonic())
        self._in_hand.note(look)
        for lane in {segment.lane for segment in self._segments}:
            if reason := turnover.doubt(before, look, lane):
                self._window, self._doubtful = max(self._window // 4, LEAST_WINDOW), lane
                self._forget()
                raise SinkUnavailable(f"the receiver at {self._socket.path} may have lost what it was sent: {reason}")
        return look

    def _processed_by(self, look: Look) -> int:
        """Return how many of the oldest datagrams this look proves to be processed, and let go of them."""
        if self._is_drained(look):
            confirmed = self._unconfirmed
            self._segments.clear()
        else:
            confirmed = 0
            while self._segments and self._has_turned_over(self._segments[0], look):
                confirmed += self._segments.popleft().size
            for segment in self._segments:
                self._has_turned_over(segment, look)
        if confirmed:
            self._window = min(self._window * 2, WINDOW)
        if not self._segments:
            self._start_from(look)
        return confirmed

    @staticmethod
    def _has_turned_over(segment: _Segment, look: Look) -> bool:
        if segment.passage is None:
            segment.passage = Passage(segment.lane, look)
            return False
        return segment.passage.is_over(look)

    def _is_drained(self, look: Look) -> bool:
        """Say whether nothing of ours is left inside, by queues that stay empty and counters that have caught up."""
        lanes = {segment.lane for segment in self._segments}
        if not all(look.is_empty(lane) for lane in lanes):
            self._empty_since = self._drained_since = None
            return False
        now = monotonic()
        self._empty_since = self._empty_since or now
        if self._has_all(look, lanes):
            self._drained_since = self._drained_since or now
        if self._drained_since is not None:
            return now - self._drained_since >= RULES_SECONDS
        uncounted = UNCOUNTED_WITHOUT_CREDITS_SECONDS if look.out_of_credits else UNCOUNTED_SECONDS
        if now - self._empty_since <= uncounted:
            return False
        self._in_hand.is_for_good(look)
        return True

    def _has_all(self, look: Look, lanes: set[Lane]) -> bool:
        """Say whether all that was sent is counted as processed, and no thread has an event in its hand."""
        assert self._origin is not None
        # Two lanes of one queue are counted together: one of them stands for both.
        queues: list[Lane] = [lane for lane in lanes if lane == "eventchannel" or lane == min(lanes - {"eventchannel"})]
        taken = sum(look.lanes[lane].taken - self._origin.lanes[lane].taken for lane in queues)
        processed = look.processed - self._origin.processed
        return (
            min(taken, processed) >= self._since_origin
            and self._in_hand.with_decoders(look) <= 0
            and self._in_hand.with_rules(look) <= 0
        )

    def _events_ahead(self, look: Look) -> int:
        """Return how many events the receiver processes at least until more of ours can be proved to be."""
        oldest = self._segments[0]
        inside = look.lanes[oldest.lane].depth + look.waiting
        return min(inside, oldest.passage.events_ahead(look)) if oldest.passage else inside

    def _forget(self) -> None:
        self._segments.clear()
        self._socket.close()
