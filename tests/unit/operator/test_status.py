"""What `status` makes of what Redis holds."""

from typing import Any

import msgspec
import pytest
import redis

from services.operator.status import GroupStatus, QueueStatus, Status, lines, read
from shared import backfills, books, keys
from shared.books import Account, GroupState
from shared.levels import InForce
from shared.messages import Backfill, BackfillPart, GroupRef

NOW_SECONDS = 1_790_000_000.0


def queue(name: str = "raw", **changes: Any) -> QueueStatus:
    return msgspec.structs.replace(QueueStatus(name=name, batches=0, bytes=0, oldest_seconds=0.0, workers=1), **changes)


def group(name: str, account: Account | None = None, fault: str = "") -> GroupStatus:
    return GroupStatus(
        account_id="123456789012",
        region="eu-west-1",
        log_group=name,
        source="production",
        read_seconds_ago=3.2,
        fault=fault,
        books=account or Account(),
    )


def status(*groups: GroupStatus, queues: list[QueueStatus] | None = None) -> Status:
    total = sum((group.books for group in groups), Account())
    return Status(
        queues=queues or [queue("raw"), queue("enriched")],
        groups=list(groups),
        total=total,
        in_flight=total.in_flight,
        dead_letters=1_234,
        kept_originals=2,
        api_calls=99,
    )


def test_queues_are_a_table() -> None:
    """Depth, bytes, how long the oldest batch has waited, and whether anybody works on it."""
    waiting = queue(batches=1_200, bytes=64 * 1024**2, oldest_seconds=75.4, workers=3)
    assert [
        "queue      batches      bytes    oldest  workers",
        "raw          1,200      64MiB      75 s        3",
        "enriched         0         0B         -        1",
    ] == lines(status(queues=[waiting, queue("enriched")]))[:3]


def test_a_running_backfill_is_a_line_of_its_group(client: redis.Redis) -> None:
    """With how far it is; one that ended is only in the list."""
    name = GroupRef(account_id="123456789012", region="eu-west-1", log_group="/app")
    key = keys.group_key(name)
    client.hset(keys.GROUPS, key, msgspec.json.encode(GroupState(group=name, source="s")))
    part = BackfillPart(from_ms=0, to_ms=999)
    running = Backfill(
        backfill_id="abc", parts=(part,), asked_ms=0, state="running", started_ms=int(NOW_SECONDS * 1000) - 60_000
    )
    running = msgspec.structs.replace(running, newest_ms=499, pages=30, events=1_000)
    done = msgspec.structs.replace(running, backfill_id="old", state="done")
    backfills.change(client, key, lambda state: msgspec.structs.replace(state, requests=(done, running)))
    answer = read(client, NOW_SECONDS)

    expected = "abc running, 50 % of the time range, 1,000 events, 30 pages, 30 pages a minute"
    assert [f"{expected}, about 60 s left, an estimate"] == answer.groups[0].backfills
    assert f"    backfill {expected}, about 60 s left, an estimate" in lines(answer)


def test_a_group_in_trouble_comes_first_with_its_reason() -> None:
    """Among hundreds it would not be seen."""
    shown = lines(status(group("a", Account(fetched=5, delivered=5)), group("z", fault="AccessDenied: allow it")))
    at = shown.index("    cannot be read: AccessDenied: allow it")
    assert shown[at - 1].startswith("eu-west-1  z  ")
    assert shown[at + 1].startswith("eu-west-1  a  ")


def test_a_group_at_risk_or_gone_comes_before_those_that_do_well() -> None:
    """With what is to be done about it; a fault goes before both."""
    risky = msgspec.structs.replace(group("y"), risks=["events arrived up to 3.0 h late", "CloudWatch deletes"])
    gone = msgspec.structs.replace(group("z"), gone=True)
    shown = lines(status(group("a"), gone, risky, group("x", fault="denied")))

    assert ["x", "y", "z", "a"] == [line.split()[1] for line in shown if line.startswith("eu-west-1")]
    at = shown.index("    at risk: events arrived up to 3.0 h late")
    assert "    at risk: CloudWatch deletes" == shown[at + 1]
    assert any(
        line.startswith("    gone: CloudWatch Logs has no such group any more, or source production") for line in shown
    )


