"""Which sink a forwarder uses: what the settings ask for, as far as the receiver can give it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

import redis
import structlog

from services.forwarder import getstats
from services.forwarder.agent import AgentSink
from services.forwarder.analysisd import Analysisd
from services.forwarder.noted import NotedSink
from services.forwarder.pace import PacedSink
from services.forwarder.processed import ProcessedSink
from services.forwarder.senders import Senders
from services.forwarder.sink import Sink, SinkUnavailable
from shared import agent, receiver
from shared.levels import Level
from shared.settings.model import Wazuh

#: A Wazuh that starts for the first time binds its stats socket some seconds after the other.
GRACE_SECONDS = 10.0

log = structlog.get_logger()


def sink(wazuh: Wazuh, client: redis.Redis) -> Sink:
    """Return the sink that the settings ask for. Does not block, connects to nothing."""
    senders = Senders(client, wazuh.queue_socket)
    socket = Analysisd(wazuh.queue_socket, "sent" if wazuh.confirm == "sent" else "read")
    to_agent: Sink = AgentSink(socket, senders.count)
    if not wazuh.max_events_per_second:
        to_agent = PacedSink(to_agent, agent.EVENTS_PER_SECOND, senders.count)
    best = BestLevel(socket, wazuh.stats_socket, senders.count, to_agent)
    fixed: dict[Level, Sink] = {"read": socket, "sent": socket, "agent": to_agent}
    chosen = fixed.get(wazuh.confirm, best)
    if wazuh.max_events_per_second:
        chosen = PacedSink(chosen, wazuh.max_events_per_second, senders.count)
    level: Level = wazuh.confirm
    return NotedSink(chosen, client, lambda: best.level if level == "processed" else level, wazuh.queue_socket)


class BestLevel:
    """Level `processed` from the moment on when there is a stats socket; until then `agent` of an agent, else `read`."""

    def __init__(self, socket: Analysisd, stats_socket: str, share: Callable[[], int], to_agent: Sink) -> None:
        self._stats_socket = stats_socket
        self._socket = socket
        self._processed = ProcessedSink(socket, lambda: getstats.look(stats_socket), share)
        self._sinks: dict[Level, Sink] = {"processed": self._processed, "agent": to_agent, "read": socket}
        self._level: Level | None = None
        self._missing_since: float | None = None

    @property
    def level(self) -> Level:
        """The level in force; connect() comes first."""
        assert self._level is not None, "connect() comes first"
        return self._level

    def connect(self) -> None:
        """Choose a level where none is, or a better one is to be had, and connect. Raises SinkUnavailable."""
        if self._level != "processed" and self._socket.is_idle:
            self._choose()
        self._sinks[self.level].connect()

    def send(self, datagrams: Sequence[bytes], start: int, limit: int) -> int:
        """See Sink."""
        return self._sinks[self.level].send(datagrams, start, limit)

    def confirm(self, *, wait: bool) -> int:
        """See Sink."""
        return self._sinks[self.level].confirm(wait=wait)

    def close(self) -> None:
        """See Sink."""
        self._processed.close()

    def _choose(self) -> None:
        if receiver.has_stats(self._stats_socket):
            if self._level is not None:
                log.info("there is a stats socket now: events are confirmed when processed", path=self._stats_socket)
            self._level = "processed"
        elif self._level != "agent" and agent.is_agent(self._socket.path):
            # It may have come after level `read` was chosen; unpaced, it would drop most of a backlog.
            log.warning(
                "no manager's socket but an agent's: events are sent at its pace, and confirmed when it has read them",
                path=self._socket.path,
            )
            self._level = "agent"
        elif self._level is None:
            self._wait_for_stats()
            log.warning(
                "no stats socket: events are confirmed when read, and what analysisd drops afterwards is not noticed",
                path=self._stats_socket or "not set",
            )
            self._level = "read"

    def _wait_for_stats(self) -> None:
        """Raise SinkUnavailable while a stats socket may still come: where its directory is."""
        if not self._stats_socket or not Path(self._stats_socket).parent.is_dir():
            return
        now = monotonic()
        self._missing_since = self._missing_since or now
        if now - self._missing_since < GRACE_SECONDS:
            raise SinkUnavailable(f"there is no stats socket at {self._stats_socket} yet: start Wazuh, or correct it")
