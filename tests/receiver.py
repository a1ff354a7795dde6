"""A stand-in for analysisd in the test's own process: binds the socket, keeps what arrives, and can misbehave."""

import socket
import threading
from pathlib import Path
from types import TracebackType


class Receiver:
    """Reads a UNIX datagram socket on a thread of its own. `pause` stops the reading, `restart` binds it anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.datagrams: list[bytes] = []
        """Everything read, zero-length probes left out, in the order of arrival."""
        self.probes = 0
        self._reading = threading.Event()
        self._reading.set()
        self._ended = threading.Event()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Receiver":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Bind the path, taking the place of a socket file that is there, and read."""
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(0.05)
        self._ended.clear()
        self._thread = threading.Thread(target=self._read, args=(self._socket,), daemon=True)
        self._thread.start()

    def stop(self, *, unlink: bool = True) -> None:
        """Stop reading and close: what is in the kernel's queue is lost, as when the daemon dies."""
        self._ended.set()
        self._reading.set()
        if self._thread is not None:
            self._thread.join()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if unlink:
            self.path.unlink(missing_ok=True)

    def pause(self) -> None:
        """Read nothing until `resume`: the kernel's queue fills."""
        self._reading.clear()

    def resume(self) -> None:
        """Read again."""
        self._reading.set()

    def _read(self, bound: socket.socket) -> None:
        while not self._ended.is_set():
            if not self._reading.wait(0.05):
                continue
            try:
                datagram = bound.recv(65_535)
            except TimeoutError:
                continue
            if datagram:
                self.datagrams.append(datagram)
            else:
                self.probes += 1
