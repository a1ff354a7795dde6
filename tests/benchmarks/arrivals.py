"""A receiver that notes when each numbered event first arrived. It answers `getstats`: what it read is processed."""

import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from services.demo import stats
from tests.benchmarks.standins import statistics_of

_MARK = b":event "
_DIGITS = 12


class Arrivals:
    """Reads from a socket, in a thread, while the block lasts."""

    def __init__(self, path: Path) -> None:
        self.at: dict[int, float] = {}
        """Seconds since 1970, by the number of the event."""
        self._path = path
        self._count = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> Self:
        self._socket.bind(str(self._path))
        stats.serve(statistics_of(self._path), lambda: self._count)
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def wait_for(self, events: int, seconds: float) -> None:
        """Return once so many events have arrived; fail when they do not within `seconds`. Blocks."""
        deadline = time.monotonic() + seconds
        while len(self.at) < events:
            assert time.monotonic() < deadline, f"{len(self.at)} of {events} events arrived within {seconds} s"
            time.sleep(0.05)

    def _read(self) -> None:
        receive, clock = self._socket.recv, time.time
        try:
            while True:
                datagram = receive(65_536)
                if datagram:
                    self._count += 1
                    begin = datagram.find(_MARK) + len(_MARK)
                    self.at.setdefault(int(datagram[begin : begin + _DIGITS]), clock())
        except OSError:
            return  # closed
