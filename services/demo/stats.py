"""The statistics of the demo's stand-in for analysisd: what `getstats` answers where every event is processed as it is read."""

import json
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LENGTH = struct.Struct("<I")
_QUEUES = ("others", "processed", "alerts", "archives", "eventchannel")
_MAX_REQUEST = 65_536
_TIMEOUT_SECONDS = 5.0


def serve(path: Path, processed: Callable[[], int]) -> None:
    """Answer on the stream socket at `path` from now on, in a thread that ends with the process. Does not block."""
    started = int(time.time())

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection: socket.socket = self.request
            connection.settimeout(_TIMEOUT_SECONDS)
            try:
                (size,) = _LENGTH.unpack(connection.recv(_LENGTH.size, socket.MSG_WAITALL))
                connection.recv(min(size, _MAX_REQUEST), socket.MSG_WAITALL)
                answer = json.dumps(_answer(started, processed())).encode()
                connection.sendall(_LENGTH.pack(len(answer)) + answer)
            except (OSError, struct.error):
                return  # whoever asked has gone

    path.unlink(missing_ok=True)
    server = socketserver.UnixStreamServer(str(path), Connection)
    path.chmod(0o660)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _answer(started: int, processed: int) -> dict[str, Any]:
    def breakdown(events: int) -> dict[str, Any]:
        return {"modules_breakdown": {"aws": 0, "logcollector_breakdown": {"eventchannel": 0, "others": events}}}

    events = {
        "processed": processed,
        "received": processed,
        "received_breakdown": {"decoded_breakdown": breakdown(processed), "dropped_breakdown": breakdown(0)},
    }
    queues = {name: {"size": 16_384, "usage": 0.0} for name in _QUEUES}
    metrics = {"events": events, "queues": queues}
    return {"error": 0, "message": "ok", "data": {"uptime": started, "metrics": metrics}}
