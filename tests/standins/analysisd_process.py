"""A stand-in of analysisd in a process of its own, which can be killed with kill -9."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from tests.standins.analysisd_command import READY
from tests.standins.analysisd_controls import Controls
from tests.standins.analysisd_ledger import Journaled, read_journal
from tests.standins.analysisd_setup import Setup

_ROOT = Path(__file__).parents[2]
_ORDER_SECONDS = 30
#: They concern the process that lives.
_PASSING = {"burst", "stats", "summary", "stop_reading", "read_again"}


class AnalysisdProcess(Controls):
    """`kill` is SIGKILL and `freeze` SIGSTOP. What is to outlive a kill is in the journal; a summary is of one life."""

    def __init__(self, directory: Path, setup: Setup | None = None) -> None:
        setup = setup or Setup(keep=False)
        self.journal_path = Path(setup.journal or directory / "journal")
        self._directory = directory
        self._setup = msgspec.structs.replace(setup, journal=str(self.journal_path))
        self._process: subprocess.Popen[str] | None = None
        self._control: socket.socket | None = None
        self._standing: dict[str, tuple[str, dict[str, Any]]] = {}
        self._started_at = 0

    @property
    def pid(self) -> int:
        """The process, for whoever wants to do worse to it."""
        assert self._process is not None
        return self._process.pid

    @property
    def journal(self) -> Journaled:
        """What was processed and what was dropped, over all lives: by id, or by digest."""
        return read_journal(self.journal_path) if self.journal_path.exists() else Journaled()

    def start(self, started_at: int | None = None, load_seconds: float = 0.0) -> None:
        """Start a process, with the orders given so far."""
        if self._process is not None:
            return
        self._started_at = max(int(time.time()), self._started_at + 1) if started_at is None else started_at
        self._process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "tests.standins.analysisd", str(self._directory)),
                *("--setup", msgspec.json.encode(self._setup).decode()),
                *("--orders", json.dumps(list(self._standing.values()))),
                *("--started-at", str(self._started_at)),
                *("--load-seconds", str(load_seconds)),
            ],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != READY:
            self.kill()
            raise RuntimeError("the stand-in did not start: see its standard error")
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._control.settimeout(_ORDER_SECONDS)
        self._control.connect(str(self._directory / "control"))

    def kill(self) -> None:
        """Send SIGKILL."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM: the daemon too ends at once."""
        self._end(signal.SIGTERM)

    def restart(self, started_at: int | None = None, load_seconds: float = 0.0) -> None:
        """Kill and start."""
        self.kill()
        self.start(started_at, load_seconds)

    def freeze(self) -> None:
        """Send SIGSTOP; return when it is stopped."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """Send SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End the process."""
        self.kill()

    def _end(self, signum: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signum)
        if signum is not signal.SIGKILL:
            process.send_signal(signal.SIGCONT)
        process.wait(_ORDER_SECONDS)
        assert process.stdout is not None
        process.stdout.close()
        if self._control is not None:
            self._control.close()
            self._control = None

    def _order(self, name: str, **arguments: Any) -> Any:
        if name not in _PASSING:
            self._remember(name, arguments)
        if self._control is None:
            if name in _PASSING:
                raise RuntimeError(f"{name}: the stand-in does not run")
            return None
        self._control.sendall(json.dumps({"order": name, "with": arguments}).encode() + b"\n")
        with self._control.makefile("rb") as lines:
            answer = json.loads(lines.readline() or b'{"error": "it died"}')
        if "error" in answer:
            raise RuntimeError(f"{name}: {answer['error']}")
        return answer["result"]

    def _remember(self, name: str, arguments: dict[str, Any]) -> None:
        """Keep the last order of each kind for the next start; every one of `background`, one of `dawdle` by place."""
        if name == "end_background":
            self._standing = {key: order for key, order in self._standing.items() if order[0] != "background"}
            return
        key = {"background": f"background {len(self._standing)}", "dawdle": f"dawdle {arguments.get('place')}"}
        self._standing[key.get(name, name)] = (name, arguments)
