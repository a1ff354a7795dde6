"""A receiver that only counts: python -m tests.benchmarks.sink SOCKET

When told to end it prints, as JSON, the number of datagrams and the seconds from the first to the last.
Beside SOCKET, in `analysis`, it answers `getstats`: what it has read counts as processed.
"""

import json
import signal
import socket
import sys
from pathlib import Path
from time import monotonic

from services.demo import stats

#: The clock is read at every so many datagrams; what comes behind the last of these is counted and not timed.
TIMED_EVERY = 64


class _Ended(Exception):
    pass


def _end(*_: object) -> None:
    raise _Ended


def main() -> int:
    """Count datagrams, zero-length ones left out, until SIGTERM."""
    path = Path(sys.argv[1])
    count = timed = 0
    first = last = 0.0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(path))
        stats.serve(path.with_name("analysis"), lambda: count)
        signal.signal(signal.SIGTERM, _end)
        receive, buffer = bound.recv_into, bytearray(65_536)
        try:
            while True:
                if receive(buffer):
                    if not count % TIMED_EVERY:
                        timed, last = count, monotonic()
                        first = first or last
                    count += 1
        except _Ended:
            # as if all had come at the pace of those up to the last reading of the clock
            seconds = (last - first) * (count - 1) / timed if timed else 0.0
            print(json.dumps([count, seconds]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
