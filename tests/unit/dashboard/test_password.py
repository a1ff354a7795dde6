"""Which password is asked for: one that is given, or one that is made and kept; never none."""

import stat
import threading
from pathlib import Path

import pytest

from services.dashboard import password
from shared.errors import SettingsError
from shared.settings.model import Dashboard


def test_a_configured_file_is_the_one(tmp_path: Path) -> None:
    """Nothing is made beside it."""
    file = tmp_path / "given"

    assert file == password.password_file(Dashboard(password_file=str(file)), tmp_path / "data")
    assert [] == list(tmp_path.iterdir())


def test_one_is_made_for_its_owner_alone_and_kept(tmp_path: Path) -> None:
    """Another at each start would lock out the browsers that remember it."""
    file = password.password_file(Dashboard(), tmp_path / "new" / "data")
    made = password.read(file)

    assert file == password.password_file(Dashboard(), tmp_path / "new" / "data")
    assert made == password.read(file)
    assert len(made) >= 32
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert [file] == list(file.parent.iterdir())


def test_no_two_are_the_same(tmp_path: Path) -> None:
    """They are made by chance."""
    files = [password.password_file(Dashboard(), tmp_path / str(number)) for number in range(5)]

    assert 5 == len({password.read(file) for file in files})


def test_two_that_start_at_once_have_one_password(tmp_path: Path) -> None:
    """Whoever comes second takes the first one's."""
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(password.read(password.password_file(Dashboard(), tmp_path))))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 20 == len(found)
    assert 1 == len(set(found))


def test_where_none_can_be_kept_it_says_what_to_set(tmp_path: Path) -> None:
    """A directory that cannot be made."""
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match=r"dashboard\.password_file is not set, and .* cannot be made"):
        password.password_file(Dashboard(), tmp_path / "file" / "data")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "must hold the password and nothing else"),
        (b"\n", "must hold the password and nothing else"),
        (b"a line\nand another\n", "must hold the password and nothing else"),
        (b"with a tab\tin it", "must hold the password and nothing else"),
        (b"tooshort", "12 characters or more"),
        (b"\xff" * 20, "UTF-8"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_without_a_good_password_is_a_fault(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    """What it holds is not shown in it."""
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as error:
        password.read(file)

    (line,) = error.value.faults
    assert line.startswith(
        f"dashboard.password_file = {str(file)!r}" if sentence == "UTF-8" else "dashboard.password_file"
    )
    assert sentence in line
    assert "tooshort" not in line


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_end_of_the_line_is_no_part_of_a_password(tmp_path: Path, end: str) -> None:
    """Editors put one there. Spaces are a part of it."""
    (tmp_path / "password").write_bytes(f" twelve long ü {end}".encode())

    assert " twelve long ü " == password.read(tmp_path / "password")
