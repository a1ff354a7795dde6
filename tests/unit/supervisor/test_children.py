"""Roles as processes: started again with a back-off, stopped in time, never outliving their parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import monotonic

import pytest

from services.supervisor import children
from services.supervisor.children import Child, role_command
from tests.eventually import eventually

#: How often the supervisor looks after its children.
TICK_SECONDS = 0.05


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Ended:
    """A process that ends with `code` after so many seconds of the clock."""

    def __init__(self, clock: Clock, code: int, lives_seconds: float) -> None:
        self._clock, self._ends_at = clock, clock() + lives_seconds
        self.returncode = code

    def poll(self) -> int | None:
        return self.returncode if self._clock() >= self._ends_at else None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(children, "monotonic", clock)
    return clock


def starts(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, seconds: float, lives: Callable[[int], float], *, code: int = 1
) -> list[float]:
    """Tend a child for so many seconds; return when it was started. Its n-th life lasts `lives(n)` seconds."""
    began, seen = clock(), []

    def start(*_: object, **__: object) -> Ended:
        seen.append(round(clock() - began, 2))
        return Ended(clock, code, lives(len(seen)))

    monkeypatch.setattr(subprocess, "Popen", start)
    child = Child("role", ["role"], {})
    while clock() - began < seconds:
        child.tend()
        clock.now += TICK_SECONDS
    return seen


def gaps(times: list[float]) -> list[float]:
    return [round(later - earlier, 1) for earlier, later in pairwise(times)]


def test_a_child_that_ends_at_once_is_started_with_growing_delays_of_two_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """The first time at once: most deaths are accidents. For ever: somebody may free the port or mend the file."""
    assert [0.1, 0.6, 1.1, 2.1, 2.1, 2.1] == gaps(starts(monkeypatch, clock, 10, lambda _: TICK_SECONDS))


def test_a_day_of_failures_does_not_end_the_supervisor(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """The delay stays at its bound, however long the row of failures: 2 to the power of 1,100 is no float."""
    assert 1_100 < len(starts(monkeypatch, clock, 2_400, lambda _: 0.0))


def test_a_child_that_lived_a_while_starts_with_no_delay_again(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """What it died of now is another thing than what it died of an hour ago."""
    lives = {4: 60.0}
    assert [0.1, 0.6, 1.1, 60.0, 0.6] == gaps(
        starts(monkeypatch, clock, 63, lambda number: lives.get(number, TICK_SECONDS))
    )


@pytest.mark.parametrize("code", [0, 2, 3, 4])
def test_a_finite_child_is_done_with_a_documented_exit_code(code: int) -> None:
    """`fetcher --once` has read all there is, or has said why it could not."""
    child = Child("fetcher", ["sh", "-c", f"exit {code}"], {}, finite=True)
    eventually(partial(_is_done, child))
    assert (code, None) == (child.exit_code, child.pid)


def test_a_finite_child_that_crashed_is_started_again(tmp_path: Path) -> None:
    """A crash or a kill is no end of the work."""
    crash_once = f"test -e {tmp_path}/again && exit 0; touch {tmp_path}/again; kill -9 $$"
    child = Child("fetcher", ["sh", "-c", crash_once], {}, finite=True)
    eventually(partial(_is_done, child))
    assert 0 == child.exit_code


def test_a_child_is_in_a_session_of_its_own() -> None:
    """Ctrl-C is for the supervisor, which stops its children in their order."""
    child = Child("role", ["sleep", "60"], {"PATH": os.defpath})
    child.tend()
    assert child.pid is not None
    assert child.pid == os.getsid(child.pid)
    child.signal(signal.SIGTERM)
    child.wait(monotonic() + 10)


def test_a_child_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    """What it held is handed out again; a supervisor that hangs would be killed itself, by systemd."""
    deaf = f"trap '' TERM; touch {tmp_path}/deaf; while :; do sleep 60; done"
    child = Child("role", ["sh", "-c", deaf], {"PATH": os.defpath})
    child.tend()
    eventually((tmp_path / "deaf").exists)
    pid = child.pid
    child.signal(signal.SIGTERM)
    child.wait(monotonic() + 0.2)
    assert not Path(f"/proc/{pid}").exists()


def test_a_child_dies_with_its_parent_however_that_dies(tmp_path: Path) -> None:
    """After a kill -9 of the supervisor nothing of it works on."""
    program = (
        "import time, sys; from pathlib import Path; from services.supervisor.children import Child\n"
        "child = Child('role', ['sleep', '600'], {}); child.tend()\n"
        f"place = Path({str(tmp_path)!r}); (place / 'new').write_text(str(child.pid)); (place / 'new').rename(place / 'pid')\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as parent:
        eventually((tmp_path / "pid").exists)
        pid = int((tmp_path / "pid").read_text())
        parent.kill()
    eventually(lambda: not _lives(pid))


def test_a_role_is_this_program_whatever_lies_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many projects have a directory `services`; one that anybody may write to could hold anything."""
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").write_text("raise SystemExit(99)")
    monkeypatch.chdir(tmp_path)
    assert 0 == subprocess.run([*role_command("forwarder"), "--help"], capture_output=True, check=False).returncode


def _is_done(child: Child) -> bool:
    child.tend()
    return child.exit_code is not None


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
