"""Groups that come and go, and what goes wrong with one of them while the others are read."""

from collections.abc import Iterator

import pytest
import redis

from shared import keys, metrics, queues
from tests.eventually import eventually
from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_contents import Paging
from tests.unit.fetcher.at_work import (
    ACCOUNT,
    REGION,
    AtWork,
    a_source,
    account,
    batches,
    emptied,
    events,
    messages,
    read_once,
    state,
    twice,
)

OTHER_REGION = "us-east-1"
OTHER_ACCOUNT = "999999999999"


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def aws(server: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    return emptied(server, monkeypatch)


def say(aws: CloudWatch, group: str, *texts: str, region: str = REGION, account: str = ACCOUNT) -> None:
    """Let events arrive that happened just now."""
    aws.put(region, group, "s", [(aws.now_ms(), text) for text in texts], account=account)


def test_names_and_globs_choose_groups_in_every_region(aws: CloudWatch, client: redis.Redis) -> None:
    """A name is one group, however many begin with it; a glob has upper and lower case, as AWS has."""
    for region in (REGION, OTHER_REGION):
        for group in ("/app", "/app/2", "/aws/lambda/a", "/aws/lambda/b", "/aws/Lambda/c", "/aws/lambd"):
            say(aws, group, f"{region} {group}", region=region)
    source = a_source(aws, "/app", "/aws/lambda/*", regions=(REGION, OTHER_REGION))
    faults = read_once(client, source)

    assert {} == faults
    assert sorted(
        f"{region} {group}" for region in (REGION, OTHER_REGION) for group in ("/app", "/aws/lambda/a", "/aws/lambda/b")
    ) == messages(client)
    assert {(ACCOUNT, REGION), (ACCOUNT, OTHER_REGION)} == {
        (b.group.account_id, b.group.region) for b in batches(client)
    }


def test_discovery_reads_every_page_of_groups(aws: CloudWatch, client: redis.Redis) -> None:
    """DescribeLogGroups gives 50 at a time."""
    for number in range(120):
        say(aws, f"/many/{number:03}", str(number))

    assert {} == read_once(client, a_source(aws, "/many/*"))
    assert 120 == len(events(client))
    assert [3, 120] == [aws.call_count("DescribeLogGroups"), aws.call_count("FilterLogEvents")]


def test_the_first_source_that_matches_owns_a_group(aws: CloudWatch, client: redis.Redis) -> None:
    """Its discard rules and location count, also when the other finds the group first."""
    say(aws, "/app/a", "a")
    say(aws, "/app/b", "b")
    aws.delay("DescribeLogGroups", 0.3, times=1)
    read_once(client, a_source(aws, "/app/b", name="first"), a_source(aws, "/app/*", name="second"))

    assert {"/app/a": "second", "/app/b": "first"} == {batch.group.log_group: batch.source for batch in batches(client)}


def test_a_first_source_in_trouble_keeps_a_group_from_nobody_for_long(aws: CloudWatch, client: redis.Redis) -> None:
    """Its role may be broken for days; the second source that matches reads meanwhile."""
    say(aws, "/app", "a")
    first = a_source(aws, "/app", name="first", role_arn="arn:aws:iam::123456789012:role/none")
    faults = read_once(client, first, a_source(aws, "/app", name="second"))

    assert ["a"] == messages(client)
    assert ["source first, region eu-west-1"] == list(faults)


def test_a_group_made_while_running_is_found_and_read_from_its_creation(aws: CloudWatch, client: redis.Redis) -> None:
    """Applications make groups by writing to them; nobody restarts anything for that."""
    say(aws, "/app/old", "old")
    with AtWork(client, a_source(aws, "/app/*", only_logs_after="")):
        eventually(lambda: ["old"] == messages(client))
        say(aws, "/app/new", "new")
        aws.put(REGION, "/app/new", "s", [(aws.now_ms() - 60_000, "a minute before the group")])
        eventually(lambda: 3 == len(events(client)))

    assert ["a minute before the group", "new", "old"] == messages(client)


def test_a_group_that_is_deleted_is_let_go_and_taken_up_again(aws: CloudWatch, client: redis.Redis) -> None:
    """Its fault goes with it: an alarm that nobody can clear teaches operators to look away."""
    say(aws, "/app/a", "a")
    say(aws, "/app/b", "b")
    with AtWork(client, a_source(aws, "/app/*")) as work:
        eventually(lambda: 2 == len(events(client)))
        aws.remove_group(REGION, "/app/a")
        eventually(lambda: 1 == len(work.fetching.owners))
        eventually(lambda: not work.faults)
        aws.calls.clear()
        eventually(lambda: 5 < aws.call_count("FilterLogEvents"))
        gone = aws.call_count("FilterLogEvents", group="/app/a")
        say(aws, "/app/a", "again")
        eventually(lambda: "again" in messages(client))
        eventually(lambda: "" == state(client, "/app/a").fault)

    assert gone <= 1
    assert ["a", "again", "b"] == messages(client)


def test_a_name_that_does_not_exist_is_at_fault_until_it_does(aws: CloudWatch, client: redis.Redis) -> None:
    """A misspelt name must not look like a quiet group; in one region of several it may be missing."""
    say(aws, "/app", "here")
    source = a_source(aws, "/app", "/typo", regions=(REGION, OTHER_REGION))
    with AtWork(client, source) as work:
        eventually(lambda: work.faults)

        assert ["group /typo, source s"] == list(work.faults)
        assert "no log group of this name in eu-west-1, us-east-1: correct" in work.faults["group /typo, source s"]
        say(aws, "/typo", "there", region=OTHER_REGION)
        eventually(lambda: not work.faults)
        eventually(lambda: ["here", "there"] == messages(client))


@pytest.mark.parametrize("log_class", ["INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS"])
def test_a_group_that_nobody_can_read_is_named(aws: CloudWatch, client: redis.Redis, log_class: str) -> None:
    """Its class is known before the first call; the groups beside it are read."""
    aws.create_group(REGION, "/app/cheap", log_class=log_class)
    say(aws, "/app/a", "a")
    faults = read_once(client, a_source(aws, "/app/*"))

    assert ["group /app/cheap, source s, region eu-west-1"] == list(faults)
    assert f"is of class {log_class}" in next(iter(faults.values()))
    assert ["a"] == messages(client)
    assert 0 == aws.call_count("FilterLogEvents", group="/app/cheap")


def test_the_fault_of_an_unreadable_group_ends_with_the_group(aws: CloudWatch, client: redis.Redis) -> None:
    """Deleted, and made again in the class that can be read."""
    aws.create_group(REGION, "/app/cheap", log_class="INFREQUENT_ACCESS")
    with AtWork(client, a_source(aws, "/app/*")) as work:
        eventually(lambda: work.faults)
        aws.remove_group(REGION, "/app/cheap")
        eventually(lambda: not work.faults)
        say(aws, "/app/cheap", "dear now")
        eventually(lambda: ["dear now"] == messages(client))


def test_a_denied_group_stops_no_other_and_is_read_once_it_is_allowed(aws: CloudWatch, client: redis.Redis) -> None:
    """The policy of one group is an everyday fault; status names it, with what to allow."""
    for group in ("/app/a", "/app/b", "/app/c"):
        say(aws, group, group)
    denial = aws.fail("FilterLogEvents", "AccessDeniedException", group="/app/b")
    with AtWork(client, a_source(aws, "/app/*"), threads=1) as work:
        eventually(lambda: ["/app/a", "/app/c"] == messages(client) and work.faults)
        say(aws, "/app/a", "later")
        eventually(lambda: "later" in messages(client))

        assert ["group /app/b, source s, region eu-west-1"] == list(work.faults)
        eventually(lambda: "allow logs:FilterLogEvents" in state(client, "/app/b").fault)
        assert 1 == metrics.GROUPS_FAULTY._value.get()
        denial.cancel()
        eventually(lambda: "/app/b" in messages(client))
        eventually(lambda: not work.faults and "" == state(client, "/app/b").fault)
    assert 0 == metrics.GROUPS_FAULTY._value.get()


def test_groups_of_one_name_in_two_accounts_fail_apart(
    aws: CloudWatch, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them being read must not clear the fault of the other: --once would end well with a group unread."""
    aws.add_role(f"arn:aws:iam::{OTHER_ACCOUNT}:role/logs")
    say(aws, "/app", "mine")
    say(aws, "/app", "theirs", account=OTHER_ACCOUNT)
    aws.fail("FilterLogEvents", "AccessDeniedException", account=OTHER_ACCOUNT)
    sources = (
        a_source(aws, "/app", name="mine"),
        a_source(aws, "/app", name="theirs", role_arn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/logs"),
    )
    with AtWork(client, *sources, once=True, threads=1) as work:
        aws.delay("FilterLogEvents", 0.3, group="/app", times=1)

    assert ["group /app, source theirs, region eu-west-1"] == list(work.faults)
    assert ["mine"] == messages(client)


def test_exact_names_are_read_where_listing_is_denied(aws: CloudWatch, client: redis.Redis) -> None:
    """A least-privilege policy may allow reading alone; the account then comes from STS."""
    say(aws, "/app", "a")
    aws.fail("DescribeLogGroups", "AccessDeniedException")

    assert {} == read_once(client, a_source(aws, "/app"))
    assert ["a"] == messages(client)
    assert {ACCOUNT} == {batch.group.account_id for batch in batches(client)}


def test_a_glob_that_may_not_be_listed_keeps_no_exact_name_from_being_read(
    aws: CloudWatch, client: redis.Redis
) -> None:
    """Whatever their order in the settings; what the glob stands for is unknown, so the source is at fault."""
    say(aws, "/app", "a")
    aws.fail("DescribeLogGroups", "AccessDeniedException")
    faults = read_once(client, a_source(aws, "/aws/*", "/app"))

    assert ["source s, region eu-west-1"] == list(faults)
    assert faults["source s, region eu-west-1"].endswith(
        f"allow logs:DescribeLogGroups on arn:aws:logs:{REGION}:{ACCOUNT}:log-group:* in the IAM policy of these credentials"
    )
    assert ["a"] == messages(client)


def test_a_look_for_groups_that_was_denied_lets_go_of_none(aws: CloudWatch, client: redis.Redis) -> None:
    """Somebody changes a policy: what was found before is still there to be read."""
    say(aws, "/aws/a", "a")
    say(aws, "/app", "b")
    with AtWork(client, a_source(aws, "/app", "/aws/*")) as work:
        eventually(lambda: ["a", "b"] == messages(client))
        aws.fail("DescribeLogGroups", "AccessDeniedException")
        eventually(lambda: work.faults)
        say(aws, "/aws/a", "later")
        eventually(lambda: "later" in messages(client))


@pytest.mark.parametrize(
    "trouble", ["garble", "disconnect", "cut", "ServiceUnavailableException", "ThrottlingException"]
)
def test_an_answer_that_is_no_list_of_groups_is_waited_for(aws: CloudWatch, client: redis.Redis, trouble: str) -> None:
    """botocore takes half an answer for an empty one: taken for no groups, --once would end well with nothing read."""
    say(aws, "/app/a", "a")
    if trouble == "garble":
        aws.garble("DescribeLogGroups", times=3)
    elif trouble in {"disconnect", "cut"}:
        aws.disconnect("DescribeLogGroups", mid_body=trouble == "cut", times=3)
    else:
        aws.fail("DescribeLogGroups", trouble, times=3)

    assert {} == read_once(client, a_source(aws, "/app/*"))
    assert ["a"] == messages(client)


def test_throttling_is_waited_for_even_by_once(aws: CloudWatch, client: redis.Redis) -> None:
    """The quota is shared with consoles and dashboards: to be refused is no failure, however often."""
    aws.paging = Paging(page_events=10)
    for group in ("/app/a", "/app/b"):
        say(aws, group, *map(str, range(50)))
    aws.throttle("FilterLogEvents", 20, burst=1)
    faults = read_once(client, a_source(aws, "/app/*"))

    assert {} == faults
    assert 100 == len(events(client))
    assert 0 < aws.call_count("FilterLogEvents", outcome="ThrottlingException")


@pytest.mark.parametrize("trouble", ["garble", "disconnect", "cut", "ServiceUnavailableException", "InternalFailure"])
def test_a_group_in_passing_trouble_is_read_whole_by_once(aws: CloudWatch, client: redis.Redis, trouble: str) -> None:
    """AWS's own faults pass; the events behind them are there."""
    aws.paging = Paging(page_events=10)
    say(aws, "/app", *map(str, range(30)))
    if trouble == "garble":
        aws.garble("FilterLogEvents", times=5)
    elif trouble in {"disconnect", "cut"}:
        aws.disconnect("FilterLogEvents", mid_body=trouble == "cut", times=5)
    else:
        aws.fail("FilterLogEvents", trouble, times=5)

    assert {} == read_once(client, a_source(aws, "/app"))
    assert 30 == len(events(client))


def test_fetching_pauses_at_the_byte_budget_and_goes_on_when_batches_are_done(
    aws: CloudWatch, client: redis.Redis
) -> None:
    """CloudWatch is the buffer: Redis must never be full. What the threads are reading may still come in."""
    aws.paging = Paging(page_events=3)
    say(aws, "/app", *(f"{number} {hash((number, n))}" * 20 for number in range(60) for n in range(5)))
    delivered: set[str] = set()
    with AtWork(client, a_source(aws, "/app"), once=True, queued_bytes=2000) as work:
        eventually(lambda: not work.fetching.may_go_on())
        _wait_for_looks(client)
        calls = aws.call_count("FilterLogEvents")
        _wait_for_looks(client)

        assert calls == aws.call_count("FilterLogEvents")
        assert len(events(client)) < 300
        while len(delivered) < 300:
            delivered.update(_deliver(client))
            eventually(lambda: len(delivered) == 300 or batches(client))

    assert 300 == account(client).fetched
    assert {} == work.faults


def _wait_for_looks(client: redis.Redis) -> None:
    """Wait until the fetcher has looked at the budget a few times."""

    def looks() -> int:
        return int(client.info("commandstats")["cmdstat_hmget"]["calls"])

    before = looks()
    eventually(lambda: looks() > before + 3)


def _deliver(client: redis.Redis) -> set[str]:
    """Do away with the batches on the queue, as those who work on them do; return the ids of their events."""
    found = batches(client)
    for batch in found:
        payload = queues.take(client, queues.RAW, batch.batch_id) or b""
        queues.finish(client, queues.RAW, batch.batch_id, len(payload), _record_nothing)
    return {event.event_id for batch in found for event in batch.events}


def _record_nothing(pipe: redis.client.Pipeline) -> None:
    """The books are not looked at afterwards."""


def test_a_fault_is_not_taken_back_by_a_pause(aws: CloudWatch, client: redis.Redis) -> None:
    """While the queues are full nothing is read, so nobody can say that a group can be read again."""
    say(aws, "/app", "a")
    aws.fail("FilterLogEvents", "AccessDeniedException")
    with AtWork(client, a_source(aws, "/app"), queued_bytes=1000) as work:
        eventually(lambda: work.faults)
        client.hset(keys.BYTES, "dead_letters", 2000)
        eventually(lambda: not work.fetching.may_go_on())
        calls = aws.call_count("FilterLogEvents")
        looks = aws.call_count("DescribeLogGroups")
        eventually(lambda: aws.call_count("DescribeLogGroups") > looks + 5)

        assert ["group /app, source s, region eu-west-1"] == list(work.faults)
        assert aws.call_count("FilterLogEvents") <= calls + 1


def test_two_fetchers_in_everyday_life_double_nothing(aws: CloudWatch, client: redis.Redis) -> None:
    """Started twice by mistake, or both sides of a move: the books stay exact."""
    aws.paging = Paging(page_events=10, empty_pages=3)
    source = a_source(aws, "/app/*")
    with AtWork(client, source), AtWork(client, source):
        for number in range(20):
            for group in ("/app/a", "/app/b"):
                say(aws, group, *(f"{number} {n}" for n in range(15)))
        eventually(lambda: 600 <= len(events(client)))

    assert 600 == len(events(client))
    assert set() == twice(client)
    assert 600 == account(client).fetched - account(client).duplicates
