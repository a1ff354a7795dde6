"""What Redis tells of the pipeline at one moment: queues, workers, groups, dead letters and the books."""

from typing import Any

import msgspec
import redis

from services.operator.backfill import report as backfill_report
from shared import backfills, books, dead_letters, keys, levels, queues
from shared.books import Account, GroupState
from shared.levels import InForce
from shared.messages import Backfills
from shared.queues import ENRICHED, RAW, Route
from shared.risks import risks


class QueueStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One queue: batches not yet done, their bytes in Redis, the age of the oldest, and workers alive."""

    name: str
    batches: int
    bytes: int
    oldest_seconds: float
    workers: int


class GroupStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One group: its names, its books, how long ago it was read to its end, and why it cannot be read."""

    account_id: str
    region: str
    log_group: str
    source: str
    read_seconds_ago: float | None
    fault: str
    books: Account
    gone: bool = False
    """CloudWatch has no such group any more, or its source does not name it any more."""
    lateness_seconds: float = 0.0
    """The longest time from timestamp to ingestion seen lately."""
    retention_days: int = 0
    """After so many days CloudWatch deletes events; 0: never, or not known."""
    risks: list[str] = []
    """What is about to go wrong with it, and what to do."""
    backfills: list[str] = []
    """How far the backfills are that are still to be read, a phrase each."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole picture at one moment."""

    queues: list[QueueStatus]
    groups: list[GroupStatus]
    total: Account
    in_flight: int
    """Events read and not accounted for by now; with empty queues, anything but 0 is a difference in the books."""
    dead_letters: int
    kept_originals: int
    api_calls: int
    levels: list[InForce] = []
    """How events are confirmed: what forwarders last worked at, which may not be what the settings ask for."""


def read(client: redis.Redis, now: float) -> Status:
    """Return the status as Redis tells it; `now` is in seconds since 1970. Raises redis.RedisError."""
    return read_with_states(client, now)[0]


def read_with_states(client: redis.Redis, now: float) -> tuple[Status, list[GroupState]]:
    """Return the same, and what each of its groups is made of. Raises redis.RedisError."""
    routes = (RAW, ENRICHED)
    # Of one moment: while events flow, books read before or after the queues would show a difference that is none.
    rows, batches = books.snapshot(client, [keys.outstanding(route.queue) for route in routes])
    total = sum((account for _, account in rows.values()), Account())
    past = backfills.read_states(client, rows)
    status = Status(
        queues=[_queue(client, *queue, now) for queue in zip(routes, batches, strict=True)],
        groups=[_group(state, account, now, past.get(key, Backfills())) for key, (state, account) in rows.items()],
        total=total,
        in_flight=total.in_flight,
        dead_letters=dead_letters.count(client),
        kept_originals=int(client.zcard(keys.KEPT_ORIGINALS)),
        api_calls=sum(int(count) for count in client.hvals(keys.API_CALLS)),
        levels=levels.in_force(client, now),
    )
    return status, [state for state, _ in rows.values()]


def _queue(client: redis.Redis, route: Route, batches: int, now: float) -> QueueStatus:
    outstanding = keys.outstanding(route.queue)
    oldest: list[Any] = list(client.zrange(outstanding, 0, 0, withscores=True))
    return QueueStatus(
        name=route.queue,
        batches=batches,
        bytes=int(client.hget(keys.BYTES, route.queue) or 0),
        oldest_seconds=round(now - oldest[0][1] / 1000, 1) if oldest else 0.0,
        workers=queues.workers(client, route),
    )


def _group(state: GroupState, account: Account, now: float, past: Backfills) -> GroupStatus:
    return GroupStatus(
        account_id=state.group.account_id,
        region=state.group.region,
        log_group=state.group.log_group,
        source=state.source,
        read_seconds_ago=round(now - state.read_ms / 1000, 1) if state.read_ms else None,
        fault=state.fault,
        books=account,
        gone=state.gone,
        lateness_seconds=round(state.lateness_ms / 1000, 1),
        retention_days=state.retention_days,
        risks=risks(state, int(now * 1000)),
        backfills=[
            f"{one.backfill_id} {backfill_report.summary(one, int(now * 1000))}"
            for one in past.requests
            if backfills.is_active(one)
        ],
    )
