"""What the black-box tests share. They import nothing of services or shared: they know what a user knows."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.receiver import Receiver
from tests.standins.cloudwatch import CloudWatch
from tests.system.command import Shell, clean_environment
from tests.system.host import Host


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands keep compiled modules, on a machine that does not want them beside the sources."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture(scope="module")
def new_shell(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> Callable[[str], Shell]:
    """Make shells, each in a directory of its own."""

    def make(name: str) -> Shell:
        directory = tmp_path_factory.mktemp(name)
        return Shell(directory, clean_environment(directory, bytecode))

    return make


@pytest.fixture
def shell(new_shell: Callable[[str], Shell]) -> Iterator[Shell]:
    """A shell in an empty directory."""
    with new_shell("shell") as shell:
        yield shell


@pytest.fixture
def host(shell: Shell) -> Iterator[Host]:
    """A host with nothing configured and nothing to read."""
    with CloudWatch() as aws, Receiver(shell.directory / "queue") as receiver:
        yield Host(shell, aws, receiver)


@pytest.fixture(scope="module")
def shared_host(new_shell: Callable[[str], Shell]) -> Iterator[Host]:
    """A host that the tests of a module share."""
    with new_shell("host") as shell, CloudWatch() as aws, Receiver(shell.directory / "queue") as receiver:
        yield Host(shell, aws, receiver)
