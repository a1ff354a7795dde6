"""The setting wazuh.max_events_per_second, for all forwarders of a receiver together."""

from collections.abc import Callable, Sequence
from time import monotonic, sleep

from services.forwarder.sink import Sink

#: What was not used for so long may be sent at once, after that it is lost.
BURST_SECONDS = 0.1
#: What the rate allows in so long is sent together: a datagram at a time would cost a confirmation each.
STEP_SECONDS = 0.02
#: One waits for so long at a time, so that the caller gets its turn.
LONGEST_PAUSE = 0.25


class PacedSink:
    """A sink that lets no more datagrams a second through to another. `share` is the number of forwarders."""

    def __init__(self, sink: Sink, per_second: int, share: Callable[[], int]) -> None:
        self._sink = sink
        self._per_second = per_second
        self._share = share
        self._allowed = 0.0
        self._at = monotonic()

    def connect(self) -> None:
        """See Sink."""
        self._sink.connect()

    def send(self, datagrams: Sequence[bytes], start: int, limit: int) -> int:
        """Send as many as the rate allows by now, which may be none after a while of waiting. See Sink."""
        rate = self._per_second / max(1, self._share())
        wanted = max(1.0, min(limit, len(datagrams) - start, rate * STEP_SECONDS))
        self._earn(rate)
        if self._allowed < wanted:
            sleep(min((wanted - self._allowed) / rate + 0.000_5, LONGEST_PAUSE))
            self._earn(rate)
            if self._allowed < 1:
                return start
        reached = self._sink.send(datagrams, start, min(limit, int(self._allowed)))
        self._allowed -= reached - start
        return reached

    def confirm(self, *, wait: bool) -> int:
        """See Sink."""
        return self._sink.confirm(wait=wait)

    def close(self) -> None:
        """See Sink."""
        self._sink.close()

    def _earn(self, rate: float) -> None:
        now = monotonic()
        self._allowed = min(self._allowed + (now - self._at) * rate, max(1.0, rate * BURST_SECONDS))
        self._at = now
