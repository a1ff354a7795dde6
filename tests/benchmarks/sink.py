"""A receiver that only counts: python -m tests.benchmarks.sink SOCKET. Prints the count when told to end.

Beside SOCKET, in `analysis`, it answers `getstats`: what it has read counts as processed.
"""

import signal
import socket
import sys
from pathlib import Path

from services.demo import stats


class _Ended(Exception):
    pass


def _end(*_: object) -> None:
    raise _Ended


def main() -> int:
    """Count datagrams, zero-length ones left out, until SIGTERM."""
    path = Path(sys.argv[1])
    count = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(path))
        stats.serve(path.with_name("analysis"), lambda: count)
        signal.signal(signal.SIGTERM, _end)
        receive, buffer = bound.recv_into, bytearray(65_536)
        try:
            while True:
                if receive(buffer):
                    count += 1
        except _Ended:
            print(count, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
