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
    """Where tests run side by side (`make test`), begin what takes longest, and set up once what many tests share.

    A test that stands alone goes wherever there is time. Without side by side nothing is changed.
    """
    if hasattr(config, "workerinput"):
        for item in items:
            kind, *_ = item.path.relative_to(TESTS).parts
            if kind == "torture":  # two of those at once would be a heavier load than either is meant for
                item.add_marker(pytest.mark.xdist_group(kind))
            elif kind == "system":
                item.add_marker(pytest.mark.xdist_group(item.path.stem))
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    kinds = ("torture", "system")
    kind, *_ = item.path.relative_to(TESTS).parts
    if kind == "properties" and item.get_closest_marker("slow"):
        return 0
    return 1 + kinds.index(kind) if kind in kinds else 1 + len(kinds)


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
