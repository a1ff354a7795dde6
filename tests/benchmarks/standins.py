"""The stand-ins of a benchmark as processes of their own: CloudWatch, and the receiver."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from time import sleep

from msgspec import Struct

from tests.benchmarks.processes import Usage, first_line, last_words, running, usage


class Arrived(Struct):
    """What a receiver got."""

    count: int
    seconds: float
    """From the first datagram to the last; 0 if there was one at most."""

    @property
    def rate(self) -> float:
        """Datagrams a second, between the first and the last."""
        return (self.count - 1) / self.seconds if self.seconds else 0.0


class CloudWatchProcess:
    """CloudWatch at `url`."""

    def __init__(self, pid: int, url: str) -> None:
        self.pid = pid
        self.url = url


class Receiver:
    """A receiver at a socket. What it got is told once it has ended."""

    def __init__(self, process: Popen[bytes]) -> None:
        self._process = process
        self._arrived: Arrived | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def usage(self) -> Usage:
        """What it has used so far."""
        return usage(self.pid)

    def end(self) -> Arrived:
        """End it; return what it got."""
        if self._arrived is None:
            self._process.terminate()
            count, seconds = json.loads(last_words(self._process))
            self._arrived = Arrived(count, seconds)
        return self._arrived


@contextmanager
def cloudwatch(events: int, form: str, *options: str) -> Iterator[CloudWatchProcess]:
    """Have CloudWatch serve until the end of the block. Blocks until every page is made."""
    command = [sys.executable, "-m", "tests.benchmarks.cloudwatch", str(events), form, *options]
    with running(command, stdout=PIPE) as process:
        yield CloudWatchProcess(process.pid, first_line(process))


@contextmanager
def receiver(socket: Path) -> Iterator[Receiver]:
    """Have a receiver read from `socket` until the end of the block."""
    statistics = statistics_of(socket)
    statistics.unlink(missing_ok=True)
    socket.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.sink", str(socket)]
    with running(command, stdout=PIPE) as process:
        while not statistics.exists():
            assert process.poll() is None, "the receiver did not start"
            sleep(0.01)
        found = Receiver(process)
        try:
            yield found
        finally:
            found.end()


def statistics_of(socket: Path) -> Path:
    """Return where the receiver at `socket` answers `getstats`."""
    return socket.with_name("analysis")
