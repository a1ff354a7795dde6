"""Programs as a service manager keeps them: each an OS process with a log, started again when it is gone."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

from tests.system.command import PATIENCE_SECONDS, Process

#: What ended is started again after so long, as systemd does it.
RESTART_SECONDS = 0.2


class Service:
    """One program. Not started before `tend` is called, and again whenever `tend` finds it gone."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self.starts = 0
        self.exit_codes: list[int] = []
        """Of every life that is over."""
        self._command = list(command)
        self._environment = dict(environment)
        self._log = logs / f"{name}.log"
        self._popen: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0

    @property
    def process(self) -> Process | None:
        """The process, while it runs."""
        if self._popen is None or self._popen.poll() is not None:
            return None
        return Process.of(self._popen.pid)

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def tend(self) -> None:
        """Start it if it does not run and its time has come."""
        if self._popen is not None and self._popen.poll() is not None:
            self._ended()
        if self._popen is None and monotonic() >= self._not_before:
            self._start()

    def hold_back(self, seconds: float) -> None:
        """Have it not started again before so many seconds are over."""
        self._not_before = max(self._not_before, monotonic() + seconds)

    def release(self) -> None:
        """End `hold_back`."""
        self._not_before = 0.0

    def send(self, signum: signal.Signals) -> bool:
        """Send a signal; return whether there was a process to get it."""
        if self._popen is None or self._popen.poll() is not None:
            return False
        self._popen.send_signal(signum)
        return True

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int | None:
        """Wait for the end and return the exit code; None when it did not run."""
        if self._popen is None:
            return None
        code = self._popen.wait(seconds)
        self._ended()
        return code

    def close(self) -> None:
        """Kill it if it is there."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            log.write(f"---- start {self.starts}\n".encode())
            log.flush()
            self._popen = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                restore_signals=False,  # SIGXFSZ stays ignored: a file that may not grow is a full disk, no death
            )
        self.starts += 1

    def _ended(self) -> None:
        assert self._popen is not None
        self.exit_codes.append(self._popen.returncode)
        self._popen = None
        self.hold_back(RESTART_SECONDS)


def kill(process: Process, signum: signal.Signals) -> bool:
    """Send a signal to a process that may be gone; return whether it was there."""
    if not process.lives():
        return False
    try:
        os.kill(process.pid, signum)
    except ProcessLookupError:
        return False
    return True
