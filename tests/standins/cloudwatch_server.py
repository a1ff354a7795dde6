"""The HTTP side: connections that stay open, and connections cut on purpose."""

import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal


@dataclass(frozen=True)
class Reply:
    """What goes back, and how much of it."""

    status: int
    body: bytes
    content_type: str = "application/x-amz-json-1.1"
    request_id: str = ""
    cut: Literal["nothing", "all", "half"] = "nothing"
    """What the client never sees: the connection is closed instead."""


Respond = Callable[[Mapping[str, str], bytes], Reply]


class Server(ThreadingHTTPServer):
    """A server on a free port of this host, a thread for each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, respond: Respond) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.respond = respond
        self.crashes: list[BaseException] = []
        """Bugs of the stand-in itself: whoever stops it is told."""
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and cut every connection."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        self.cut_connections()

    def cut_connections(self) -> None:
        """Cut the connections open now, as a load balancer does to idle ones."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _shut(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note a connection before its thread starts."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection and close it."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep a bug; a client that went away is none."""
        del request, client_address
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.crashes.append(error)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server
    headers: Message

    def do_POST(self) -> None:
        """Answer one call."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._send(self.server.respond({name.lower(): value for name, value in self.headers.items()}, body))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""

    def _send(self, reply: Reply) -> None:
        if reply.cut != "all":
            head = (
                f"HTTP/1.1 {reply.status} {'OK' if reply.status == 200 else 'Error'}\r\n"
                f"Content-Type: {reply.content_type}\r\nContent-Length: {len(reply.body)}\r\n"
                f"x-amzn-RequestId: {reply.request_id}\r\n\r\n"
            ).encode()
            self.wfile.write(head)
            self.wfile.write(memoryview(reply.body)[: len(reply.body) // 2] if reply.cut == "half" else reply.body)
        if reply.cut != "nothing":
            self.close_connection = True


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
