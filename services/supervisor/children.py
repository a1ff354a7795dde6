"""The roles as child processes: started again when they die, stopped in order, and never outliving their parent."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from time import monotonic

import structlog

#: A child that died is started again at once, then after 0.5, 1, 2, 2, ... seconds.
LONGEST_BACKOFF_SECONDS = 2.0
#: A child that lived so long died of something new: its back-off begins anew.
SETTLED_SECONDS = 10.0
#: Longer than a forwarder takes to have its last window confirmed.
STOP_SECONDS = 20.0

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl

log = structlog.get_logger()


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel send SIGTERM to this process when its parent dies, however it dies.

    For use between fork and exec, where nothing may be called that takes a lock: the thread of a progress bar, which is
    not in the child, may have held it.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent_pid:  # the parent died before the kernel knew whom to watch
        os._exit(1)


class Child:
    """One role as a process. `finite`: it ends by itself when its work is done, with an exit code that counts."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        finite: bool = False,
        stderr: int | None = None,
    ) -> None:
        self.name = name
        self.exit_code: int | None = None
        """The exit code of a finite child that is done."""
        self._command = command
        self._environment = dict(environment)
        self._finite = finite
        self._stderr = stderr
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._failures = 0
        self._start_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    def tend(self) -> None:
        """Start the process if it should run and does not. Call often; never blocks."""
        if self._process is not None and self._process.poll() is not None:
            self._ended(self._process.returncode)
        if self._process is None and self.exit_code is None and monotonic() >= self._start_at:
            self._start()

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal, if the process runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signum)

    def wait(self, deadline: float) -> None:
        """Wait for the end until `deadline` (monotonic seconds), then kill: what it held is handed out again."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("a role does not stop, killing it", child=self.name)
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=self._stderr,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the roles in their order
            preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509 - see die_with_parent
        )
        self._started_at = monotonic()

    def _ended(self, code: int) -> None:
        self._process = None
        if self._finite and code in (0, 2, 3, 4):
            self.exit_code = code
            return
        if monotonic() - self._started_at > SETTLED_SECONDS:
            self._failures = 0
        # The exponent is bounded too: 2 to the number of a day's failures is no float.
        delay = min(LONGEST_BACKOFF_SECONDS, 0.25 * 2 ** min(self._failures, 10)) if self._failures else 0.0
        self._failures += 1
        self._start_at = monotonic() + delay
        log.warning("a role ended, starting it again", child=self.name, exit_code=code, in_seconds=delay)


def role_command(role: str, *arguments: str) -> list[str]:
    """Return the command line of a role: this very program, by this very interpreter, whatever lies in the directory."""
    return [sys.executable, "-P", "-m", "services", role, *arguments]
