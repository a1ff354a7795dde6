"""Groups divided by fetchers that come, leave and die, on a real Valkey."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Any

import pytest
import redis

from services.fetcher import division
from services.fetcher.leases import FORGET_SECONDS, Leases
from shared import keys
from tests.eventually import eventually
from tests.unit.forwarder.processes import ROOT

GROUPS = 600
#: A hand-over takes up to ten seconds: eight until the dead one is missed, two until somebody looks.
HAND_OVER_SECONDS = 20.0


def owners(client: redis.Redis) -> dict[str, str]:
    held: Any = client.hgetall(keys.OWNERS)
    return {group.decode(): owner.decode() for group, owner in held.items()}


def is_divided(client: redis.Redis, pids: set[int]) -> bool:
    """Say whether these processes, and no others, have all groups, each its part and each group once."""
    found = {int(pid): json.loads(ours) for pid, ours in client.hgetall("test:ours").items()}
    if not pids <= found.keys():
        return False
    counts, sums = [found[pid][0] for pid in pids], [found[pid][1] for pid in pids]
    each = GROUPS / len(pids)
    return bool(sum(counts) == GROUPS and sum(sums) == sum(range(GROUPS)) and max(counts) <= 1.25 * each + 1)


@contextmanager
def holder(redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that takes part, and kill it in the end."""
    command = [sys.executable, "-m", "tests.integration.lease_holder", redis_url, str(GROUPS)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_processes_that_join_die_and_leave_pass_the_groups_on_within_seconds(
    redis_url: str, client: redis.Redis
) -> None:
    """The measured times are printed: how long a group was without a reader, or a new fetcher without work."""
    with ExitStack() as stack:
        processes = [stack.enter_context(holder(redis_url)) for _ in range(3)]
        pids = {process.pid for process in processes}
        eventually(lambda: is_divided(client, pids), 60)

        began = monotonic()
        processes[0].kill()
        pids.remove(processes[0].pid)
        eventually(lambda: is_divided(client, pids), 60)
        died = monotonic() - began

        began = monotonic()
        processes.append(stack.enter_context(holder(redis_url)))
        pids.add(processes[-1].pid)
        eventually(lambda: is_divided(client, pids), 60)
        joined = monotonic() - began

        began = monotonic()
        processes[1].send_signal(signal.SIGTERM)
        pids.remove(processes[1].pid)
        eventually(lambda: is_divided(client, pids), 60)
        left = monotonic() - began
    sys.stdout.write(
        f"hand-over of {GROUPS // 3} groups: killed {died:.1f} s, joined {joined:.1f} s, stopped {left:.1f} s\n"
    )

    assert max(died, joined, left) < HAND_OVER_SECONDS
    assert left < died


def test_a_fetcher_that_froze_gives_up_what_others_took_meanwhile(redis_url: str, client: redis.Redis) -> None:
    """A host that was suspended wakes up in the belief that nothing happened."""
    with holder(redis_url) as one, holder(redis_url) as other:
        eventually(lambda: is_divided(client, {one.pid, other.pid}), 60)
        one.send_signal(signal.SIGSTOP)
        eventually(lambda: {GROUPS} == set(Counter(owners(client).values()).values()), 60)
        one.send_signal(signal.SIGCONT)
        eventually(lambda: is_divided(client, {one.pid, other.pid}), 60)
        held = Counter(owners(client).values())

    assert 2 == len(held)


def test_a_fetcher_alone_has_all_groups_at_once(client: redis.Redis) -> None:
    """Nobody waits for a division that there is nobody to make with."""
    changes: list[int] = []
    leases = Leases(client, "s")
    leases.changed = lambda: changes.append(1)
    for group in ("a", "b"):
        leases.know(group)
    leases.look()

    assert leases.is_ours("a")
    assert leases.is_ours("b")
    assert not leases.is_ours("c")
    assert [1] == changes


def test_the_table_is_read_only_when_it_changed(client: redis.Redis) -> None:
    """With tens of thousands of groups it is the larger part of a look."""
    leases = [Leases(client, "s") for _ in range(2)]
    for one in leases:
        for number in range(100):
            one.know(f"g{number}")
        one.look()
    for one in leases * 2:
        one.look()
    before = client.info("commandstats").get("cmdstat_hgetall", {}).get("calls", 0)
    for one in leases * 10:
        one.look()
    after = client.info("commandstats").get("cmdstat_hgetall", {}).get("calls", 0)

    assert before == after
    assert 48 <= min(Counter(owners(client).values()).values())


def test_two_that_divide_at_once_agree(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """One writer wins; the other reads, and divides again what is left."""
    one, other = Leases(client, "s"), Leases(client, "s")
    one.look()
    other.look()
    write = one._write

    def late(changed: dict[str, str], over: list[str]) -> bool:
        other.know("x")
        other.look()
        return write(changed, over)

    one.know("a")
    monkeypatch.setattr(one, "_write", late)
    one.look()
    other.look()

    assert {"a", "x"} == owners(client).keys()
    for group, owner in owners(client).items():
        assert [owner] == [leases.member for leases in (one, other) if leases.is_ours(group)]


def test_a_group_that_becomes_known_while_others_are_divided_is_divided_at_the_next_look(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with the comparison of loads, half a minute later: it may be one that another fetcher has too many of."""
    one, other = sorted((Leases(client, "s"), Leases(client, "s")), key=lambda leases: leases.member)
    for number in range(8):
        other.know(f"{number}")
    other.look()
    changes = division.changes

    def slow(*arguments: Any) -> dict[str, str]:
        for number in range(8):
            one.know(f"{number}")
        return changes(*arguments)

    monkeypatch.setattr(division, "changes", slow)
    one.look()
    monkeypatch.setattr(division, "changes", changes)
    one.look()

    assert {one.member: 4, other.member: 4} == Counter(owners(client).values())


def test_fetchers_with_other_sources_do_not_get_each_others_groups(client: redis.Redis) -> None:
    """Half of an upgrade is done: the old generation cannot read what it does not know."""
    old, new = Leases(client, "old"), Leases(client, "new")
    old.know("both")
    old.look()
    for group in ("both", "added"):
        new.know(group)
    new.look()

    assert {"both": old.member, "added": new.member} == owners(client)
    old.stop()
    new.look()
    assert {new.member} == set(owners(client).values())


def test_heavy_groups_are_divided_by_what_they_cost(client: redis.Redis) -> None:
    """Ten busy groups among a hundred idle ones are not left on one fetcher."""
    one, other = Leases(client, "s"), Leases(client, "s")
    for number in range(110):
        one.know(f"g{number:03}")
    one.look()
    for number in range(10):
        one.weigh(f"g{number:03}", 600.0)
    one.look()
    for number in range(110):
        other.know(f"g{number:03}")
    for _ in range(2):
        other.look()
        one.look()
    busy = Counter(owners(client)[f"g{number:03}"] for number in range(10))

    assert {one.member: 5, other.member: 5} == dict(busy)


def test_the_owner_of_a_group_that_is_gone_is_forgotten(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later, as others may not have heard of it yet; the table does not grow for ever."""
    leases = Leases(client, "s")
    leases.know("stays")
    leases.know("gone")
    leases.look()
    leases.forget("gone")
    leases.know("new")
    leases.look()
    kept = set(owners(client))
    later = monotonic() + FORGET_SECONDS + 1
    monkeypatch.setattr("services.fetcher.leases.monotonic", lambda: later)
    leases.look()

    assert {"stays", "gone", "new"} == kept
    assert {"stays", "new"} == set(owners(client))


def test_groups_stay_with_their_reader_while_redis_is_away(redis_url: str, client: redis.Redis) -> None:
    """It cannot commit meanwhile, but need not begin anew after."""
    leases = Leases(client, "s")
    leases.know("a")
    leases.look()
    broken = redis.Redis(host="127.0.0.1", port=1)
    leases._client, leases._beat = broken, broken.register_script("return 1")
    leases.look()

    assert leases.is_ours("a")


def test_a_table_that_was_lost_is_made_anew(client: redis.Redis) -> None:
    """A Redis that lost its data has lost the division with it."""
    leases = Leases(client, "s")
    leases.know("a")
    leases.look()
    client.flushall()
    leases.look()

    assert {"a": leases.member} == owners(client)


def test_a_fetcher_with_a_time_in_the_future_does_not_live_for_ever(client: redis.Redis) -> None:
    """Redis's clock was set back: whoever spoke before it would be alive until the old time comes round."""
    client.zadd(keys.FETCHERS, {"ghost|s": time.time() + 3_600})
    leases = Leases(client, "s")
    leases.know("a")
    leases.look()

    assert 1 == leases.members()
    assert leases.is_ours("a")
