"""What is said of a Redis that cannot be used: the thing, the reason, what to do; never the password."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.supervisor.embedded import EmbeddedServer
from shared import keys, store
from shared.errors import Unreachable

SECRET = "s3cr3t-p4ssw0rd"
WRONG = "wr0ng-p4ssw0rd"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The path of the socket of a server that asks for a password, and knows a user who may do little."""
    with EmbeddedServer(tmp_path_factory.mktemp("guarded")) as url:
        client = redis.Redis.from_url(url)
        client.acl_setuser("reader", enabled=True, passwords=[f"+{SECRET}"], categories=["-@all"], commands=["+ping"])
        client.config_set("requirepass", SECRET)
        client.close()
        yield url.removeprefix("unix://")


def refusal(url: str) -> str:
    """Return what verify says of the server at `url`; the test fails if it says nothing."""
    client = store.connect(url)
    with pytest.raises(Unreachable) as raised:
        store.verify(client, url)
    client.close()
    assert 3 == raised.value.exit_code
    return str(raised.value)


def test_a_server_that_lets_us_in_is_good_and_marked_with_the_layout(guarded: str) -> None:
    """A later release must be able to tell whose keys these are."""
    client = store.connect(f"unix://:{SECRET}@{guarded}")
    store.verify(client, "")

    assert keys.LAYOUT.encode() == client.get(keys.VERSION)
    client.close()


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        (f":{WRONG}@", "refuses the password or user"),
        (f"nobody:{WRONG}@", "refuses the password or user"),
        ("", "refuses the password or user"),
        (f"reader:{SECRET}@", "refuses: "),
    ],
    ids=["wrong password", "unknown user", "no password", "no permission"],
)
def test_a_refusal_says_why_and_keeps_the_password(guarded: str, login: str, expected: str) -> None:
    """The line goes to a log that many can read."""
    said = refusal(f"unix://{login}{guarded}")

    assert expected in said
    assert WRONG not in said
    assert SECRET not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{WRONG}@127.0.0.1:1/0",
        f"redis://user:{WRONG}@no-such-host.invalid:6379/0",
        f"rediss://:{WRONG}@127.0.0.1:1/0",
        f"unix://:{WRONG}@/no/such/socket",
        f"redis://127.0.0.1:1/0?password={WRONG}",
    ],
)
def test_a_server_that_is_not_there_is_named_without_the_password(url: str) -> None:
    """Start it or correct redis_url: the only two things to do."""
    said = refusal(url)

    assert "cannot be reached" in said
    assert "start it or correct redis_url" in said
    assert WRONG not in said


def test_a_server_that_never_answers_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A black hole behind a firewall, or a process that is stopped."""
    monkeypatch.setattr(store, "SOCKET_TIMEOUT_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "deaf"))
        listener.listen()

        assert "cannot be reached" in refusal(f"unix://{tmp_path}/deaf")


def test_something_else_that_answers_is_no_redis(tmp_path: Path) -> None:
    """A typing mistake in the port: a web server, say."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "web"))
        listener.listen()

        def answer() -> None:
            taken, _ = listener.accept()
            with taken:
                taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        said = refusal(f"unix://{tmp_path}/web")
        thread.join()

    assert "Redis at unix://" in said


def test_keys_of_a_newer_layout_are_left_alone(client: redis.Redis, redis_url: str) -> None:
    """A downgrade must not read what it does not understand."""
    client.set(keys.VERSION, "99")

    assert "newer cwpipe" in refusal(redis_url)
    assert b"99" == client.get(keys.VERSION)


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 90.0])
def test_a_clock_that_is_wrong_is_noticed(client: redis.Redis, monkeypatch: pytest.MonkeyPatch, ahead: float) -> None:
    """Workers on several hosts keep their claims in their own time: one that is behind seems to have died."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead)

    assert store.seconds_ahead(client) == pytest.approx(ahead, abs=2.0)
