"""`cwpipe passwords`: made once, kept ever after."""

import re
import stat
import subprocess
from pathlib import Path

import pytest

from services.operator.passwords import make
from shared.errors import SettingsError

NAMES = ("redis-password", "dashboard-password")


def test_missing_passwords_are_made_and_differ(tmp_path: Path) -> None:
    """Of 24 random bytes each, in a line of its own."""
    make(tmp_path / "new")
    texts = {(tmp_path / "new" / name).read_text() for name in NAMES}

    assert 2 == len(texts)
    assert all(re.fullmatch(r"[\w-]{32}\n", text) for text in texts)


def test_redis_reads_the_same_password(tmp_path: Path) -> None:
    """From a file: the arguments of a process are for all to see."""
    make(tmp_path)

    assert (
        f'requirepass "{(tmp_path / "redis-password").read_text().strip()}"\n' == (tmp_path / "redis.conf").read_text()
    )


def test_what_is_there_stays(tmp_path: Path) -> None:
    """Redis keeps its data from one start to the next, and the roles their connections."""
    make(tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    make(tmp_path)

    assert before == {path.name: path.read_text() for path in tmp_path.iterdir()}


def test_a_password_of_your_own_reaches_redis_as_it_is(tmp_path: Path) -> None:
    """Quotes and backslashes have a meaning in redis.conf."""
    (tmp_path / "redis-password").write_text('a "b\\ #c\n')
    make(tmp_path)

    assert 'requirepass "a \\"b\\\\ #c"\n' == (tmp_path / "redis.conf").read_text()


def test_an_empty_file_is_no_password(tmp_path: Path) -> None:
    """Redis would let everybody in, or not start."""
    for name in NAMES:
        (tmp_path / name).write_text("\n")
    make(tmp_path)

    assert [32, 32] == [len((tmp_path / name).read_text().strip()) for name in NAMES]


def test_only_owner_and_group_may_read_them(tmp_path: Path) -> None:
    """Redis is another user, of the same group."""
    make(tmp_path)

    assert {0o640} == {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}


def test_a_place_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    """With what is at fault, and exit code 2."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"file/redis-password: Not a directory|file: File exists") as raised:
        make(tmp_path / "file")

    assert 2 == raised.value.exit_code


def test_nothing_of_them_is_printed() -> None:
    """The output of a container is kept in a log."""
    script = "from pathlib import Path; from services.operator.passwords import make; import tempfile\n"
    script += "with tempfile.TemporaryDirectory() as place: make(Path(place))"
    done = subprocess.run([".venv/bin/python", "-c", script], capture_output=True, check=True)

    assert (b"", b"") == (done.stdout, done.stderr)


def test_grafanas_is_made_alone(tmp_path: Path) -> None:
    """Its directory is mounted where no other password has a place."""
    make(tmp_path, grafana=True)

    (path,) = tmp_path.iterdir()
    assert "grafana-password" == path.name
    assert re.fullmatch(r"[\w-]{32}\n", path.read_text())
