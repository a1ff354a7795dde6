"""`cwpipe` as somebody runs it from a shell: its output, its exit code, and the processes it starts."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any

CWPIPE = str(Path(sys.executable).with_name("cwpipe"))
#: A loaded machine is slow; nothing here is about speed.
PATIENCE_SECONDS = 60.0
_OURS = ("AWS_", "CWPIPE_", "REDIS_")


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    exit_code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that a terminal would have shown."""
        return self.out + self.err


class Running:
    """A `cwpipe` that was started, its output in files."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process = process
        self._out, self._err = out, err

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._err.read_text()

    def end(self, signum: signal.Signals = signal.SIGTERM) -> Done:
        """Send a signal and wait for the end."""
        self.process.send_signal(signum)
        return self.wait()

    def wait(self) -> Done:
        """Wait for the end."""
        exit_code = self.process.wait(PATIENCE_SECONDS)
        return Done(exit_code, self._out.read_text(), self._err.read_text())


@dataclass
class Shell:
    """Runs commands in a directory of its own, with an environment of its own. `with` ends what still runs."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    _running: list[Running] = field(default_factory=list)

    def run(self, *arguments: str | Path, env: Mapping[str, str] | None = None, **options: Any) -> Done:
        """Run a command to its end."""
        return self.start(*arguments, env=env, **options).wait()

    def start(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = (CWPIPE,),
        **options: Any,
    ) -> Running:
        """Start a command and return at once."""
        number = len(self._running)
        out, err = self.directory / f"out-{number}", self.directory / f"err-{number}"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [*program, *map(str, arguments)],
                cwd=self.directory,
                env=self.environment | dict(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                **options,
            )
        running = Running(process, out, err)
        self._running.append(running)
        return running

    def __enter__(self) -> "Shell":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what still runs, and then whatever it left running."""
        for running in self._running:
            if running.process.poll() is None:
                left = descendants(running.pid)
                running.process.terminate()
                try:
                    running.process.wait(PATIENCE_SECONDS / 2)
                except subprocess.TimeoutExpired:
                    running.process.kill()
                    running.process.wait()
                for process in left:
                    process.kill()


def clean_environment(home: Path, bytecode: Path) -> dict[str, str]:
    """Return our environment without any account, settings or state of this machine, but with made-up credentials."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}  # noqa: TID251 - handed on
    environment |= {
        "AWS_ACCESS_KEY_ID": "AKIDSYSTEMTEST",
        "AWS_SECRET_ACCESS_KEY": "made-up-secret-key",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "aws-credentials"),
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "NO_PROXY": "127.0.0.1",
    }
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
        environment["PYTHONPYCACHEPREFIX"] = str(bytecode)  # to compile everything at each start takes seconds
    return environment


@dataclass(frozen=True)
class Process:
    """A process, told from a later one with its number by its start."""

    pid: int
    started: str
    command: tuple[str, ...]

    def lives(self) -> bool:
        """Tell whether it is there and no zombie."""
        found = _stat(self.pid)
        return found is not None and found[0] not in "ZX" and found[2] == self.started

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Return the process with this number."""
        stat = _stat(pid)
        assert stat is not None, f"there is no process {pid}"
        return cls(pid, stat[2], tuple(Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")))

    def stop(self) -> None:
        """Have it stand still: only a kill ends that."""
        os.kill(self.pid, signal.SIGSTOP)

    def kill(self) -> None:
        """Kill it, if it is there."""
        if self.lives():
            os.kill(self.pid, signal.SIGKILL)


def children(pid: int) -> list[Process]:
    """Return the processes that `pid` started and that are there."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        stat = _stat(int(path.name))
        if stat is not None and stat[1] == pid:
            with suppress(OSError, AssertionError):  # it may end while we look
                found.append(Process.of(int(path.name)))
    return found


def descendants(pid: int) -> list[Process]:
    """Return the children of `pid`, theirs, and so on."""
    found = children(pid)
    for child in list(found):
        found += descendants(child.pid)
    return found


def child(pid: int, role: str) -> Process:
    """Return the child of `pid` that is a role, or the valkey-server; wait for it to appear."""
    word = re.compile(rf"(^|/){role}( |$)")
    deadline = monotonic() + PATIENCE_SECONDS
    while True:
        for process in children(pid):
            if any(word.search(argument) for argument in process.command):
                return process
        assert monotonic() < deadline, f"no {role} among the children"
        sleep(0.01)


def catches_sigterm(pid: int) -> bool:
    """Tell whether the process has a handler of its own for SIGTERM."""
    caught = Path(f"/proc/{pid}/status").read_text().partition("SigCgt:")[2].split()[0]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def _stat(pid: int) -> tuple[str, int, str] | None:
    """Return state, parent and start time, or None when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), fields[19]
