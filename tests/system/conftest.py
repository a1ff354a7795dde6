"""What the black-box tests share. They import nothing of services or shared: they know what a user knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.receiver import Receiver
from tests.standins.cloudwatch import CloudWatch
from tests.system.command import Running, Shell, clean_environment
from tests.system.host import CLOSED, Host, NewHost, numbered, soon


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands keep compiled modules, on a machine that does not want them beside the sources."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture(scope="session")
def new_host(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> NewHost:
    """Make hosts, each in a directory of its own: `with new_host("a") as host`."""

    @contextmanager
    def make(name: str) -> Iterator[Host]:
        directory = tmp_path_factory.mktemp(name)
        with (
            CloudWatch() as aws,
            Receiver(directory / "queue") as receiver,
            Shell(directory, clean_environment(directory, bytecode)) as shell,
        ):
            yield Host(shell, aws, receiver)

    return make


@pytest.fixture
def host(new_host: NewHost) -> Iterator[Host]:
    """A host with nothing configured and nothing to read."""
    with new_host("host") as host:
        yield host


@pytest.fixture(scope="module")
def shared_host(new_host: NewHost) -> Iterator[Host]:
    """A host that the tests of a module share."""
    with new_host("shared") as host:
        yield host


@pytest.fixture(scope="session")
def unreachable(new_host: NewHost) -> Iterator[tuple[Host, Running]]:
    """A host whose endpoint does not answer, and a run there that takes most of a minute to give up: ask for it early."""
    with new_host("unreachable") as host:
        host.configure("/app/shop", endpoint_url=f'"http://{CLOSED}"')
        yield host, host.start("--once", "--json")


@pytest.fixture(scope="module")
def idle(shared_host: Host) -> Iterator[Host]:
    """A host on which the service runs and has delivered all there is; one group cannot be read."""
    host = shared_host
    host.configure("/app/shop", "/app/denied")
    host.aws.create_group("us-east-1", "/app/denied")
    host.aws.fail("FilterLogEvents", "AccessDeniedException", group="/app/denied")
    host.put("/app/shop", numbered(1_500))
    run = host.start()
    host.wait_delivered("/app/shop", numbered(1_500))
    soon(lambda: not host.status()["in_flight"], "all confirmed")
    soon(lambda: "cannot be read" in run.err, "the bad group noticed")
    yield host
    assert 0 == run.end().exit_code
