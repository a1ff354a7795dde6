"""Whether an embedded server runs on a data directory."""

import fcntl
import os
from pathlib import Path

import pytest

from services.supervisor.embedded import EmbeddedServer
from shared.errors import Unreachable
from shared.settings.places import running_url


def test_the_address_of_a_running_server_is_found(tmp_path: Path) -> None:
    """As `cwpipe run` leaves it; afterwards none does."""
    with EmbeddedServer(tmp_path) as url:
        assert url == running_url(tmp_path)
    assert "" == running_url(tmp_path)


def test_where_nothing_ever_ran_no_address_is_found(tmp_path: Path) -> None:
    """Nor is anything made there."""
    assert "" == running_url(tmp_path / "nothing")
    assert [] == list(tmp_path.iterdir())


def test_the_address_that_a_killed_run_left_is_none(tmp_path: Path) -> None:
    """The kernel lets go of its lock, whatever it was that killed it."""
    (tmp_path / "redis_url").write_text("unix:///somewhere")
    assert "" == running_url(tmp_path)
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    assert "" == running_url(tmp_path)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert "unix:///somewhere" == running_url(tmp_path)
    os.close(lock)


def test_looking_keeps_no_run_from_starting(tmp_path: Path) -> None:
    """The lock is only tried, and let go of at once."""
    (tmp_path / "redis_url").write_text("unix:///somewhere")
    (tmp_path / "lock").touch()
    running_url(tmp_path)
    with EmbeddedServer(tmp_path):
        pass


def test_a_directory_that_is_closed_to_us_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not "nothing runs": the right user would see something else."""

    def refused(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(Unreachable, match=f"--data-dir {tmp_path}: Permission denied: run this as the user"):
        running_url(tmp_path)
