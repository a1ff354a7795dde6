"""The sink of the level `agent`: a Wazuh agent on this host, which sends what it reads on to its manager.

An agent acknowledges nothing and drops what finds its buffer full; what it was seen to read counts as confirmed. So
the rate is bounded (see level.py), and nothing is sent while the agent cannot reach its manager or its buffer fills.
"""

from collections.abc import Callable, Sequence
from time import monotonic

import structlog

from services.forwarder.analysisd import Analysisd
from services.forwarder.sink import SinkBusy, Undeliverable
from shared import agent
from shared.agent import State

#: Between two looks at the state file, which the agent writes every 5 s.
LOOK_SECONDS = 0.5
#: Fewer may be in the agent's hand between two of its counters.
SURELY_LOST = 20
#: To an agent of Wazuh 5, whose buffer has 4 MiB and says nothing of itself: all forwarders together, and at once.
BYTES_PER_SECOND = 512 * 1024
BYTES_AT_ONCE = 256 * 1024

log = structlog.get_logger()


class AgentSink:
    """Not safe between threads. `share` is the number of forwarders that send to this agent, this one included."""

    def __init__(self, socket: Analysisd, share: Callable[[], int]) -> None:
        self._socket = socket
        self._share = share
        self._state: State | None = None
        self._looked_at: float | None = None
        self._bytes = float(BYTES_AT_ONCE)
        self._bytes_at = monotonic()

    def connect(self) -> None:
        """See Sink."""
        self._socket.connect()

    def close(self) -> None:
        """See Sink."""
        self._socket.close()

    def confirm(self, *, wait: bool) -> int:
        """See Sink: what the agent has read is confirmed."""
        return self._socket.confirm(wait=wait)

    def send(self, datagrams: Sequence[bytes], start: int, limit: int) -> int:
        """Send some while the agent gets on; Undeliverable is what it, or its manager, would drop or cut. See Sink."""
        self._refuse_too_long(datagrams[start])
        self._look()
        if trouble := agent.trouble(self._socket.path, self._state):
            raise SinkBusy(trouble)
        end = min(start + limit, len(datagrams))
        if agent.is_agent_5(self._socket.path):
            end = self._afforded(datagrams, start, end)
        end = next((at for at in range(start, end) if len(datagrams[at]) > agent.MAX_DATAGRAM_BYTES), end)
        reached = self._socket.send(datagrams, start, end - start)
        self._bytes -= sum(map(len, datagrams[start:reached]))
        return reached

    @staticmethod
    def _refuse_too_long(datagram: bytes) -> None:
        if len(datagram) > agent.MAX_DATAGRAM_BYTES:
            raise Undeliverable(
                f"a datagram of {len(datagram)} bytes is too long for an agent, which drops more than "
                f"{agent.MAX_DATAGRAM_BYTES}"
            )

    def _look(self) -> None:
        """Take note of what the agent says of itself, and say what it lost, if it shows."""
        now = monotonic()
        if self._looked_at is not None and now - self._looked_at < LOOK_SECONDS:
            return
        before, self._state, self._looked_at = self._state, agent.state(self._socket.path), now
        if before is None or self._state is None:
            return
        lost = agent.lost(before, self._state)
        if lost > SURELY_LOST:
            log.error(
                "the agent lost events, ours or its own: lower wazuh.max_events_per_second, or give it a larger buffer",
                events=lost,
                agent=self._socket.path,
            )

    def _afforded(self, datagrams: Sequence[bytes], start: int, end: int) -> int:
        """Return the index up to which bytes may be sent now. Raises SinkBusy when not even one datagram's may."""
        now, rate = monotonic(), BYTES_PER_SECOND / max(1, self._share())
        self._bytes = min(self._bytes + (now - self._bytes_at) * rate, BYTES_AT_ONCE)
        self._bytes_at = now
        left = self._bytes
        for at in range(start, end):
            left -= len(datagrams[at])
            if left < 0:
                end = at
                break
        if end == start:
            raise SinkBusy(f"the agent at {self._socket.path} is given time to send on what it has")
        return end