def test_only_events_on_their_way_count_as_outstanding() -> None:
    """Every poll reads a stretch anew, and rules discard: against all that was fetched, no group would ever look well."""
    shown = lines(
        status(
            group("a", Account(fetched=384_347, duplicates=324_000, discarded=340, dead_lettered=7, delivered=59_000))
        )
    )
    assert "eu-west-1  a  read 3 s ago, 59,000 of 60,000 events delivered" in shown


def test_a_group_never_read_to_its_end_is_said_to_be() -> None:
    """As while its past is being read."""
    fresh = msgspec.structs.replace(group("a"), read_seconds_ago=None)
    assert "eu-west-1  a  never read to its end, 0 of 0 events delivered" in lines(status(fresh))


@pytest.mark.parametrize(
    ("account", "batches", "expected"),
    [
        ({"fetched": 9, "delivered": 5, "duplicates": 2, "discarded": 1, "dead_lettered": 1}, 0, "accounted for"),
        ({"fetched": 9, "delivered": 5}, 1, "4 events are on their way"),
        ({"fetched": 9, "delivered": 5}, 0, "DIFFERENCE: 4 events are not accounted for, though nothing is queued"),
    ],
)
def test_the_books_balance_or_it_is_said_why_not(account: dict[str, int], batches: int, expected: str) -> None:
    """Events on their way are no difference; with empty queues they are one."""
    shown = lines(status(group("a", Account(**account)), queues=[queue(batches=batches), queue("enriched")]))
    (balance,) = [line for line in shown if line.startswith("balance")]
    assert balance.endswith(expected)


def test_what_redis_holds_is_read(client: redis.Redis) -> None:
    """Queues with their oldest batch, groups with their books, and workers that are alive, not those that were."""
    reference = GroupRef(account_id="123456789012", region="eu-west-1", log_group="/app/a")
    key = keys.group_key(reference)
    state = GroupState(
        group=reference,
        source="production",
        read_ms=int((NOW_SECONDS - 5) * 1000),
        unread_ms=int((NOW_SECONDS - 20 * 3600) * 1000),
        lateness_ms=3_600_000,
        late_window_ms=900_000,
        retention_days=1,
    )
    client.hset(keys.GROUPS, key, msgspec.json.encode(state))
    with client.pipeline() as pipe:
        books.record(pipe, key, {"fetched": 10, "delivered": 7})
        pipe.execute()
    client.zadd(keys.outstanding("raw"), {"new": (NOW_SECONDS - 1) * 1000, "old": (NOW_SECONDS - 60) * 1000})
    client.hset(keys.BYTES, "raw", 512)
    client.hset(keys.API_CALLS, mapping={"eu-west-1 FilterLogEvents": 3, "eu-west-1 DescribeLogGroups": 1})
    client.sadd("rq:workers:raw", "rq:worker:alive", "rq:worker:dead")
    client.hset("rq:worker:alive", "state", "idle")
    found = read(client, NOW_SECONDS)
    assert [
        QueueStatus(name="raw", batches=2, bytes=512, oldest_seconds=60.0, workers=1),
        QueueStatus(name="enriched", batches=0, bytes=0, oldest_seconds=0.0, workers=0),
    ] == found.queues
    assert [("/app/a", 5.0, Account(fetched=10, delivered=7))] == [
        (group.log_group, group.read_seconds_ago, group.books) for group in found.groups
    ]
    (risky,) = found.groups
    assert (3600.0, 1, False) == (risky.lateness_seconds, risky.retention_days, risky.gone)
    assert ["late_window", "in 4 hours"] == [
        part for part, risk in zip(("late_window", "in 4 hours"), risky.risks, strict=True) if part in risk
    ]
    assert (3, 4, 0) == (found.in_flight, found.api_calls, found.dead_letters)


def test_the_level_in_force_is_said_with_what_it_does_not_notice() -> None:
    """Old ones with their age; what Redis holds cannot command a terminal."""
    levels = [
        InForce(level="processed", receiver="/q", seconds_ago=1.0),
        InForce(level="agent", receiver="/a", seconds_ago=7_200.0),
        InForce(level="\x1b[2J", receiver="", seconds_ago=1.0),
    ]
    shown = lines(msgspec.structs.replace(status(), levels=levels))

    assert [
        "confirm   at level processed, receiver /q",
        "confirm   at level agent, receiver /a, 7,200 s ago: what the agent drops or loses before its manager has it, and "
        "the manager after that, is not noticed",
        "confirm   at level \\x1b[2J, receiver ",
    ] == shown[-3:]
