"""What many tests need: a real Valkey, a receiver on a real socket, and an environment without surprises."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from services.supervisor.embedded import EmbeddedServer
from shared import store
from tests.receiver import Receiver

#: What happens to one of its tests happens beside the others: elsewhere all of it would be repeated.
TOGETHER = "tests/integration/test_worker_killed.py"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where tests run side by side (`make test`), keep those that start many processes to two lanes of the machine.

    More of them at once wait for one another. Any other test goes wherever there is time.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Lanes(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _lane(nodeid) or nodeid

    return Lanes(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin what takes longest, side by side. One after the other, nothing is changed."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not (_lane(item.nodeid) or item.get_closest_marker("slow")))


def _lane(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    if path.startswith("tests/system/test_") and path < "tests/system/test_e":  # half of the time that all of them take
        return "first lane"
    if path.startswith(("tests/system/", "tests/torture/")):
        return "second lane"
    return path if path == TOGETHER else ""


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey server for the whole session; a machine without one fails here, it never skips."""
    with EmbeddedServer(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of an empty database."""
    client = store.connect(redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A receiver that keeps every datagram, reading from a real UNIX datagram socket."""
    with Receiver(tmp_path / "queue") as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def _no_surprises(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No account, settings or endpoint of the machine leaks into a test."""
    import os

    for name in list(os.environ):  # noqa: TID251 - to clear it
        if name.startswith(("AWS_", "CWPIPE_", "REDIS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
