"""The sink of the level `processed`: what was sent counts when the receiver's own statistics prove it was processed.

Sent in segments; while the evidence for one is awaited, the next are on their way. What may be on its way is bounded by
the window, which shrinks on doubt and grows back, and by a credit: half of the receiver's free places, shared between
the forwarders that send to it.
"""

from collections.abc import Callable, Sequence
from time import monotonic, sleep

from services.forwarder import turnover
from services.forwarder.analysisd import Analysisd
from services.forwarder.evidence import RULES_SECONDS, Evidence
from services.forwarder.getstats import StatsUnavailable
from services.forwarder.sink import WINDOW, SinkBusy, SinkUnavailable
from services.forwarder.tempo import Tempo
from services.forwarder.turnover import Lane, Look

#: So many are sent before the receiver is looked at again. With turnover's margin it has to fit in a window well.
SEGMENT = 250
#: And so many, of which two fit in a window, while it has processed all that it was sent before each look: a slower one would
#: run dry while the next are sent, this one waits for us, and a look costs us as much as sending some fifty.
QUICK_SEGMENT = 450
#: What is on its way after a doubt, at first.
LEAST_WINDOW = 50
#: How long `confirm` waits for evidence before it gives the caller a turn.
PATIENCE_SECONDS = 0.25


class ProcessedSink:
    """Not safe between threads. `share` is the number of forwarders that send to this receiver, this one included."""

    def __init__(self, socket: Analysisd, look: Callable[[], Look], share: Callable[[], int]) -> None:
        self._socket = socket
        self._ask = look
        self._share = share
        self._window = WINDOW
        self._evidence = Evidence()
        self._look: Look | None = None
        self._since_look = 0
        self._doubtful: Lane | None = None
        self._tempo = Tempo()

    def connect(self) -> None:
        """Be connected to whatever is bound at the path now, once all that was sent is confirmed. Raises SinkUnavailable."""
        if not self._evidence.unconfirmed:
            self._socket.connect()

    def close(self) -> None:
        """Let go of the connection; what was not confirmed is forgotten."""
        self._evidence.forget()
        self._socket.close()

    def send(self, datagrams: Sequence[bytes], start: int, limit: int) -> int:
        """Send a segment, as far as window and credit go; return the index after the last one sent. See Sink."""
        if self._evidence.lacks_a_look:
            raise SinkBusy(f"the receiver at {self._socket.path} has not read what it was sent")
        if not self._evidence.unconfirmed:
            self._begin()
        room = min(limit, self._most(), self._window - self._evidence.unconfirmed, self._credit())
        if room <= 0:
            raise SinkBusy(f"the receiver at {self._socket.path} is full: its own queues have no room for more")
        end, lane = turnover.segment(datagrams, start, room)
        try:
            reached = self._socket.send(datagrams, start, end - start)
        except SinkUnavailable:
            self.close()
            raise
        self._evidence.add(reached - start, lane)
        self._since_look += reached - start
        return reached

    def confirm(self, *, wait: bool) -> int:
        """Return how many more datagrams are proved to be processed. See Sink."""
        if not self._evidence.unconfirmed:
            return 0
        if self._evidence.lacks_a_look:
            self._prove_read()
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            look = self._observe()
            confirmed = self._evidence.judge(look, monotonic())
            if confirmed:
                self._prove_alive()  # so it was no other that was looked at, and none died since
                self._window = min(self._window * 2, WINDOW)
            if confirmed or not wait:
                return confirmed
            if monotonic() > deadline:
                self._prove_alive()
                raise SinkBusy(f"the receiver at {self._socket.path} has read and not yet processed what it was sent")
            settling = self._evidence.is_settling
            sleep(RULES_SECONDS if settling else self._tempo.pause(self._evidence.events_ahead(look)))

    def _most(self) -> int:
        assert self._look is not None
        return QUICK_SEGMENT if self._look.holds_nothing else SEGMENT

    def _credit(self) -> int:
        """Return how many more may be sent: with what is on its way, our share of half of what would be free without it."""
        assert self._look is not None
        share, free, ours = 2 * max(1, self._share()), self._look.free, self._evidence.unconfirmed
        return min(free // share - self._since_look, (free + ours) // share - ours)

    def _begin(self) -> None:
        """Look at the receiver before the first datagram is sent, and after a doubt until it is calm."""
        before, look = self._look, self._first_look()
        if self._doubtful is not None:
            if before is None or not turnover.is_calm(before, look, self._doubtful):
                raise SinkBusy(f"the receiver at {self._socket.path} drops events of somebody else, or is almost full")
            self._doubtful = None
        self._evidence.begin(look)

    def _first_look(self) -> Look:
        try:
            self._look = self._ask()
        except StatsUnavailable as why:
            raise SinkUnavailable(f"the receiver's statistics cannot be had, so nothing is sent: {why}") from None
        self._since_look = 0
        return self._look

    def _prove_read(self) -> None:
        """Have it proved that the receiver has read all that was sent."""
        try:
            self._socket.confirm(wait=True)
        except SinkUnavailable:
            self.close()
            raise

    def _prove_alive(self) -> None:
        """Have it proved that the receiver which was sent to still lives."""
        try:
            self._socket.prove_alive()
        except SinkUnavailable:
            self.close()
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
        for lane in self._evidence.lanes:
            if reason := turnover.doubt(before, look, lane):
                self._window, self._doubtful = max(self._window // 4, LEAST_WINDOW), lane
                self.close()
                raise SinkUnavailable(f"the receiver at {self._socket.path} may have lost what it was sent: {reason}")
        return look
