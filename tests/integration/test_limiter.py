"""The limiter on a real Valkey: what passes, who comes first, and what happens when AWS throttles all the same."""

import subprocess
import sys
import time
from itertools import pairwise
from time import monotonic

import pytest
import redis

from shared import keys, store
from shared.aws.limiter import STOCK_SECONDS, Lane, Limiter
from shared.aws.quotas import quota
from tests.standins.cloudwatch import CloudWatch
from tests.unit.forwarder.processes import ROOT

ACCOUNT = "123456789012"
SLOW = "eu-central-1"
FAST = "us-east-1"


def a_lane(client: redis.Redis, region: str = FAST, share: float = 0.8) -> Lane:
    """Return the way of one fetcher to a bucket that others may share."""
    return Limiter(client, share).lane(ACCOUNT, region, "FilterLogEvents")


def take(lane: Lane, *, low_priority: bool = False) -> bool:
    return lane.reserve(low_priority=low_priority) and lane.enter()


def empty(lane: Lane) -> None:
    """Take what there is."""
    while take(lane):
        pass


def test_processes_together_stay_below_the_quota_and_use_most_of_their_share(
    redis_url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three that call as fast as they can, against a server that refuses what is over the quota."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    allowed = quota("FilterLogEvents", FAST)
    with CloudWatch() as aws:
        aws.create_group(FAST, "/app")
        aws.throttle("FilterLogEvents", allowed)
        command = [sys.executable, "-m", "tests.integration.limited_caller", redis_url, aws.endpoint_url, FAST, "8"]
        callers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(3)]
        outs = [caller.communicate(timeout=120)[0] for caller in callers]
        times = [call.at_seconds for call in aws.calls if call.operation == "FilterLogEvents"]
        throttled = aws.call_count("FilterLogEvents", outcome="ThrottlingException")
    seconds = times[-1] - times[0]
    most = max(sum(begin <= at < begin + 1 for at in times) for begin in times)
    sys.stdout.write(
        f"{len(times) / seconds:.1f} calls a second of {allowed}, at most {most} in one second, {throttled} throttled\n"
    )

    assert [b"0", b"0", b"0"] == [out.strip() for out in outs]
    assert 0 == throttled
    assert len(times) <= 0.8 * allowed * seconds + 10
    assert len(times) >= 0.5 * 0.8 * allowed * seconds
    assert most <= 1.2 * allowed


def test_buckets_of_accounts_and_regions_do_not_know_each_other(client: redis.Redis) -> None:
    """Each has a quota of its own."""
    limiter = Limiter(client, 0.8)
    here = limiter.lane(ACCOUNT, SLOW, "FilterLogEvents")
    empty(here)

    assert not here.reserve()
    assert limiter.lane("999999999999", SLOW, "FilterLogEvents").reserve()
    assert limiter.lane(ACCOUNT, FAST, "FilterLogEvents").reserve()
    assert limiter.lane(ACCOUNT, SLOW, "DescribeLogGroups").reserve()


def test_a_permit_that_one_fetcher_took_is_not_there_for_another(client: redis.Redis) -> None:
    """They share what the account may do."""
    one, other = a_lane(client, SLOW), a_lane(client, SLOW)
    empty(one)

    assert not other.reserve()
    assert 0 < other.seconds_to_wait() <= 0.5


def test_permits_in_hand_are_good_for_a_second(client: redis.Redis) -> None:
    """Hoarded ones would come on top of what the bucket holds by then, all at once."""
    lane = a_lane(client, share=0.5)
    got = lane.reserve_up_to(3)
    for _ in range(got):
        lane.release()
    at_once = lane.seconds_to_wait()
    time.sleep(STOCK_SECONDS + 0.1)
    client.hset(lane.key, mapping={"tokens": "-20"})

    assert [3, 0.0] == [got, at_once]
    assert 0 == lane.reserve_up_to(3)


def test_low_priority_passes_while_there_is_plenty(client: redis.Redis) -> None:
    """Sweeps use what the tail leaves."""
    lane = a_lane(client, share=0.5)

    assert take(lane, low_priority=True)
    empty(lane)
    assert not take(lane, low_priority=True)


def test_low_priority_gets_a_tenth_where_the_rest_would_take_all(client: redis.Redis) -> None:
    """It does not come to a standstill, and the tail hardly feels it."""
    tail, sweep = a_lane(client), a_lane(client)
    passed = low = 0
    end = monotonic() + 8
    while monotonic() < end:
        passed += take(tail)
        low += take(sweep, low_priority=True)
        time.sleep(0.002)

    assert 5 <= low <= 0.25 * passed


def test_throttling_halves_the_rate_for_all_at_most_once_a_second(client: redis.Redis) -> None:
    """Three fetchers that are throttled together are one reason to slow down, not three."""
    lanes = [a_lane(client) for _ in range(3)]
    assert take(lanes[0])
    for lane in lanes:
        lane.throttled()
    (key,) = client.keys(keys.permits("*"))
    factor = float(client.hget(key, "factor") or 1)

    assert 0.5 <= factor < 0.55
    assert not any(lane.reserve() for lane in lanes)


def test_a_bucket_that_is_throttled_again_and_again_still_lets_something_through(client: redis.Redis) -> None:
    """And recovers by itself, slowly."""
    lane = a_lane(client)
    assert take(lane)
    for _ in range(4):
        lane.throttled()
        client.hset(lane.key, "slowed", "0")
    slowed = float(client.hget(lane.key, "factor") or 1)
    client.hincrbyfloat(lane.key, "at", -200)
    assert take(lane)

    assert 0.1 <= slowed <= 0.2
    assert 1.0 == float(client.hget(lane.key, "factor") or 0)


def test_redis_coming_back_ends_the_emergency(redis_url: str, client: redis.Redis) -> None:
    """A bucket is not forgotten, nor filled, by an outage."""
    lane = a_lane(client, SLOW)
    empty(lane)
    store.connect(redis_url).script_flush()  # as a restart does
    times = []
    end = monotonic() + 3
    while monotonic() < end:
        if take(lane):
            times.append(monotonic())
        time.sleep(0.005)

    assert 3 <= len(times) <= 4 * 3 + 2
    assert all(later > earlier for earlier, later in pairwise(times))
