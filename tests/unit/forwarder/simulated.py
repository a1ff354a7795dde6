"""A receiver in simulated time: it costs what the real one costs, and never a second of ours."""

from collections.abc import Sequence

from services.forwarder.turnover import Look
from tests.unit.forwarder.looks import a_look

#: What things took on a machine that is not busy, in seconds.
SEND, LOOK, RECORD = 10e-6, 400e-6, 700e-6


class SimulatedReceiver:
    """Two queues, each drained at a rate of its own. It plays the connection and the statistics, and keeps the time."""

    path = "simulated"

    def __init__(self, decoders: float, rules: float) -> None:
        self.now = 1_000.0
        self.idle = 0.0
        """Seconds in which the slower stage had nothing to do, since the first datagram."""
        self.sent: list[int] = []
        """Datagrams of each segment."""
        self._rates = (decoders, rules)
        self._depth = 0.0
        self._waiting = 0.0
        self._taken = 0.0
        self._processed = 0.0
        self._began = False

    def pass_time(self, seconds: float) -> None:
        """Let that much time pass, in small steps."""
        end = self.now + seconds
        while self.now < end:
            step = min(100e-6, end - self.now)
            self.now += step
            taken = min(self._depth, self._rates[0] * step)
            self._depth, self._waiting, self._taken = self._depth - taken, self._waiting + taken, self._taken + taken
            able = self._rates[1] * step
            processed = min(self._waiting, able)
            self._waiting, self._processed = self._waiting - processed, self._processed + processed
            if self._began:
                self.idle += step * (1 - processed / able)

    def connect(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def prove_alive(self) -> None:
        """It lives."""
        self.pass_time(SEND)

    def send(self, datagrams: Sequence[bytes], start: int, limit: int) -> int:
        """Take all."""
        self._began = True
        self.sent.append(min(limit, len(datagrams) - start))
        for _ in range(min(limit, len(datagrams) - start)):
            self.pass_time(SEND)
            self._depth += 1
        return min(start + limit, len(datagrams))

    def confirm(self, *, wait: bool) -> int:
        """All was read."""
        assert wait
        self.pass_time(3 * SEND)
        return 0

    def look(self) -> Look:
        """Return what a real one would tell: whole events, of the moment in the middle of the question."""
        self.pass_time(LOOK / 2)
        depth, waiting = -int(-self._depth // 1), -int(-self._waiting // 1)
        look = a_look(
            depth=depth, taken=int(self._taken + 1e-6), waiting=waiting, processed=int(self._processed + 1e-6)
        )
        self.pass_time(LOOK / 2)
        return look
