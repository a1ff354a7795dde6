"""A Wazuh agent of version 4.14.7 as far as a sender on its host meets it, and what its manager makes of what it sends.

By its source: the reader takes everything off the socket at once; an event ends at its first NUL; what finds the buffer
full is dropped without a word; the buffer is emptied at events_per_second, and not while `.wait` is there; an event of
more than 65,408 bytes is dropped when it is sent. An agent without a connection does not read. The manager puts
`[id] (name) ip->` before the location, cuts at 65,535 bytes, and drops a location that begins `keepalive`.
"""

import contextlib
import select
import socket
import threading
from collections import deque
from pathlib import Path
from time import monotonic, sleep

PREFIX = b"[001] (web-1) any->"
MAX_SENT = 65_536 - 128
MAX_KEPT_BY_MANAGER = 65_535

_STATE = """# State file for wazuh-agentd

# Agent status:
# - pending:      waiting to get connected.
status='{status}'

# Last time a keepalive was sent
last_keepalive='2026-01-01 00:00:00'

# Number of generated events
msg_count='{read}'

# Number of messages (events + control messages) sent to the manager
msg_sent='{sent}'

# Number of events currently buffered
# Empty if anti-flooding mechanism is disabled
msg_buffer='{buffered}'
"""


class Agent:
    """At work from `with` to its end, in `directory` as in /var/ossec."""

    def __init__(
        self, directory: Path, *, queue_size: int = 5_000, events_per_second: int = 500, state_seconds: float = 5.0
    ) -> None:
        self.path = directory / "queue" / "sockets" / "queue"
        self.state_path = directory / "var" / "run" / "wazuh-agentd.state"
        self.dropped = 0
        """Events that found the buffer full, or were too long to be sent."""
        self.fullest = 0
        """The most events that were in the buffer at once."""
        self.arrived: list[bytes] = []
        """What the manager's analysisd reads."""
        self._queue_size = queue_size
        self._interval = 1 / events_per_second
        self._state_seconds = state_seconds
        self._wait = self.path.with_name(".wait")
        self._buffer: deque[bytes] = deque()
        self._read = self._sent = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._connected = threading.Event()
        self._sending = threading.Event()
        self._threads = [
            threading.Thread(target=target, daemon=True)
            for target in (self._forward, self._dispatch, self._keep_writing_state)
        ]

    def __enter__(self) -> "Agent":
        for directory in (self.path.parent, self.state_path.parent):
            directory.mkdir(parents=True, exist_ok=True)
        self._bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path.unlink(missing_ok=True)
        self._bound.bind(str(self.path))
        self._sending.set()
        self.reconnect()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._connected.set()
        self._sending.set()
        for thread in self._threads:
            thread.join()
        self._bound.close()

    def disconnect(self) -> None:
        """Lose the manager, and notice."""
        self._connected.clear()
        self._wait.touch()
        self._write_state()

    def reconnect(self) -> None:
        """Find it again."""
        self._wait.unlink(missing_ok=True)
        self._connected.set()
        self._write_state()

    def stall(self) -> None:
        """Have the manager take nothing more, while the connection holds: the reader reads on."""
        self._sending.clear()

    def go_on(self) -> None:
        """Have the manager take events again."""
        self._sending.set()

    def collect(self, events: int) -> None:
        """Have modules of the agent's own collect so many events, at once."""
        for _ in range(events):
            self._append(b"1:/var/log/own:an event of its own")

    def ours(self) -> list[bytes]:
        """Return what arrived of other senders than the agent's own modules, as it was sent: without the prefix."""
        lines = [line.replace(PREFIX, b"", 1) for line in list(self.arrived)]
        return [line for line in lines if b"/var/log/own" not in line]

    def _forward(self) -> None:
        while not self._ended.is_set():
            if not self._connected.wait(0.05) or not select.select([self._bound], [], [], 0.05)[0]:
                continue
            with contextlib.suppress(BlockingIOError):
                while self._connected.is_set() and (event := self._bound.recv(65_536, socket.MSG_DONTWAIT)):
                    self._append(event.partition(b"\0")[0])

    def _append(self, event: bytes) -> None:
        with self._lock:
            self._read += 1
            if len(self._buffer) >= self._queue_size:
                self.dropped += 1
                return
            self._buffer.append(event)
            self.fullest = max(self.fullest, len(self._buffer))

    def _dispatch(self) -> None:
        due = monotonic()
        while not self._ended.is_set():
            if not self._buffer or self._wait.exists() or not self._sending.is_set():
                sleep(0.001)
                due = monotonic()
                continue
            with self._lock:
                event = self._buffer.popleft()
                self._send(event)
            due += self._interval
            sleep(max(0.0, due - monotonic()))

    def _send(self, event: bytes) -> None:
        if not 1 <= len(event) <= MAX_SENT:
            self.dropped += 1
            return
        self._sent += 1
        if event[1:2] == b":" and not event[2:].startswith(b"keepalive"):
            self.arrived.append((event[:2] + PREFIX + event[2:])[:MAX_KEPT_BY_MANAGER])

    def _keep_writing_state(self) -> None:
        while not self._ended.wait(self._state_seconds):
            self._write_state()

    def _write_state(self) -> None:
        with self._lock:
            text = _STATE.format(
                status="connected" if self._connected.is_set() else "pending",
                read=self._read,
                sent=self._sent,
                buffered=len(self._buffer),
            )
            fresh = self.state_path.with_suffix(".temp")
            fresh.write_text(text)
            fresh.rename(self.state_path)
