"""`cwpipe status`: what is queued, who works, how each group does, and whether the books balance."""

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import redis

from services.operator.backfill import report as backfill_report
from services.operator.connection import connected
from services.operator.dead_letters.text import visible
from shared import backfills, books, dead_letters, keys, levels, queues
from shared.books import Account, GroupState
from shared.levels import InForce
from shared.messages import Backfills
from shared.queues import ENRICHED, RAW, Route
from shared.risks import risks
from shared.settings.load import Loaded
from shared.settings.quantities import format_bytes

#: A forwarder with something to send says its level every few seconds.
LEVEL_IS_OLD_SECONDS = 60.0


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


def show(loaded: Loaded, data_dir: Path, *, as_json: bool) -> None:
    """Print the status. Raises Unreachable when there is no Redis to ask."""
    with connected(loaded, data_dir) as client:
        status = read(client, time.time())
    if as_json:
        print(json.dumps(msgspec.to_builtins(status)))
    else:
        print("\n".join(lines(status)))


def read(client: redis.Redis, now: float) -> Status:
    """Return the status as Redis tells it; `now` is in seconds since 1970. Raises redis.RedisError."""
    routes = (RAW, ENRICHED)
    # Of one moment: while events flow, books read before or after the queues would show a difference that is none.
    rows, batches = books.snapshot(client, [keys.outstanding(route.queue) for route in routes])
    total = sum((account for _, account in rows.values()), Account())
    past = backfills.read_states(client, rows)
    return Status(
        queues=[_queue(client, *queue, now) for queue in zip(routes, batches, strict=True)],
        groups=[_group(state, account, now, past.get(key, Backfills())) for key, (state, account) in rows.items()],
        total=total,
        in_flight=total.in_flight,
        dead_letters=dead_letters.count(client),
        kept_originals=int(client.zcard(keys.KEPT_ORIGINALS)),
        api_calls=sum(int(count) for count in client.hvals(keys.API_CALLS)),
        levels=levels.in_force(client, now),
    )


def lines(status: Status) -> list[str]:
    """Return the status as lines for people, the groups in trouble first."""
    out = ["queue      batches      bytes    oldest  workers"]
    for queue in status.queues:
        age = f"{queue.oldest_seconds:,.0f} s" if queue.batches else "-"
        out.append(f"{queue.name:8} {queue.batches:>9,} {format_bytes(queue.bytes):>10} {age:>9} {queue.workers:>8}")
    out.append("")
    for group in sorted(status.groups, key=_place):
        out += _group_lines(group)
    out += ["", "books     " + ", ".join(f"{name} {getattr(status.total, name):,}" for name in books.ENTRIES)]
    out.append(_balance(status))
    out.append(
        f"kept      {status.dead_letters:,} dead letters, {status.kept_originals:,} originals of oversize events; "
        f"{status.api_calls:,} calls to AWS so far"
    )
    return out + [_level_line(level) for level in status.levels]


def _level_line(said: InForce) -> str:
    unnoticed = levels.UNNOTICED.get(said.level, "")
    ago = f", {said.seconds_ago:,.0f} s ago" if said.seconds_ago > LEVEL_IS_OLD_SECONDS else ""
    line = f"confirm   at level {said.level}, receiver {said.receiver}{ago}" + (f": {unnoticed}" if unnoticed else "")
    return visible(line)


def _place(group: GroupStatus) -> tuple[bool, bool, str, str]:
    return not group.fault, not (group.gone or group.risks), group.region, group.log_group


def _group_lines(group: GroupStatus) -> list[str]:
    read_ago = "never read to its end" if group.read_seconds_ago is None else f"read {group.read_seconds_ago:.0f} s ago"
    out = [
        f"{group.region}  {group.log_group}  {read_ago}, "
        f"{group.books.delivered:,} of {group.books.delivered + group.books.in_flight:,} events delivered"
    ]
    if group.fault:
        out.append(f"    cannot be read: {group.fault}")
    if group.gone:
        out.append(f"    gone: CloudWatch Logs has no such group any more, or source {group.source} does not name it")
    out += [f"    backfill {one}" for one in group.backfills]
    return out + [f"    at risk: {risk}" for risk in group.risks]


def _balance(status: Status) -> str:
    if not status.in_flight:
        return "balance   every event is accounted for"
    if any(queue.batches for queue in status.queues):
        return f"balance   {status.in_flight:,} events are on their way"
    return f"balance   DIFFERENCE: {status.in_flight:,} events are not accounted for, though nothing is queued"


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
