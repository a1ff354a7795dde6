"""The server: waitress, one process with a few threads, and a sign of life for whoever watches it.

waitress reads requests and writes answers by itself, so that a slow client holds none of the threads that do the work;
it forks nothing, keeps no files, and needs no other package.
"""

import http.client
import signal
import socket
import threading
from typing import TYPE_CHECKING

import structlog
import waitress

from shared.errors import Unreachable
from shared.liveness import Liveness

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 4
#: A request has no body: rq-dashboard puts all into the path.
MAX_BODY_BYTES = 4096
MAX_HEADER_BYTES = 16 * 1024
IDLE_SECONDS = 60
PULSE_SECONDS = 10.0
#: A page may have to wait for Redis.
ANSWER_SECONDS = 30.0

log = structlog.get_logger()


def listen(address: str) -> socket.socket:
    """Return a socket that listens on `address`, host:port. Raises Unreachable when it cannot."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        return socket.create_server(
            (host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Unreachable(f"dashboard.address = {address}: {reason}: choose another") from None


def end_on_signals() -> None:
    """Have SIGTERM and SIGINT end this process with exit code 0, through whatever has to be closed."""

    def end(*_: object) -> None:
        raise SystemExit(0)

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, end)


def serve(app: "WSGIApplication", listening: socket.socket, liveness: Liveness) -> None:
    """Answer on `listening` until this process is told to end. Blocks."""
    server = waitress.create_server(
        app,
        sockets=[listening],
        threads=THREADS,
        ident="cwpipe",
        max_request_body_size=MAX_BODY_BYTES,
        max_request_header_size=MAX_HEADER_BYTES,
        channel_timeout=IDLE_SECONDS,
        clear_untrusted_proxy_headers=True,
    )
    stopped = threading.Event()
    threading.Thread(target=_live, args=(listening.getsockname(), liveness, stopped), daemon=True).start()
    try:
        server.run()
    finally:
        stopped.set()
        server.close()


def _live(address: tuple[str, int], liveness: Liveness, stopped: threading.Event) -> None:
    """Touch the file of life for as long as the server answers: what is asked for needs no password and is refused."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0])  # noqa: S104 - where it listens already
    while True:
        connection = http.client.HTTPConnection(host, address[1], timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
            liveness.touch()
        except OSError as error:
            log.warning("the dashboard does not answer itself", error=str(error))
        finally:
            connection.close()
        if stopped.wait(PULSE_SECONDS):
            return
