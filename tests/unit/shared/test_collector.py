"""What the garbage collector is told."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from shared import collector


class Node:
    """Something that can be in a cycle."""

    def __init__(self) -> None:
        self.other: Node = self


@pytest.fixture
def told() -> Iterator[None]:
    """A collector that was told, and is as it was afterwards."""
    before = gc.get_threshold()
    collector.settle()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("told")
def test_what_the_start_has_made_is_left_out() -> None:
    """It would be looked through for as long as the role lives."""
    assert gc.get_freeze_count() > 10_000
    assert collector.YOUNG_OBJECTS == gc.get_threshold()[0]


@pytest.mark.usefixtures("told")
def test_cycles_are_still_found() -> None:
    """A role runs for months."""
    gone = weakref.ref(Node())
    for _ in range(2 * collector.YOUNG_OBJECTS):
        Node()

    assert gone() is None
