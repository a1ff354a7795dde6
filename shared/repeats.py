"""The same line again and again: said once, then counted, and the count said when its time is over."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

#: A line that is counted is said at most once in so many seconds.
WINDOW_SECONDS = 30.0
#: With more keys than these, those whose time is over are forgotten before another is taken.
_MANY = 1_000

Key = tuple[object, ...]
Fields = dict[str, Any]


@dataclass
class _Window:
    until: float
    repeated: int = 0
    last: Fields = field(default_factory=dict)


class Repeats:
    """Counts what was said before. `say` gets the fields of the last repetition, and how many there were."""

    def __init__(self, say: Callable[[Fields, int], None], seconds: float = WINDOW_SECONDS) -> None:
        self._say = say
        self._seconds = seconds
        self._windows: dict[Key, _Window] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def is_new(self, key: Key, fields: Fields) -> bool:
        """Return whether a line is to be said now: False when it was, not long ago. Does not block."""
        now = monotonic()
        with self._lock:
            window = self._windows.get(key)
            if window is None or (now >= window.until and not window.repeated):
                if len(self._windows) >= _MANY:
                    self._forget(now)
                self._windows[key] = _Window(now + self._seconds)
                return True
            window.repeated += 1
            window.last = fields
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="repeated-lines")
                self._thread.start()
        return False

    def flush(self, *, everything: bool = False) -> None:
        """Say what was counted, where its time is over, or of all lines."""
        now = monotonic()
        with self._lock:
            due = [
                window for window in self._windows.values() if window.repeated and (everything or now >= window.until)
            ]
            counted = [(window.last, window.repeated) for window in due]
            for window in due:
                window.until, window.repeated, window.last = now + self._seconds, 0, {}
        for fields, repeated in counted:
            self._say(fields, repeated)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            with self._lock:
                waiting = [window.until for window in self._windows.values() if window.repeated]
                if not waiting:
                    self._thread = None
                    return
            pause.wait(max(0.05, min(waiting) - monotonic()))
            self.flush()

    def _forget(self, now: float) -> None:
        self._windows = {key: one for key, one in self._windows.items() if one.repeated or now < one.until}
