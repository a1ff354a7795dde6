"""Many groups on a small quota, and several fetchers on the same groups: fair, and nobody waits for a stranger."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from time import monotonic

import pytest
import redis

from services.fetcher import search
from services.fetcher.leases import Leases
from shared import keys
from shared.aws.limiter import Limiter
from tests.eventually import eventually
from tests.standins.cloudwatch import CloudWatch
from tests.unit.fetcher.at_work import AtWork, a_source, an_api, emptied, events, messages, twice

#: Four calls a second.
SLOW = "eu-central-1"
#: Twenty.
FAST = "us-east-1"


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def aws(server: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    return emptied(server, monkeypatch)


@contextmanager
def started(leases: Leases) -> Iterator[None]:
    """Take part in the division, whatever becomes of the test: it would go on beside all that follow."""
    leases.start()
    try:
        yield
    finally:
        leases.stop()


def say(aws: CloudWatch, group: str, *texts: str, region: str) -> None:
    """Let events arrive that happened just now."""
    aws.put(region, group, "s", [(aws.now_ms(), text) for text in texts])


def calls(aws: CloudWatch) -> Counter[str]:
    """Return how often each group was read."""
    return Counter(call.group for call in aws.calls if call.operation == "FilterLogEvents")


def test_a_backlog_takes_no_more_turns_than_any_other_group(aws: CloudWatch, client: redis.Redis) -> None:
    """Four calls a second among eleven groups, one of which would take them all for an hour."""
    aws.paging.page_events = 5
    now_ms = aws.now_ms()
    aws.put(SLOW, "/app/backlog", "s", [(now_ms - 10_000 + n, f"{n}") for n in range(5_000)])
    for number in range(10):
        say(aws, f"/app/{number}", f"of {number}", region=SLOW)
    source = a_source(aws, "/app/*", regions=(SLOW,))
    with AtWork(client, source, limiter=Limiter(client, 0.8)):
        eventually(lambda: {f"of {number}" for number in range(10)} <= set(messages(client)))
        eventually(lambda: len(aws.calls) > 44)
    found = calls(aws)

    assert 11 == len(found)
    assert found["/app/backlog"] <= 3 * min(found.values()) + 8


def test_a_region_at_its_quota_does_not_hold_up_another(aws: CloudWatch, client: redis.Redis) -> None:
    """Thirty groups wait for permits here, and two threads are all there are."""
    for number in range(30):
        say(aws, f"/app/{number}", f"{number}", region=SLOW)
    say(aws, "/app/other", "other", region=FAST)
    source = a_source(aws, "/app/*", regions=(SLOW, FAST), poll_interval=50)
    with AtWork(client, source, limiter=Limiter(client, 0.8), threads=2):
        eventually(lambda: aws.call_count("FilterLogEvents", region=FAST) >= 10)
        slow = aws.call_count("FilterLogEvents", region=SLOW)
        for number in range(5):
            say(aws, "/app/other", f"more {number}", region=FAST)
            eventually(lambda number=number: f"more {number}" in messages(client, "/app/other"))  # type: ignore[misc]

    assert slow <= 30


def test_a_group_in_trouble_keeps_no_permits_from_the_others(aws: CloudWatch, client: redis.Redis) -> None:
    """Each of its failures is a call, but it is left alone for longer and longer."""
    aws.fail("FilterLogEvents", "AccessDeniedException", group="/app/bad")
    say(aws, "/app/bad", "bad", region=FAST)
    say(aws, "/app/good", "good", region=FAST)
    with AtWork(client, a_source(aws, "/app/*", regions=(FAST,)), limiter=Limiter(client, 0.8)) as work:
        eventually(lambda: calls(aws)["/app/good"] >= 20)
        for number in range(3):
            say(aws, "/app/good", f"more {number}", region=FAST)
        eventually(lambda: "more 2" in messages(client, "/app/good"))

        assert any("/app/bad" in what for what in work.faults)


def test_being_throttled_by_somebody_else_slows_all_and_stops_nobody(aws: CloudWatch, client: redis.Redis) -> None:
    """Grafana takes most of the quota: one call in two seconds is left for us."""
    aws.throttle("FilterLogEvents", 0.5, burst=1)
    for number in range(3):
        say(aws, f"/app/{number}", f"{number}", region=SLOW)
    with AtWork(client, a_source(aws, "/app/*", regions=(SLOW,)), limiter=Limiter(client, 0.8)):
        eventually(lambda: 3 == len(events(client)), 60)
        throttled = aws.call_count("FilterLogEvents", outcome="ThrottlingException")
        (key,) = [key for key in client.keys(keys.permits("*")) if b"FilterLogEvents" in key]
        factor = float(client.hget(key, "factor") or 1)

    assert 1 <= throttled <= 20
    assert factor < 1


def test_an_idle_group_costs_less_and_less_and_wakes_up(aws: CloudWatch, client: redis.Redis) -> None:
    """One call a look; the first event ends the quiet."""
    say(aws, "/app", "first", region=FAST)
    source = a_source(aws, "/app", regions=(FAST,), poll_interval=20, max_poll_interval=60_000)
    with AtWork(client, source):
        eventually(lambda: aws.call_count("FilterLogEvents") >= 25)
        times = [call.at_seconds for call in aws.calls if call.operation == "FilterLogEvents"]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        say(aws, "/app", "second", region=FAST)
        eventually(lambda: ["first", "second"] == messages(client))
        woke = aws.call_count("FilterLogEvents")
        eventually(lambda: aws.call_count("FilterLogEvents") >= woke + 5)

    assert gaps[-1] > 3 * min(gaps[:5])


def test_with_once_nobody_waits_for_a_pace(aws: CloudWatch, client: redis.Redis) -> None:
    """Two hundred groups with a poll interval of an hour."""
    for number in range(200):
        say(aws, f"/app/{number:03}", f"{number}", region=FAST)
    began = monotonic()
    with AtWork(client, a_source(aws, "/app/*", regions=(FAST,), poll_interval=3_600_000), once=True):
        pass

    assert 200 == len(events(client))
    assert monotonic() - began < 30


def test_two_fetchers_read_each_group_by_one_and_pass_it_on(aws: CloudWatch, client: redis.Redis) -> None:
    """What one leaves, the other takes up where it was."""
    groups = [f"/app/{number}" for number in range(8)]
    for group in groups:
        say(aws, group, "first", region=FAST)
    source = a_source(aws, "/app/*", regions=(FAST,), discovery_interval=1_000)
    leases = [Leases(client, "s") for _ in range(2)]
    with started(leases[0]), AtWork(client, source, leases=leases[0]) as one:
        eventually(lambda: 8 == len(events(client)))
        with AtWork(client, source, leases=leases[1]), started(leases[1]):
            eventually(lambda: {4} == set(Counter(client.hvals(keys.OWNERS)).values()))
            for group in groups:
                say(aws, group, "second", region=FAST)
            eventually(lambda: 16 == len(events(client)))
            leases[0].stop()
            one.stop.set()
            for group in groups:
                say(aws, group, "third", region=FAST)
            eventually(lambda: 24 == len(events(client)))

    assert set() == twice(client)


def test_what_one_fetcher_found_another_need_not_look_for(aws: CloudWatch, client: redis.Redis) -> None:
    """While one looks, the others wait; what was found counts for an interval."""
    say(aws, "/app", "a", region=FAST)
    source = a_source(aws, "/app", regions=(FAST,), discovery_interval=60_000)
    one, other = (search.SharedSearch(client, source, an_api(source, FAST)) for _ in range(2))
    (looking,) = [keys.looking(one._name)]
    client.set(looking, 1)
    waiting = other.look(anew=False)
    client.delete(looking)
    found = [one.look(anew=False), other.look(anew=False)]
    once = aws.call_count("DescribeLogGroups")
    anew = one.look(anew=True)

    assert waiting is None
    assert [["/app"]] * 3 == [[group.name for group in look.groups] for look in (*found, anew) if look]
    assert [1, 2] == [once, aws.call_count("DescribeLogGroups")]
    assert 50 < other.seconds_to_wait() <= 60


def test_a_search_that_failed_is_nobody_elses(aws: CloudWatch, client: redis.Redis) -> None:
    """The next fetcher looks for itself; nonsense in its place is looked past."""
    say(aws, "/app", "a", region=FAST)
    source = a_source(aws, "/app*", regions=(FAST,), discovery_interval=60_000)
    one = search.SharedSearch(client, source, an_api(source, FAST))
    aws.fail("DescribeLogGroups", "AccessDeniedException", times=1)
    denied = one.look(anew=False)
    client.set(keys.found(one._name), b"nonsense")
    found = one.look(anew=False)

    assert denied is not None
    assert denied.denied is not None
    assert found is not None
    assert ["/app"] == [group.name for group in found.groups]
    assert not client.exists(keys.looking(one._name))
