"""Which sink a forwarder uses: what the settings ask for, as far as the receiver can give it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

import redis
import structlog

from services.forwarder import getstats
from services.forwarder.analysisd import Analysisd
from services.forwarder.pace import PacedSink
from services.forwarder.processed import ProcessedSink
from services.forwarder.senders import Senders
from services.forwarder.sink import Sink, SinkUnavailable
from shared import receiver
from shared.settings.model import Wazuh

#: A Wazuh that starts for the first time binds its stats socket some seconds after the other.
GRACE_SECONDS = 10.0

log = structlog.get_logger()


def sink(wazuh: Wazuh, client: redis.Redis) -> Sink:
    """Return the sink that the settings ask for. Does not block, connects to nothing."""
    senders = Senders(client, wazuh.queue_socket)
    if wazuh.confirm == "processed":
        chosen: Sink = BestLevel(wazuh.queue_socket, wazuh.stats_socket, senders.count)
    else:
        chosen = Analysisd(wazuh.queue_socket, wazuh.confirm)
    return PacedSink(chosen, wazuh.max_events_per_second, senders.count) if wazuh.max_events_per_second else chosen


class BestLevel:
    """Level `processed` from the moment on when there is a stats socket; until there is one, level `read`."""

    def __init__(self, queue_socket: str, stats_socket: str, share: Callable[[], int]) -> None:
        self._stats_socket = stats_socket
        self._socket = Analysisd(queue_socket, "read")
        self._processed = ProcessedSink(self._socket, lambda: getstats.look(stats_socket), share)
        self._chosen: Sink | None = None
        self._missing_since: float | None = None

    def connect(self) -> None:
        """Choose a level where none is, or a better one is to be had, and connect. Raises SinkUnavailable."""
        if self._chosen is not self._processed and self._socket.is_idle:
            self._choose()
        assert self._chosen is not None
        self._chosen.connect()

    def send(self, datagrams: Sequence[bytes], start: int, limit: int) -> int:
        """See Sink."""
        assert self._chosen is not None, "connect() comes first"
        return self._chosen.send(datagrams, start, limit)

    def confirm(self, *, wait: bool) -> int:
        """See Sink."""
        assert self._chosen is not None, "connect() comes first"
        return self._chosen.confirm(wait=wait)

    def close(self) -> None:
        """See Sink."""
        self._processed.close()

    def _choose(self) -> None:
        if receiver.has_stats(self._stats_socket):
            if self._chosen is not None:
                log.info("there is a stats socket now: events are confirmed when processed", path=self._stats_socket)
            self._chosen = self._processed
        elif self._chosen is None:
            self._wait_for_stats()
            log.warning(
                "no stats socket: events are confirmed when read, and what analysisd drops afterwards is not noticed",
                path=self._stats_socket or "not set",
            )
            self._chosen = self._socket

    def _wait_for_stats(self) -> None:
        """Raise SinkUnavailable while a stats socket may still come: where its directory is."""
        if not self._stats_socket or not Path(self._stats_socket).parent.is_dir():
            return
        now = monotonic()
        self._missing_since = self._missing_since or now
        if now - self._missing_since < GRACE_SECONDS:
            raise SinkUnavailable(f"there is no stats socket at {self._stats_socket} yet: start Wazuh, or correct it")
