"""What many tests need: a real Valkey, a receiver on a real socket, and an environment without surprises."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.supervisor.embedded import EmbeddedServer
from shared import store
from tests.receiver import Receiver

TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where tests run side by side (`make test`), begin what takes longest, and keep that to two lanes of the machine.

    A test of those lanes starts many processes, and more of them at once wait for one another. Any other test goes
    wherever there is time. Without side by side nothing is changed.
    """
    if hasattr(config, "workerinput"):
        for item in items:
            if lane := _lane(item):
                item.add_marker(pytest.mark.xdist_group(lane))
        items.sort(key=_turn)


def _lane(item: pytest.Item) -> str:
    kind, *_ = item.path.relative_to(TESTS).parts
    if kind == "system" and item.path.name < "test_e":  # half of the time that all of them take
        return "first lane"
    return "second lane" if kind in {"system", "torture"} else ""


def _turn(item: pytest.Item) -> int:
    return 0 if _lane(item) or item.get_closest_marker("slow") else 1


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
