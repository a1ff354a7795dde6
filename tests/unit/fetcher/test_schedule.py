"""Tasks on threads: when they run, how they end, and what stops them."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from time import monotonic

import pytest

from services.fetcher.schedule import Schedule
from tests.eventually import eventually


def run(*tasks: Callable[[], float | None], threads: int = 2) -> bool:
    """Run tasks until none is left."""
    schedule = Schedule(threads, threading.Event())
    for task in tasks:
        schedule.add(task)
    return schedule.run()


def counted(times: int, delay: float = 0.0) -> tuple[list[float], Callable[[], float | None]]:
    """Return a task that runs so many times, and when it did."""
    ran: list[float] = []

    def task() -> float | None:
        ran.append(monotonic())
        return delay if len(ran) < times else None

    return ran, task


def test_a_schedule_without_tasks_is_over() -> None:
    """A --once of which every source failed at once."""
    assert run()


def test_a_task_runs_until_it_has_no_next_time() -> None:
    """And the schedule until no task has."""
    (one, first), (other, second) = counted(3), counted(5)

    assert run(first, second)
    assert [3, 5] == [len(one), len(other)]


def test_a_task_runs_again_after_the_delay_it_asked_for() -> None:
    """Not before; a poll interval is a promise to AWS."""
    ran, task = counted(3, delay=0.05)
    run(task)

    assert all(later - earlier >= 0.05 for earlier, later in pairwise(ran))


def test_what_is_due_first_runs_first() -> None:
    """With one thread, in the order of their times; of equal times in the order of their coming."""
    order: list[str] = []
    schedule = Schedule(1, threading.Event())
    for name, delay in (("later", 0.05), ("first", 0.0), ("second", 0.0)):
        schedule.add(lambda name=name: order.append(name), delay)  # type: ignore[misc]
    schedule.run()

    assert ["first", "second", "later"] == order


def test_a_task_is_on_one_thread_at_a_time() -> None:
    """Its reader is not made for two."""
    inside = threading.Semaphore(1)
    collisions: list[bool] = []
    runs = iter(range(50))

    def task() -> float | None:
        collisions.append(not inside.acquire(blocking=False))
        inside.release()
        return 0.0 if next(runs, None) is not None else None

    run(task, threads=8)

    assert True not in collisions


def test_tasks_run_side_by_side_up_to_the_number_of_threads() -> None:
    """Two that wait for one another end only if both run."""
    barrier = threading.Barrier(2)

    def task() -> None:
        barrier.wait(10)

    run(task, task)

    assert not barrier.broken


def test_a_running_task_may_add_another() -> None:
    """So a search for groups starts their readers; the schedule must not end between the two."""
    schedule = Schedule(2, threading.Event())
    ran, task = counted(2)
    schedule.add(lambda: schedule.add(task))

    assert schedule.run()
    assert 2 == len(ran)


def test_what_a_task_raises_ends_the_schedule_and_comes_out() -> None:
    """A bug is seen; the process ends, and its supervisor starts it again."""
    waited = threading.Event()

    def fail() -> float | None:
        raise ZeroDivisionError

    def wait() -> float | None:
        waited.wait(10)
        return 0.0

    schedule = Schedule(2, threading.Event())
    schedule.add(wait)
    schedule.add(fail)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(schedule.run)
        waited.set()
        with pytest.raises(ZeroDivisionError):
            result.result(10)


def test_stop_ends_it_when_what_runs_is_done() -> None:
    """With tasks left, which is not the end of the work."""
    stop = threading.Event()
    schedule = Schedule(2, stop)
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def task() -> float | None:
        began.set()
        go_on.wait(10)
        ended.set()
        return 0.0

    schedule.add(task)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(schedule.run)
        began.wait(10)
        stop.set()
        go_on.set()

        assert result.result(10) is False
    assert ended.is_set()


def test_it_shows_that_it_is_alive_while_nothing_is_due() -> None:
    """Idle is not stuck: a watchdog must tell them apart."""
    stop = threading.Event()
    signs: list[float] = []
    schedule = Schedule(1, stop, lambda: signs.append(monotonic()))
    schedule.add(lambda: None, 3600)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(schedule.run)
        eventually(lambda: len(signs) > 2)
        stop.set()
        result.result(10)


class Bucket:
    """A lane with so many permits; `fill` adds some."""

    def __init__(self, permits: int = 0) -> None:
        self.permits = permits
        self.asked = 0
        self._lock = threading.Lock()

    def fill(self, permits: int) -> None:
        with self._lock:
            self.permits += permits

    def reserve_up_to(self, wanted: int) -> int:
        with self._lock:
            self.asked += 1
            got = min(wanted, self.permits)
            self.permits -= got
            return got

    def seconds_to_wait(self) -> float:
        return 0.02


def test_a_task_begins_only_with_a_permit_of_its_lane_and_others_do_not_wait_for_it() -> None:
    """One account that is throttled holds no thread that another could use."""
    stop, empty, full = threading.Event(), Bucket(), Bucket(1_000)
    schedule = Schedule(1, stop)
    waited: list[float] = []
    went: list[float] = []
    for _ in range(5):
        schedule.add(lambda: waited.append(monotonic()), lane=empty)
    for _ in range(50):
        schedule.add(lambda: went.append(monotonic()), lane=full)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(schedule.run)
        eventually(lambda: 50 == len(went))
        assert schedule.is_waited_for(empty)
        assert not schedule.is_waited_for(full)
        assert not waited
        empty.fill(5)
        assert result.result(10)

    assert 5 == len(waited)
    assert 950 == full.permits


def test_of_those_that_wait_in_a_lane_the_one_due_longest_goes_first() -> None:
    """None starves, however many come after it."""
    stop, lane = threading.Event(), Bucket()
    schedule = Schedule(3, stop)
    order: list[int] = []
    runs = [0] * 10

    def turn(number: int) -> float | None:
        order.append(number)
        runs[number] += 1
        return 0.0 if runs[number] < 20 else None

    for number in range(10):
        schedule.add(lambda number=number: turn(number), lane=lane)  # type: ignore[misc]
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(schedule.run)
        while not result.done():
            lane.fill(1)
            done = len(order)
            eventually(lambda done=done: len(order) > done or result.done())  # type: ignore[misc]
            assert max(runs) - min(runs) <= 1
        assert result.result(10)

    assert [20] * 10 == runs


def test_a_lane_without_permits_is_asked_no_more_often_than_it_says() -> None:
    """A schedule that asks in a loop would be a load on Redis, and on this host."""
    stop, lane = threading.Event(), Bucket()
    schedule = Schedule(2, stop)
    schedule.add(lambda: None, lane=lane)
    began = monotonic()
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(schedule.run)
        eventually(lambda: lane.asked > 5)
        stop.set()
        assert result.result(10) is False

    assert lane.asked <= (monotonic() - began) / 0.02 + 1


def test_what_a_lane_raises_ends_the_schedule() -> None:
    """As what a task raises does."""

    class Broken(Bucket):
        def reserve_up_to(self, wanted: int) -> int:
            raise ZeroDivisionError(wanted)

    schedule = Schedule(2, threading.Event())
    schedule.add(lambda: None, lane=Broken())
    with pytest.raises(ZeroDivisionError):
        schedule.run()
