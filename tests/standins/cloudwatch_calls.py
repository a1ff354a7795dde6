"""The calls that came in, for tests to count."""

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: How many calls are kept whole; the counts go on.
_KEPT_CALLS = 200_000


@dataclass
class Call:
    """One call."""

    account: str
    region: str
    operation: str
    parameters: Mapping[str, Any]
    access_key: str
    group: str
    at_seconds: float
    """By the monotonic clock."""
    outcome: str = ""
    """`ok`, an error code, or the kind of fault that befell it; empty: not answered yet."""


class Calls:
    """The calls since the start, oldest first. Safe between threads."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=_KEPT_CALLS)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """Remember a call."""
        with self._lock:
            self._calls.append(call)
            self._counts[call.operation] += 1

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._calls.clear()
            self._counts.clear()

    def total(self, operation: str) -> int:
        """Return how often an operation was called, refused calls included."""
        with self._lock:
            return self._counts[operation]

    def __iter__(self) -> Iterator[Call]:
        with self._lock:
            return iter(list(self._calls))

    def __len__(self) -> int:
        with self._lock:
            return len(self._calls)
