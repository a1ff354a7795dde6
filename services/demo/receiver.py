"""A stand-in for analysisd: binds the datagram socket, reads it as fast as it can, and counts by group what arrived.

    python -m services.demo.receiver SOCKET [--report FILE]

It ends on SIGTERM and leaves in FILE, as JSON, for each "region group": datagrams and a sample.
"""

import argparse
import json
import re
import signal
import socket
import sys
from pathlib import Path

#: analysisd reads so much of a datagram; what is longer is cut without a word.
MAX_DATAGRAM = 65_535
#: `1:Wazuh-AWS|:region|:group|:stream:log`, the colons inside the location escaped by a bar.
_HEADER = re.compile(rb"1:((?:[^:|]|\|.)*):(.*)", re.DOTALL)


class Received:
    """Counts and one sample by group."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.samples: dict[str, str] = {}

    def take(self, datagram: bytes) -> None:
        """Count one datagram; a zero-length one is a probe and counts for nothing."""
        if not datagram:
            return
        header = _HEADER.match(datagram)
        parts = header[1].split(b"|:") if header else []
        group = b" ".join(parts[1:3]).decode() if len(parts) >= 4 else "unmarked"
        self.counts[group] = self.counts.get(group, 0) + 1
        self.samples.setdefault(group, datagram.decode(errors="replace"))


class _Ended(Exception):
    pass


def receive(path: Path, received: Received) -> None:
    """Read the socket at `path` until SIGTERM or SIGINT. Blocks."""

    def end(*_: object) -> None:
        raise _Ended

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        path.unlink(missing_ok=True)
        bound.bind(str(path))
        path.chmod(0o660)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, end)
        try:
            while True:
                received.take(bound.recv(MAX_DATAGRAM))
        except _Ended:
            return


def main() -> int:
    """Receive until told to end, then write the report."""
    parser = argparse.ArgumentParser(description="A stand-in for analysisd that counts what arrives.")
    parser.add_argument("socket", type=Path)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    received = Received()
    receive(arguments.socket, received)
    if arguments.report:
        arguments.report.write_text(json.dumps({"counts": received.counts, "samples": received.samples}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
