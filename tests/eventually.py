"""Waiting for something that happens in another thread or process."""

from collections.abc import Callable
from time import monotonic, sleep


def eventually(condition: Callable[[], object], seconds: float = 20.0, what: str = "") -> None:
    """Return as soon as `condition` holds; fail the test when it does not within `seconds`."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, f"did not happen within {seconds} s: {what or condition}"
        sleep(0.02)
