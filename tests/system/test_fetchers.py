"""Several fetchers on one Redis: they divide the groups, and one that is killed or added costs nothing and nobody."""

import signal
from collections import Counter
from typing import Any

import redis

from tests.system.host import Host, numbered, soon

GROUPS = [f"/app/{number:02}" for number in range(12)]


def owners(client: redis.Redis) -> Counter[str]:
    """Return how many groups each fetcher has."""
    held: Any = client.hgetall("cwpipe:owners")
    return Counter(owner.decode() for owner in held.values())


def alive(client: redis.Redis) -> int:
    return int(client.zcard("cwpipe:fetchers"))


def test_fetchers_that_die_and_join_lose_nothing_and_deliver_nothing_twice(
    host: Host, redis_url: str, client: redis.Redis
) -> None:
    """Three share twelve groups; one is killed in the middle of the work, and another takes its place."""
    host.configure("/app/*", top=f'redis_url = "{redis_url}"')
    host.aws.throttle("FilterLogEvents", 25)
    said: list[str] = []

    def say(what: str) -> None:
        said.extend(numbered(40, what))
        for group in GROUPS:
            host.put(group, numbered(40, what), age_seconds=1, stream=what)

    def is_divided(fetchers: int) -> bool:
        found = owners(client)
        return len(found) == alive(client) == fetchers and found.total() == len(GROUPS) and max(found.values()) <= 6

    say("first")
    host.start()
    fetchers = [host.shell.start("fetcher", "--config", host.config) for _ in range(2)]
    soon(lambda: is_divided(3), "three fetchers divide the groups")
    say("divided")
    soon(lambda: len(host.receiver.datagrams) > 12 * 41, "some of it delivered")
    fetchers[0].process.send_signal(signal.SIGKILL)
    say("killed")
    soon(lambda: is_divided(2), "two take over from the one that was killed")
    say("taken over")
    fetchers.append(host.shell.start("fetcher", "--config", host.config))
    soon(lambda: is_divided(3), "the new one gets its part")
    say("joined")
    assert 0 == fetchers[1].end().exit_code
    say("stopped")
    for group in GROUPS:
        host.wait_delivered(group, said)

    assert {group: Counter(said) for group in GROUPS} == {group: Counter(host.delivered(group)) for group in GROUPS}
    assert 0 == host.aws.call_count("FilterLogEvents", outcome="ThrottlingException")


def test_fetchers_together_ask_for_the_groups_no_more_often_than_one(
    host: Host, redis_url: str, client: redis.Redis
) -> None:
    """Listing groups has a quota, too: what one found is there for all."""
    host.configure("/app/*", top=f'redis_url = "{redis_url}"', discovery_interval='"2s"')
    for group in GROUPS:
        host.put(group, ["hello"])
    first = host.shell.start("fetcher", "--config", host.config)
    soon(lambda: owners(client).total() == len(GROUPS), "the first has all groups")
    others = [host.shell.start("fetcher", "--config", host.config) for _ in range(3)]
    soon(lambda: len(owners(client)) == 4, "all have a part")
    host.aws.calls.clear()
    began = client.time()[0]
    soon(lambda: host.aws.call_count("DescribeLogGroups") >= 3, "they go on looking")
    seconds = client.time()[0] - began

    assert host.aws.call_count("DescribeLogGroups") <= seconds / 2 + 2
    for fetcher in (first, *others):
        assert 0 == fetcher.end().exit_code
    assert 0 == alive(client)
