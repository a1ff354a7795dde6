"""The connection to Redis before anything is sent: what a URL means, and that no text shows its password."""

import pytest
import redis

from shared import store
from shared.errors import SettingsError

SECRET = "s3cr3t-p4ssw0rd"


def test_no_url_is_a_fault_of_the_settings() -> None:
    """A single role has no server of its own: say where to name one."""
    with pytest.raises(SettingsError, match=r"redis_url is not set.*REDIS_URL") as raised:
        store.connect("")

    assert 2 == raised.value.exit_code


@pytest.mark.parametrize(
    "url",
    [f"redis://:{SECRET}@host:port/0", f"http://:{SECRET}@host", f"localhost:{SECRET}@6379", f"redis://:{SECRET}@[::1"],
)
def test_a_url_that_makes_no_sense_is_a_fault_that_keeps_the_password(url: str) -> None:
    """The fault is shown on a terminal and in a log that many can read."""
    with pytest.raises(SettingsError) as raised:
        store.connect(url)

    assert "redis_url" in str(raised.value)
    assert SECRET not in repr(raised.value.faults)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("mark", ["/", "?", "#"])
@pytest.mark.parametrize("address", ["redis://{}@127.0.0.1:1/0", "rediss://user{}@host", "unix://{}@/run/redis.sock"])
def test_a_password_that_splits_the_url_is_refused(address: str, mark: str) -> None:
    """Unescaped, a part of it is taken for port, host or path, and then named as what cannot be found."""
    with pytest.raises(SettingsError, match="%2F") as raised:
        store.connect(address.format(f":7777{mark}8888"))

    assert "7777" not in str(raised.value)
    assert "8888" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}@host:6379/0",
        f"redis://user:{SECRET}%2F%40@[::1]:6379/15",
        f"redis://host?password={SECRET}@",
        f"unix://:{SECRET}@/run/redis@1.sock?db=3",
        "unix:///run/redis@1.sock",
        f"redis://:{SECRET}@twice@host/0",
    ],
)
def test_a_url_that_makes_sense_is_taken(url: str) -> None:
    """Nothing is sent yet."""
    store.connect(url).close()


def test_no_command_is_repeated_by_the_client() -> None:
    """A transaction whose answer was lost may have been carried out; only a caller who watches a key can tell."""
    client = store.connect("redis://localhost:1/0")
    retry = client.connection_pool.connection_kwargs["retry"]

    assert 0 == retry.get_retries()


def test_waiting_for_an_answer_outlasts_a_blocking_read() -> None:
    """RQ would otherwise put its own time limit on a client that is not its own."""
    from shared.worker import WORKER_TTL_SECONDS

    blocking_read_seconds = WORKER_TTL_SECONDS - 15

    assert store.SOCKET_TIMEOUT_SECONDS >= blocking_read_seconds + 10


@pytest.mark.parametrize(
    "error", [redis.ConnectionError(), redis.TimeoutError(), redis.exceptions.BusyLoadingError()], ids=repr
)
def test_a_server_that_restarts_is_away(error: redis.RedisError) -> None:
    """Away is worth waiting for; the rest of what redis-py raises is not."""
    assert isinstance(error, store.AWAY)
    assert not isinstance(redis.ResponseError(), store.AWAY)
