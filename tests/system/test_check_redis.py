"""`cwpipe check` and the Redis that is named: what would lose events there is said before it does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.command import Done
from tests.system.host import Host, numbered
from tests.valkey import Valkey


@contextmanager
def checked(host: Host, directory: Path, *options: str) -> Iterator[Done]:
    """Check a host against a server with those options."""
    with Valkey(directory / "valkey", *options) as server:
        host.configure("/app/shop", top=f'redis_url = "{server.url}"')
        host.put("/app/shop", numbered(3))
        yield host.shell.run("check", "--config", host.config)


def redis_line(done: Done) -> str:
    """Return the line about Redis."""
    (line,) = [line for line in done.out.splitlines() if "Redis at" in line]
    return line


def test_a_server_that_keeps_everything_is_good(host: Host, tmp_path: Path) -> None:
    """One line, with nothing behind it."""
    with checked(host, tmp_path, "--appendonly", "yes") as done:
        assert 0 == done.exit_code, done.text
        assert redis_line(done).startswith("ok ")
        assert redis_line(done).endswith("answers")


def test_a_server_that_evicts_fails(host: Host, tmp_path: Path) -> None:
    """The default of many managed services: queued events would vanish."""
    with checked(host, tmp_path, "--maxmemory-policy", "volatile-lru") as done:
        assert 3 == done.exit_code
        assert "maxmemory-policy is volatile-lru, which throws away queued events" in redis_line(done)


def test_a_server_that_keeps_nothing_on_disk_or_has_little_room_is_told_of(host: Host, tmp_path: Path) -> None:
    """Both work until the day they do not."""
    with checked(host, tmp_path, "--maxmemory", "100mb", "--maxmemory-policy", "noeviction") as done:
        assert 0 == done.exit_code, done.text
        assert "keeps no append-only file" in redis_line(done)
        assert "maxmemory is less than twice what cwpipe may keep there" in redis_line(done)
