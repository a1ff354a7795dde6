"""The receiver's statistics, asked for over its stream socket: the command `getstats`, which Wazuh has since 4.4."""

import math
import socket
import struct
from typing import Any

import msgspec

from services.forwarder.turnover import Entry, Lane, Look

#: The daemon answers in less than a millisecond, unless it loads its rules anew or its host is overloaded.
TIMEOUT_SECONDS = 2.0
#: An answer has some 5 kB.
MAX_ANSWER_BYTES = 1024 * 1024
_READ_BYTES = 64 * 1024

_LENGTH = struct.Struct("<I")
_REQUEST = msgspec.json.encode({"version": 1, "origin": {"module": "cwpipe"}, "command": "getstats", "parameters": {}})
#: Counted among the decoded events, and not from the queue `others`: these have queues of their own.
_OTHER_QUEUES = {"dbsync", "eventchannel", "rootcheck", "sca", "syscheck", "syscollector", "upgrade"}
#: Those that end in their decoders, but for some of syscheck's.
_ENDING = {"dbsync", "syscheck", "syscollector", "upgrade"}
#: What the reader puts messages into.
_FIRST_QUEUES = (
    "others",
    "hostinfo",
    "eventchannel",
    "dbsync",
    "rootcheck",
    "sca",
    "syscheck",
    "syscollector",
    "upgrade",
)
#: What is behind the first queue; one that is full holds up those before it, or drops.
_LATER_QUEUES = ("processed", "alerts", "archives")


class StatsUnavailable(Exception):
    """The receiver's statistics cannot be had now; says why."""


class _Queue(msgspec.Struct):
    size: int
    usage: float

    @property
    def depth(self) -> int:
        # `usage` is a share of size - 1 or of size, by version: reckoned by the size it is one too many at worst.
        return math.ceil(self.size * self.usage - 1e-6)

    @property
    def about(self) -> int:
        """The depth as near as it can be told: exact since 4.14, and before that in a queue less than half full."""
        return round((self.size - 1) * self.usage)

    @property
    def free(self) -> int:
        return max(0, self.size - 1 - self.depth)


class _Breakdown(msgspec.Struct):
    decoded_breakdown: dict[str, Any]
    dropped_breakdown: dict[str, Any]


class _Events(msgspec.Struct):
    processed: int
    received: int
    received_breakdown: _Breakdown


class _Credits(msgspec.Struct, frozen=True):
    available_credits: int = 1


class _Metrics(msgspec.Struct):
    events: _Events
    queues: dict[str, _Queue]
    eps: _Credits = _Credits()


class _Data(msgspec.Struct):
    uptime: int
    metrics: _Metrics


class _Answer(msgspec.Struct):
    data: _Data


def look(path: str) -> Look:
    """Ask the stream socket at `path`; blocks for TIMEOUT_SECONDS at most. Raises StatsUnavailable."""
    try:
        answer = _ask(path)
    except BlockingIOError:
        raise StatsUnavailable(f"{path} does not answer within {TIMEOUT_SECONDS:g} s") from None
    except OSError as error:
        raise StatsUnavailable(f"{path} does not answer: {error.strerror or error}") from None
    return parse(answer, path)


def parse(answer: bytes, path: str) -> Look:
    """Return what an answer says. Raises StatsUnavailable."""
    try:
        return _look(msgspec.json.decode(answer, type=_Answer).data)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StatsUnavailable(f"{path} gave an answer that cannot be read: {error}") from None


def _look(data: _Data) -> Look:
    queues, events = data.metrics.queues, data.metrics.events
    decoded, dropped = events.received_breakdown.decoded_breakdown, events.received_breakdown.dropped_breakdown
    (all_decoded, taken, going_on), (all_dropped, others_dropped, _) = _totals(decoded), _totals(dropped)
    depth = queues["others"].depth
    lanes: dict[Lane, Entry] = {
        "files": Entry(depth=depth, taken=taken, dropped=others_dropped),
        "aws": Entry(depth=depth, taken=taken, dropped=int(dropped["modules_breakdown"]["aws"])),
        "eventchannel": Entry(depth=queues["eventchannel"].depth, taken=_windows(decoded), dropped=_windows(dropped)),
    }
    waiting_first = sum(queues[name].about for name in _FIRST_QUEUES if name in queues)
    undecoded = events.received - all_decoded - all_dropped - waiting_first
    unprocessed = going_on - queues["processed"].about - events.processed
    on_the_way = [queues[name] for name in ("others", "eventchannel", *_LATER_QUEUES)]
    return Look(
        start=data.uptime,
        lanes=lanes,
        waiting=queues["processed"].depth,
        processed=events.processed,
        undecoded=undecoded,
        unprocessed=unprocessed,
        out_of_credits=data.metrics.eps.available_credits <= 0,
        free=min(queue.free for queue in on_the_way),
        usage=max(queue.usage for queue in on_the_way),
    )


def _ask(path: str) -> bytes:
    """Return the answer to one request: the daemon takes one a connection. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        # The kernel's own time limits: with Python's, each call is two.
        seconds, fraction = divmod(TIMEOUT_SECONDS, 1)
        limit = struct.pack("ll", int(seconds), int(fraction * 1e6))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        connection.connect(path)
        connection.sendall(_LENGTH.pack(len(_REQUEST)) + _REQUEST)
        return _received(connection)


def _received(connection: socket.socket) -> bytes:
    received, end = b"", _LENGTH.size
    while len(received) < end:
        piece = connection.recv(_READ_BYTES)  # nearly always all of the answer
        if not piece:
            raise OSError("the connection was closed before the answer was whole")
        received += piece
        if len(received) >= _LENGTH.size:
            size = _LENGTH.unpack_from(received)[0]
            if size > MAX_ANSWER_BYTES:
                raise OSError(f"an answer of {size} bytes")
            end = _LENGTH.size + size
    return received[_LENGTH.size : end]


def _totals(breakdown: dict[str, Any]) -> tuple[int, int, int]:
    """Return sums of the counters of a breakdown: of all, of the queue `others`, of those that do not end in their decoders."""
    every = others = going_on = 0
    for name, value in breakdown.items():
        parts = _totals(value) if isinstance(value, dict) else (value, value, value)
        every += parts[0]
        if name not in _OTHER_QUEUES:
            others += parts[1]
        if name not in _ENDING:
            going_on += parts[2]
    return every, others, going_on


def _windows(breakdown: dict[str, Any]) -> int:
    return int(breakdown["modules_breakdown"]["logcollector_breakdown"]["eventchannel"])
