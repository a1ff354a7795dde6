"""The stream socket `analysis`: one connection at a time, one request on it, as the daemon's one thread for it does."""

import contextlib
import json
import selectors
import socket
from collections.abc import Callable
from pathlib import Path

from tests.standins.analysisd_reply import Tree, framed, reply
from tests.standins.analysisd_setup import Answers

#: A longer request is an error, after which the daemon forgets to close the connection.
MAX_REQUEST_BYTES = 65_536
_BACKLOG = 128


class StatsServer:
    """Callbacks on a selector; `tick` gives late answers."""

    def __init__(self, path: Path, selector: selectors.BaseSelector, stats: Callable[[], Tree]) -> None:
        self.answers: Answers = "well"
        self.seconds = 0.0
        self.asked = 0
        """Requests that came whole."""
        self._path = path
        self._selector = selector
        self._stats = stats
        self._listener: socket.socket | None = None
        self._peer: socket.socket | None = None
        self._received = b""
        self._forgotten: list[socket.socket] = []
        self._late: tuple[float, bytes | None] | None = None
        self._paused = False

    @property
    def busy(self) -> bool:
        """Whether an answer is due later."""
        return self._late is not None

    def open(self) -> None:
        """Bind the path anew and listen."""
        if self._listener is not None:
            return
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._path))
        self._path.chmod(0o660)
        self._listener.listen(_BACKLOG)
        self._listener.settimeout(0)
        self._look()

    def close(self) -> None:
        """Close the socket and every connection, as a death does: the file stays."""
        if self._listener is None:
            return
        if self._peer is not None:
            self._drop_peer()
        self._look_away(self._listener)
        for connection in (self._listener, *self._forgotten):
            connection.close()
        self._forgotten.clear()
        self._listener = None

    def pause(self) -> None:
        """Look at nothing until `go_on`."""
        self._paused = True
        current = self._peer or self._listener
        if current is not None:
            self._look_away(current)

    def go_on(self) -> None:
        """Look again."""
        self._paused = False
        self._look()

    def tick(self, now: float) -> None:
        """Give a late answer when its time has come."""
        if self._late is None:
            return
        since, prepared = self._late
        if now - since >= self.seconds:
            self._late = None
            self._send(prepared or self._answer())

    def _look(self) -> None:
        """Wait for the rest of a request if there is a client, else for a client."""
        if self._paused:
            return
        if self._peer is not None:
            self._selector.register(self._peer, selectors.EVENT_READ, self._read)
        elif self._listener is not None:
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _look_away(self, connection: socket.socket) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(connection)

    def _accept(self, now: float) -> None:
        del now
        if self._listener is None:
            return
        try:
            self._peer, _ = self._listener.accept()
        except BlockingIOError:
            return
        self._peer.settimeout(0)
        self._received = b""
        self._look_away(self._listener)
        self._look()

    def _read(self, now: float) -> None:
        assert self._peer is not None
        if self._late is not None:
            self._notice_hang_up()
            return
        try:
            piece = self._peer.recv(MAX_REQUEST_BYTES)
        except (BlockingIOError, ConnectionError):
            piece = b""
        self._received += piece
        size = int.from_bytes(self._received[:4], "little") if len(self._received) >= 4 else None
        if not piece or size == 0:
            self._drop_peer()
        elif size is not None and size > MAX_REQUEST_BYTES:
            self._forgotten.append(self._release_peer())
        elif size is not None and len(self._received) >= 4 + size:
            self._request(self._received[4 : 4 + size], now)

    def _request(self, text: bytes, now: float) -> None:
        self.asked += 1
        problem = fault_of(text)
        if self.answers in {"late", "stale"} and not problem:
            self._late = (now, self._answer() if self.answers == "stale" else None)
        elif self.answers == "never":
            self._late = (float("inf"), None)
        else:
            self._send(problem or self._answer())

    def _answer(self) -> bytes:
        return reply(0, "ok", self._stats())

    def _send(self, answer: bytes) -> None:
        match self.answers:
            case "cut":
                answer = b""
            case "half":
                answer = answer[: len(answer) // 2]
            case "garbage":
                answer = framed(answer[4 : len(answer) // 2])
            case "error":
                answer = reply(1, "due")
            case _:
                pass
        if self._peer is not None:
            with contextlib.suppress(OSError):
                self._peer.sendall(answer)
            self._drop_peer()

    def _notice_hang_up(self) -> None:
        """Forget a client that waited long enough: here the real thread would find out when it answers."""
        assert self._peer is not None
        with contextlib.suppress(BlockingIOError, ConnectionError):
            if self._peer.recv(1):
                return
        self._drop_peer()

    def _release_peer(self) -> socket.socket:
        assert self._peer is not None
        peer, self._peer, self._late = self._peer, None, None
        self._look_away(peer)
        self._look()
        return peer

    def _drop_peer(self) -> None:
        self._release_peer().close()


def fault_of(request: bytes) -> bytes | None:
    """Return the answer to a request that is none; what follows the JSON, and the version, interest nobody."""
    text = request.partition(b"\0")[0].decode(errors="replace").lstrip()
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return reply(2, "Invalid JSON input")
    members = {name.lower(): value for name, value in found.items()} if isinstance(found, dict) else {}
    command = members.get("command")
    if not isinstance(command, str):
        return reply(3, "Empty command")
    return None if command == "getstats" else reply(4, "Unrecognized command")
