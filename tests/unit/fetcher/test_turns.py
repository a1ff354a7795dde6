"""A group's turns: who may take one, and which calls it may make."""

from services.fetcher.turns import Permits, Place, Turn
from shared.messages import GroupRef

GROUP = GroupRef(account_id="123456789012", region="eu-west-1", log_group="/app")


class Bucket:
    """A lane with so many permits, of which one was set apart for the turn."""

    def __init__(self, permits: int = 0, low: int = 0) -> None:
        self.permits, self.low = permits, low

    def reserve(self, *, low_priority: bool = False) -> bool:
        if low_priority:
            self.low -= 1
            return self.low >= 0
        self.permits -= 1
        return self.permits >= 0

    def release(self) -> None:
        self.permits += 1


class Task:
    """Reads, and remembers whether it may."""

    def __init__(self) -> None:
        self.group = GROUP
        self.turns = 0
        self.ended: list[bool] = []

    def __call__(self) -> float | None:
        self.turns += 1
        return 1.0

    def retire(self, *, gone: bool = False) -> None:
        self.ended.append(gone)


def test_a_turn_makes_the_call_that_it_began_with_a_permit_for() -> None:
    """And more as long as there are permits."""
    permits = Permits(Bucket(permits=2), lambda: False)

    assert [True, True, True, False] == [permits.ask() for _ in range(4)]


def test_a_second_call_is_not_made_while_others_wait() -> None:
    """A group with a backlog takes turns with the others."""
    permits = Permits(Bucket(permits=2), lambda: True)

    assert [True, False] == [permits.ask() for _ in range(2)]


def test_a_permit_that_is_not_used_goes_back_once() -> None:
    """Reading may be paused when the turn comes."""
    bucket = Bucket()
    permits = Permits(bucket, lambda: False)
    permits.release()
    permits.release()

    assert 1 == bucket.permits


def test_a_call_of_low_priority_does_not_use_the_permit_of_the_tail() -> None:
    """It goes back, for whoever waits for it."""
    bucket = Bucket(low=1)
    permits = Permits(bucket, lambda: True)

    assert [True, False] == [permits.ask(low_priority=True) for _ in range(2)]
    assert 1 == bucket.permits


def test_without_a_lane_everything_may_be_called() -> None:
    """There is no limit."""
    permits = Permits(None, lambda: True)

    assert permits.ask()
    assert permits.ask(low_priority=True)
    permits.release()


def test_a_reader_exists_only_while_the_group_is_ours() -> None:
    """Tens of thousands of groups are known to every fetcher, and read by one."""
    made: list[Task] = []
    started: list[Turn] = []

    def make() -> Task:
        made.append(Task())
        return made[-1]

    place = Place(GROUP, make, started.append)
    place.settle(lambda: False)
    assert not made
    for _ in range(2):
        place.settle(lambda: True)
    assert [1.0] == [turn() for turn in started]
    for _ in range(2):
        place.settle(lambda: False)

    assert [[False]] == [task.ended for task in made]
    assert [None] == [turn() for turn in started]
    assert [None] == [turn.reading for turn in started]


def test_a_group_that_comes_back_has_a_new_reader() -> None:
    """The old turn may still be in the schedule, and ends by itself."""
    started: list[Turn] = []
    place = Place(GROUP, Task, started.append)
    for is_ours in (True, False, True):
        place.settle(lambda is_ours=is_ours: is_ours)  # type: ignore[misc]

    assert [None, 1.0] == [turn() for turn in started]


def test_a_group_that_is_gone_is_not_taken_up_again() -> None:
    """A division that is a moment old may still name it."""
    started: list[Turn] = []
    tasks = [Task()]
    place = Place(GROUP, lambda: tasks[0], started.append)
    place.settle(lambda: True)
    place.retire(gone=True)
    place.settle(lambda: True)

    assert [True] == tasks[0].ended
    assert 1 == len(started)
