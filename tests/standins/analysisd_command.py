"""The stand-in as a process of its own: it reads, answers, and takes orders until it is killed.

It takes orders on DIR/control, one JSON line each: {"order": "throttle", "with": {"rules": 1000}}. SIGKILL, SIGTERM and
SIGSTOP do to it what they do to the daemon.
"""

import argparse
import contextlib
import inspect
import json
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.standins.analysisd_controls import ORDERS, Controls
from tests.standins.analysisd_daemon import Daemon
from tests.standins.analysisd_setup import Setup

READY = "ready"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until killed."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    daemon = Daemon(options.directory, msgspec.json.decode(options.setup, type=Setup))
    for name, order in json.loads(options.orders):
        _do(daemon, name, order)
    daemon.start(options.started_at, options.load_seconds)
    control = _Control(options.directory / "control", daemon)
    control.open()
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    while True:
        daemon.step()


class _Control:
    """The socket that orders come on."""

    def __init__(self, path: Path, daemon: Daemon) -> None:
        self._path = path
        self._daemon = daemon
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def open(self) -> None:
        self._path.unlink(missing_ok=True)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._daemon.selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self, now: float) -> None:
        del now
        peer, _ = self._listener.accept()
        received = bytearray()

        def read(now: float) -> None:
            del now
            piece = b""
            with contextlib.suppress(ConnectionError):
                piece = peer.recv(65_536)
                received.extend(piece)
                while b"\n" in received:
                    line, _, rest = bytes(received).partition(b"\n")
                    received[:] = rest
                    peer.sendall(self._obey(line) + b"\n")
            if not piece:
                self._daemon.selector.unregister(peer)
                peer.close()

        self._daemon.selector.register(peer, selectors.EVENT_READ, read)

    def _obey(self, line: bytes) -> bytes:
        try:
            told: dict[str, Any] = json.loads(line)
            return msgspec.json.encode({"result": _do(self._daemon, told["order"], told.get("with", {}))})
        except (ValueError, KeyError, TypeError) as wrong:
            return msgspec.json.encode({"error": repr(wrong)})


def _do(daemon: Daemon, name: str, given: dict[str, Any]) -> Any:
    """Do what the method `name` of `Controls` says; what is not given has its default. Raises ValueError, TypeError."""
    if name not in ORDERS:
        raise ValueError(f"no order {name}: {', '.join(sorted(ORDERS))}")
    bound = inspect.signature(getattr(Controls, name)).bind(None, **given)
    bound.apply_defaults()
    return daemon.order(name, {name: value for name, value in bound.arguments.items() if name != "self"})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.standins.analysisd", description=__doc__)
    parser.add_argument("directory", type=Path, help="gets the sockets queue, analysis and control")
    parser.add_argument("--setup", default="{}", help="JSON: the fields of Setup")
    parser.add_argument("--orders", default="[]", help='JSON: [["throttle", {"rules": 1000}], ...]')
    parser.add_argument("--started-at", type=int, help="what uptime says; now by default")
    parser.add_argument("--load-seconds", type=float, default=0.0, help="before it reads")
    return parser
