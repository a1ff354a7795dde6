"""What befalls Redis and the way to it: a state of some time ago, a network that holds or cuts, a disk that is full.

They happen side by side: most of the time somebody waits.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.torture.redis_accidents import ACCIDENTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def happening() -> Iterator[dict[Callable[[], None], "Future[None]"]]:
    """All of them, begun at once."""
    with ThreadPoolExecutor(len(ACCIDENTS)) as pool:
        yield {accident: pool.submit(accident) for accident in ACCIDENTS}


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_no_event_is_lost_when(
    happening: dict[Callable[[], None], "Future[None]"], accident: Callable[[], None]
) -> None:
    """Each says itself what happens, and what has to come of it."""
    happening[accident].result()
