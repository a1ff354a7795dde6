"""Signs of life, and how a container's health check reads them."""

import os
import socket
import time
from pathlib import Path

import pytest

from shared import liveness
from shared.aws.sessions import _CONFIG as CONFIG_OF_CALLS
from shared.errors import SettingsError, Unreachable
from shared.liveness import STUCK_SECONDS, TOUCH_SECONDS, Liveness, check


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a role leaves its signs of life; there is none yet."""
    return tmp_path / "alive"


def age(file: Path, seconds: float) -> None:
    """Make the last sign of life so old."""
    then = time.time() - seconds
    os.utime(file, (then, then))


def test_a_fresh_sign_of_life_is_good(file: Path) -> None:
    """Until the role is taken to be stuck."""
    Liveness(str(file)).touch()
    check(str(file))
    age(file, STUCK_SECONDS - 5)
    check(str(file))


def test_an_old_one_is_a_stuck_role_however_alive_its_process(file: Path) -> None:
    """The message says how old: it stands in `docker inspect`."""
    file.touch()
    age(file, STUCK_SECONDS + 5)
    with pytest.raises(Unreachable, match=r"85 s old: the role is stuck") as raised:
        check(str(file))
    assert 3 == raised.value.exit_code


def test_none_at_all_is_no_life(file: Path) -> None:
    """A role that has not come as far as its work, and a health check without a role."""
    with pytest.raises(Unreachable, match=r"no sign of life at .*alive: No such file"):
        check(str(file))
    with pytest.raises(SettingsError, match="alive_file is not set"):
        check("")


def test_a_busy_role_does_not_touch_its_file_all_the_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called between any two pieces of work."""
    now = 1_000.0
    monkeypatch.setattr(liveness, "monotonic", lambda: now)
    alive = Liveness(str(file))
    alive.touch()
    age(file, 100)
    alive.touch()
    assert 99 < time.time() - file.stat().st_mtime
    now += TOUCH_SECONDS
    alive.touch()
    assert 1 > time.time() - file.stat().st_mtime


def test_without_a_file_nothing_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under `cwpipe run`, which sees for itself whether its children live."""
    monkeypatch.chdir(tmp_path)
    Liveness("").touch()
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["{}/notify", "@{}"], ids=["path", "abstract"])
def test_systemd_is_told_where_it_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """With a file or without one; its socket may have an abstract name."""
    name = address.format(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name.replace("@", "\0"))
        systemd.settimeout(0)
        Liveness("").touch()
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
        monkeypatch.setenv("WATCHDOG_USEC", "100000000")
        monkeypatch.setenv("WATCHDOG_PID", "1")
        Liveness("").touch()
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        Liveness("").touch()
        assert b"WATCHDOG=1" == systemd.recv(100)


def test_a_systemd_that_is_gone_ends_no_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sign of life that it missed is followed by others."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    monkeypatch.setenv("WATCHDOG_USEC", "100000000")
    Liveness("").touch()


def test_a_directory_that_is_gone_ends_no_role(tmp_path: Path) -> None:
    """The work matters more than the sign of it; whoever looks will find none."""
    Liveness(str(tmp_path / "gone" / "alive")).touch()


def test_no_step_of_the_work_takes_as_long_as_a_stuck_role() -> None:
    """The longest is one call to AWS: to connect, and to be answered."""
    longest = CONFIG_OF_CALLS.connect_timeout + CONFIG_OF_CALLS.read_timeout  # type: ignore[attr-defined]

    assert longest + TOUCH_SECONDS < STUCK_SECONDS
