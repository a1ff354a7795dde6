"""A stand-in for analysisd: binds the datagram socket, reads it as fast as it can, and counts by group what arrived.

    python -m services.demo.receiver SOCKET [--report FILE]

Every second, and when SIGTERM ends it, it leaves in FILE, as JSON, by "region group":

    counts     datagrams
    distinct   different ids among the events in JSON: only they carry one
    samples    one datagram

Beside SOCKET, in `analysis`, it answers `getstats`, as analysisd does.

With a FILE that is there it goes on counting from it; FILE.ids, beside it, are the ids it has seen, as short hashes.
"""

import argparse
import hashlib
import json
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from services.demo import stats

#: analysisd reads so much of a datagram; what is longer is cut without a word.
MAX_DATAGRAM = 65_535
#: A report, and a look for the end, at least so often.
REPORT_SECONDS = 1.0
LOOK_SECONDS = 0.2
#: So many ids are remembered, some 200 MB; those after them are not told apart any more.
MAX_IDS = 2_000_000
ID_BYTES = 8
#: `1:Wazuh-AWS|:region|:group|:stream:log`, the colons inside the location escaped by a bar.
_HEADER = re.compile(rb"1:((?:[^:|]|\|.)*):(.*)", re.DOTALL)
_EVENT_ID = re.compile(rb'"cloudwatch":\{[^{}]*"event_id":"([^"]*)"')


class Received:
    """By group: datagrams, different event ids, and one sample."""

    def __init__(self) -> None:
        self.taken = 0
        """Datagrams since this process began."""
        self.counts: dict[str, int] = {}
        self.distinct: dict[str, int] = {}
        self.samples: dict[str, str] = {}
        self.ids: set[bytes] = set()
        self.new_ids: list[bytes] = []
        """Those not yet written to a file."""

    def take(self, datagram: bytes) -> None:
        """Count one datagram; a zero-length one is a probe and counts for nothing."""
        if not datagram:
            return
        header = _HEADER.match(datagram)
        parts = header[1].split(b"|:") if header else []
        group = b" ".join(parts[1:3]).decode() if len(parts) >= 4 else "unmarked"
        self.counts[group] = self.counts.get(group, 0) + 1
        self.taken += 1
        if group not in self.samples:
            self.samples[group] = datagram.decode(errors="replace")
        if header and header[2].startswith(b"{") and (found := _EVENT_ID.search(header[2])):
            self._remember(group, found[1])

    def _remember(self, group: str, event_id: bytes) -> None:
        short = hashlib.blake2b(group.encode() + b" " + event_id, digest_size=ID_BYTES).digest()
        if short not in self.ids and len(self.ids) < MAX_IDS:
            self.ids.add(short)
            self.new_ids.append(short)
            self.distinct[group] = self.distinct.get(group, 0) + 1


class Report:
    """What was received, kept in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids_path = path.with_name(f"{path.name}.ids")
        self._written_at = 0.0

    def read(self, received: Received) -> None:
        """Have `received` go on from what an earlier process left, if there is something."""
        if self._path.exists():
            left = json.loads(self._path.read_text())
            received.counts, received.distinct, received.samples = left["counts"], left["distinct"], left["samples"]
        if self._ids_path.exists():
            ids = self._ids_path.read_bytes()
            received.ids = {ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)}

    def write(self, received: Received) -> None:
        """Put the report in place in one step, so that nobody reads half of it."""
        with self._ids_path.open("ab") as ids:
            ids.write(b"".join(received.new_ids))
        received.new_ids.clear()
        draft = self._path.with_name(f"{self._path.name}.new")
        draft.write_text(
            json.dumps({"counts": received.counts, "distinct": received.distinct, "samples": received.samples})
        )
        draft.replace(self._path)
        self._written_at = monotonic()

    def write_if_due(self, received: Received) -> None:
        """Write, unless that was done just now."""
        if monotonic() - self._written_at >= REPORT_SECONDS:
            self.write(received)


def receive(path: Path, received: Received, each_time: Callable[[Received], None] = lambda _: None) -> None:
    """Read the socket at `path` until SIGTERM or SIGINT; call `each_time` after each datagram and pause. Blocks."""
    ended = False

    def end(*_: object) -> None:
        nonlocal ended  # what has been read is counted before the loop looks at this
        ended = True

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        path.unlink(missing_ok=True)
        bound.bind(str(path))
        path.chmod(0o660)
        stats.serve(path.with_name("analysis"), lambda: received.taken)
        bound.settimeout(LOOK_SECONDS)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, end)
        while not ended:
            try:
                datagram = bound.recv(MAX_DATAGRAM)
            except TimeoutError:
                datagram = b""
            received.take(datagram)
            each_time(received)


def main() -> int:
    """Receive until told to end, and write the report."""
    parser = argparse.ArgumentParser(description="A stand-in for analysisd that counts what arrives.")
    parser.add_argument("socket", type=Path)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    received = Received()
    if arguments.report is None:
        receive(arguments.socket, received)
        return 0
    report = Report(arguments.report)
    report.read(received)
    receive(arguments.socket, received, report.write_if_due)
    report.write(received)
    return 0


if __name__ == "__main__":
    sys.exit(main())
