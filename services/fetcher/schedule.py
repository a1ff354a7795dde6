"""What is due, on threads: each task runs, says in how many seconds it wants to run again, and fails alone."""

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

#: A task: does a bounded piece of work; returns the seconds until it is due again, or None when it is over for good.
Task = Callable[[], float | None]


class Schedule:
    """Runs tasks on `threads` threads, each task on one thread at a time.

    `alive` is called as long as tasks come to an end, or none is due.
    """

    def __init__(self, threads: int, stop: threading.Event, alive: Callable[[], None] = lambda: None) -> None:
        self._threads = threads
        self._stop = stop
        self._alive = alive
        self._due: list[tuple[float, int, Task]] = []
        self._order = itertools.count()
        self._running = 0
        self._changed = threading.Condition()
        self._failure: BaseException | None = None

    def add(self, task: Task, delay_seconds: float = 0.0) -> None:
        """Make `task` due in `delay_seconds`. May be called by a running task."""
        with self._changed:
            heapq.heappush(self._due, (monotonic() + delay_seconds, next(self._order), task))
            self._changed.notify()

    def run(self) -> bool:
        """Run what is due until no task is left or `stop` is set; return whether none is left.

        Blocks; what a task raises comes out here.
        """
        with ThreadPoolExecutor(self._threads, thread_name_prefix="fetch") as pool:
            while True:
                task = self._next()
                if task is None:
                    break
                pool.submit(self._work, task)
        if self._failure is not None:
            raise self._failure
        return not self._due

    def _next(self) -> Task | None:
        with self._changed:
            while not self._stop.is_set() and self._failure is None:
                if not self._running:
                    self._alive()
                    if not self._due:
                        return None
                wait = self._due[0][0] - monotonic() if self._due and self._running < self._threads else 1.0
                if wait <= 0:
                    self._running += 1
                    return heapq.heappop(self._due)[2]
                # A signal only sets the event, so look at it a few times a second.
                self._changed.wait(min(max(wait, 0.01), 0.25))
            return None

    def _work(self, task: Task) -> None:
        delay: float | None = None
        failure: BaseException | None = None
        try:
            delay = task()
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits in run()
            failure = error
        with self._changed:
            self._alive()
            self._running -= 1
            self._failure = self._failure or failure
            if delay is not None and failure is None:
                heapq.heappush(self._due, (monotonic() + delay, next(self._order), task))
            self._changed.notify()
