"""What is due, on threads: each task runs, says in how many seconds it wants to run again, and fails alone.

A task may have a lane: a way to permits that many tasks share. It begins only with a permit in hand, so that no thread waits
for one while tasks of other lanes could go on; of those that wait in a lane, the one due longest goes first.
"""

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import NamedTuple, Protocol

#: A task: does a bounded piece of work; returns the seconds until it is due again, or None when it is over for good.
Task = Callable[[], float | None]
#: No lane is looked at more often while it has no permits.
LEAST_WAIT_SECONDS = 0.005


class Lane(Protocol):
    """Permits for what tasks do. Its methods may be called from any thread, and may block for a moment."""

    def reserve_up_to(self, wanted: int) -> int:
        """Set up to `wanted` permits apart, one for each task that begins; return how many there were."""

    def seconds_to_wait(self) -> float:
        """Return in how many seconds it is worth to ask for permits; 0: now."""


class _Due(NamedTuple):
    at: float
    order: int
    task: Task
    lane: Lane | None


class Schedule:
    """Runs tasks on `threads` threads, each task on one thread at a time.

    `alive` is called as long as tasks come to an end, or none is due.
    """

    def __init__(self, threads: int, stop: threading.Event, alive: Callable[[], None] = lambda: None) -> None:
        self._threads = threads
        self._stop = stop
        self._alive = alive
        self._due: list[_Due] = []
        self._lanes: dict[Lane, _Waiting] = {}
        self._order = itertools.count()
        self._running = 0
        self._changed = threading.Condition()
        self._failure: BaseException | None = None

    def add(self, task: Task, delay_seconds: float = 0.0, lane: Lane | None = None) -> None:
        """Make `task` due in `delay_seconds`, then each time with a permit of `lane`. May be called by a running task."""
        with self._changed:
            self._push(delay_seconds, task, lane)
            self._changed.notify()

    def is_waited_for(self, lane: Lane) -> bool:
        """Say whether tasks wait for permits of `lane`."""
        with self._changed:
            return lane in self._lanes

    def run(self) -> bool:
        """Run what is due until no task is left or `stop` is set; return whether none is left.

        Blocks; what a task raises comes out here.
        """
        with ThreadPoolExecutor(self._threads, thread_name_prefix="fetch") as pool:
            while True:
                work = self._next()
                if work is None:
                    break
                pool.submit(work)
        if self._failure is not None:
            raise self._failure
        return not self._due and not self._lanes

    def _push(self, delay_seconds: float, task: Task, lane: Lane | None) -> None:
        heapq.heappush(self._due, _Due(monotonic() + delay_seconds, next(self._order), task, lane))

    def _next(self) -> Callable[[], None] | None:
        """Return the next piece of work as soon as a thread is free for it; None when there is none, or it is over."""
        with self._changed:
            while not self._stop.is_set() and self._failure is None:
                if not self._running:
                    self._alive()
                    if not self._due and not self._lanes:
                        return None
                if self._running < self._threads and (work := self._startable()) is not None:
                    self._running += 1
                    return work
                # A signal only sets the event, so look at it a few times a second.
                self._changed.wait(min(max(self._seconds_to_wait(), 0.001), 0.25))
            return None

    def _startable(self) -> Callable[[], None] | None:
        """Return what can begin now: a task without a lane, one whose lane has a permit, or the fetching of permits."""
        now = monotonic()
        while self._due and self._due[0].at <= now:
            due = heapq.heappop(self._due)
            if due.lane is None:
                return lambda: self._work(due)
            waiting = self._lanes.setdefault(due.lane, _Waiting())
            heapq.heappush(waiting.tasks, due)
        ready = [(waiting.tasks[0].at, lane) for lane, waiting in self._lanes.items() if waiting.permits > 0]
        if ready:
            return self._begin(min(ready, key=lambda pair: pair[0])[1])
        for lane, waiting in self._lanes.items():
            if not waiting.is_asking and waiting.ask_at <= now:
                waiting.is_asking = True
                wanted = min(len(waiting.tasks), self._threads - self._running)
                return lambda: self._ask(lane, waiting, wanted)
        return None

    def _begin(self, lane: Lane) -> Callable[[], None]:
        waiting = self._lanes[lane]
        waiting.permits -= 1
        due = heapq.heappop(waiting.tasks)
        if not waiting.tasks:
            del self._lanes[lane]
        return lambda: self._work(due)

    def _seconds_to_wait(self) -> float:
        """Return how long nothing can begin, unless something ends before."""
        if self._running >= self._threads:
            return 1.0
        times = [waiting.ask_at for waiting in self._lanes.values() if not waiting.is_asking]
        return min([*times, *(due.at for due in self._due[:1]), monotonic() + 1.0]) - monotonic()

    def _ask(self, lane: Lane, waiting: "_Waiting", wanted: int) -> None:
        """Fetch permits for the tasks that wait in a lane."""
        permits, seconds, failure = 0, 0.0, None
        try:
            permits = lane.reserve_up_to(wanted)
            seconds = 0.0 if permits else lane.seconds_to_wait()
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits in run()
            failure = error
        with self._changed:
            self._alive()
            self._running -= 1
            self._failure = self._failure or failure
            waiting.is_asking = False
            waiting.permits += permits
            waiting.ask_at = monotonic() + max(seconds, LEAST_WAIT_SECONDS)
            self._changed.notify()

    def _work(self, due: _Due) -> None:
        delay: float | None = None
        failure: BaseException | None = None
        try:
            delay = due.task()
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits in run()
            failure = error
        with self._changed:
            self._alive()
            self._running -= 1
            self._failure = self._failure or failure
            if delay is not None and failure is None:
                self._push(delay, due.task, due.lane)
            self._changed.notify()


class _Waiting:
    """The tasks that wait in one lane, and what is known of its permits."""

    def __init__(self) -> None:
        self.tasks: list[_Due] = []
        self.permits = 0
        self.ask_at = 0.0
        self.is_asking = False
