"""A network between the roles and Redis that misbehaves: it holds everything back, or cuts connections in a reply."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from types import TracebackType

_TICK_SECONDS = 0.02
_PIECE_BYTES = 65_536


class Proxy:
    """Passes bytes on between whoever connects to `port` and a server on another port of this host."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.cuts = 0
        """How many replies are still to be cut short."""
        self.was_cut = 0
        self._held_until = 0.0
        self._selector = selectors.DefaultSelector()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Proxy":
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        for one in [*self._peers, self._listener]:
            one.close()
        self._selector.close()

    def hold(self, seconds: float) -> None:
        """Pass nothing on for so long, and then all of it, also to a server whose client has given up: as TCP does."""
        self._held_until = monotonic() + seconds

    def _run(self) -> None:
        while not self._ended.is_set():
            if monotonic() < self._held_until:
                sleep(_TICK_SECONDS)
                continue
            for key, _ in self._selector.select(_TICK_SECONDS):
                one = key.fileobj
                assert isinstance(one, socket.socket)
                if one is self._listener:
                    self._accept()
                elif one in self._peers:
                    self._pass_on(one)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            client.close()
            return
        self._clients.add(client)
        for one, other in ((client, server), (server, client)):
            one.settimeout(5)
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, one: socket.socket) -> None:
        other = self._peers[one]
        with self._closed_on_error(one):
            piece = one.recv(_PIECE_BYTES)
            if not piece:
                raise ConnectionResetError
            if self.cuts and one not in self._clients and len(piece) > 1:
                self.cuts -= 1
                self.was_cut += 1
                other.sendall(piece[: len(piece) // 2])
                raise ConnectionResetError
            other.sendall(piece)

    @contextmanager
    def _closed_on_error(self, one: socket.socket) -> Iterator[None]:
        try:
            yield
        except OSError:
            for end in (one, self._peers[one]):
                self._selector.unregister(end)
                self._peers.pop(end)
                self._clients.discard(end)
                end.close()
