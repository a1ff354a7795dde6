"""The dashboard's settings, and the file with the password of Redis."""

from pathlib import Path

import pytest

from shared import store
from shared.errors import SettingsError
from shared.settings.load import load
from shared.settings.redact import redacted


def faults_of(environ: dict[str, str]) -> list[str]:
    """Return every fault of an environment."""
    with pytest.raises(SettingsError) as error:
        load(None, environ)
    return error.value.faults


def test_by_default_it_is_for_this_host_and_looks_only() -> None:
    """Whoever wants more says so."""
    found = load(None, {}).settings.dashboard

    assert ("127.0.0.1:9181", "cwpipe", "", False) == (found.address, found.user, found.password_file, found.actions)


@pytest.mark.parametrize("value", ["9181", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "a b:1", ":9181", "::1:9181"])
def test_an_address_is_host_and_port(value: str) -> None:
    """Anything else is a fault, with an example."""
    (fault,) = faults_of({"CWPIPE_DASHBOARD_ADDRESS": value})

    assert fault.startswith("CWPIPE_DASHBOARD_ADDRESS = ")
    assert '"127.0.0.1:9181"' in fault


@pytest.mark.parametrize("value", ["0.0.0.0:9181", "[::1]:9181", "localhost:65535"])
def test_an_address_may_be_any_host(value: str) -> None:
    """A container listens on all of its own."""
    assert value == load(None, {"CWPIPE_DASHBOARD_ADDRESS": value}).settings.dashboard.address


@pytest.mark.parametrize("value", ["a:b", "with space", "ü", "x" * 65])
def test_a_user_has_no_colon(value: str) -> None:
    """It would end there."""
    (fault,) = faults_of({"CWPIPE_DASHBOARD_USER": value})

    assert "no colon" in fault


@pytest.mark.parametrize(
    "url", ["redis://:pw@redis/0", "redis://joe:pw@redis", "rediss://redis?password=pw", "unix:///r.sock?password=pw"]
)
def test_redis_has_one_password(url: str) -> None:
    """Two of them are a mistake, even where they are the same."""
    (fault,) = faults_of({"CWPIPE_REDIS_URL": url, "CWPIPE_REDIS_PASSWORD_FILE": "/run/secrets/redis"})

    assert 'CWPIPE_REDIS_PASSWORD_FILE = "/run/secrets/redis": gives a password, and so does redis_url' in fault
    assert "pw" not in fault


@pytest.mark.parametrize("url", ["redis://redis:6379/0", "redis://joe@redis", "unix:///run/redis.sock?db=1"])
def test_a_url_without_a_password_takes_that_of_the_file(url: str, tmp_path: Path) -> None:
    """Also with a user in it."""
    (tmp_path / "password").write_text("s3cr3t\n")
    loaded = load(None, {"REDIS_URL": url, "CWPIPE_REDIS_PASSWORD_FILE": str(tmp_path / "password")})
    client = store.connect(loaded.settings.redis_url, loaded.settings.redis_password_file)

    assert "s3cr3t" == client.connection_pool.connection_kwargs["password"]
    assert ("joe" if "joe" in url else None) == client.connection_pool.connection_kwargs.get("username")
    assert "s3cr3t" not in repr(loaded)


def test_a_password_for_no_redis_is_a_fault() -> None:
    """The embedded server has none."""
    (fault,) = faults_of({"CWPIPE_REDIS_PASSWORD_FILE": "/run/secrets/redis"})

    assert "has no meaning without redis_url" in fault


@pytest.mark.parametrize("content", [None, "", "\n", "two\nlines\n"])
def test_a_file_without_a_password_is_a_fault(tmp_path: Path, content: str | None) -> None:
    """Connecting without one would say that Redis refuses us, which is true and no help."""
    if content is not None:
        (tmp_path / "password").write_text(content)

    with pytest.raises(SettingsError, match="redis_password_file = "):
        store.connect("redis://redis", str(tmp_path / "password"))


def test_the_name_of_a_file_is_no_secret() -> None:
    """What is in it is."""
    assert "/run/secrets/x" == redacted("dashboard.password_file", "/run/secrets/x")
    assert "***" == redacted("dashboard.password", "hush")
