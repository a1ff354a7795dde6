"""Collected only when asked for: pytest --confcutdir tests/compose tests/compose, which `make test-compose` does.

These tests need a Docker engine with Compose, build images and take minutes. They import nothing of ours.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.stack import Stack, eventually


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave this directory out of every run that does not name it."""
    named = [Path(str(argument).partition("::")[0]).resolve() for argument in config.invocation_params.args]
    here = Path(__file__).parent
    return None if any(here in (path, *path.parents) for path in named) else True


@pytest.fixture(scope="session")
def built() -> Iterator[Stack]:
    """The images, and a project that is not started; nothing of it is left afterwards."""
    stack = Stack("cwpipe-test", DASHBOARD_PORT="0")
    stack.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
    stack.compose("build", seconds=600)
    yield stack
    stack.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
    stack.docker("image", "rm", "--force", stack.image, stack.demo_image)


@pytest.fixture(scope="session")
def stack(built: Stack) -> Stack:
    """The stack, started as a newcomer would: the profile `demo`, and nothing set."""
    built.compose("up", "--detach")
    eventually(built.is_healthy, 120, "all containers are healthy")
    return built
