"""Permits while Redis is away: a share of the quota, by this process's own clock."""

import threading
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.aws.limiter import AWAY_SECONDS, Lane, Limiter
from shared.aws.quotas import quota


class ManualClock:
    """Time that goes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def away(clock: ManualClock, share: float = 0.8, stop: threading.Event | None = None) -> Limiter:
    """Return a limiter whose Redis does not answer."""
    nowhere = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    return Limiter(nowhere, share, stop, clock)


def a_lane(limiter: Limiter) -> Lane:
    return limiter.lane("123456789012", "us-east-1", "FilterLogEvents")


def permits_in(lane: Lane, clock: ManualClock, seconds: float) -> int:
    """Return how many permits one gets who asks a hundred times a second."""
    got = 0
    for _ in range(round(seconds * 100)):
        if lane.reserve():
            assert lane.enter()
            got += 1
        clock.seconds += 0.01
    return got


@pytest.mark.parametrize("members", [1, 4])
def test_without_redis_each_fetcher_has_its_part_of_the_rate_and_no_more(members: int) -> None:
    """Neither a storm nor a standstill; how many share was known before."""
    clock = ManualClock()
    limiter = away(clock)
    limiter.members = lambda: members
    expected = quota("FilterLogEvents", "us-east-1") * 0.8 * 30 / members

    assert 0.8 * expected <= permits_in(a_lane(limiter), clock, 30) <= expected + 2


def test_without_redis_nothing_of_low_priority_goes_out() -> None:
    """Who knows what others need."""
    assert not a_lane(away(ManualClock())).reserve(low_priority=True)


def test_redis_is_not_asked_for_each_permit_while_it_is_away() -> None:
    """Each asking may take as long as a connection takes to fail."""
    clock = ManualClock()
    limiter, asked = away(clock), []
    script = limiter._script
    limiter._script = lambda **arguments: (asked.append(clock()), script(**arguments))  # type: ignore[assignment,func-returns-value]
    permits_in(a_lane(limiter), clock, 10)

    assert len(asked) <= 10 / AWAY_SECONDS + 1


def test_a_share_of_nothing_means_no_limit() -> None:
    """For servers that are not AWS's."""
    lane = a_lane(away(ManualClock(), share=0))

    assert all(lane.reserve() and lane.enter() for _ in range(10_000))
    assert 50 == lane.reserve_up_to(50)
    assert lane.reserve(low_priority=True)
    assert 0.0 == lane.seconds_to_wait()


def test_who_waits_for_a_permit_hears_the_stop() -> None:
    """A service that is stopped is not held up by a slow quota."""
    stop = threading.Event()
    lane = a_lane(away(ManualClock(), stop=stop))
    assert lane.enter()
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(lane.enter()))
    thread.start()
    time.sleep(0.05)
    stop.set()
    thread.join(10)

    assert [False] == answers


def test_the_same_names_are_the_same_bucket() -> None:
    """Two sources of one account share what the account may do."""
    limiter = away(ManualClock())

    assert a_lane(limiter) is a_lane(limiter)
    assert a_lane(limiter) is not limiter.lane("123456789012", "us-east-1", "DescribeLogGroups")
    assert a_lane(limiter) is not limiter.lane("123456789012", "eu-west-1", "FilterLogEvents")
