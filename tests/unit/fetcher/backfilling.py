"""Backfills asked for and read in the test's own process."""

from collections.abc import Callable
from typing import Any

import redis
from msgspec.structs import replace

from services.fetcher.backfill import BackfillReader
from services.operator.backfill.clip import clip
from shared import backfills, keys, queues
from shared.messages import Backfill, Backfills, GroupRef, TimeRange
from tests.standins.cloudwatch import CloudWatch
from tests.unit.fetcher.at_work import ACCOUNT, REGION, a_source, an_api

GROUP = GroupRef(account_id=ACCOUNT, region=REGION, log_group="/app")
KEY = keys.group_key(GROUP)


def ask(
    client: redis.Redis, from_ms: int, to_ms: int, *, start_ms: int, name: str = "b1", again: bool = False
) -> Backfill:
    """Ask for [from_ms, to_ms] of a group whose tail began at `start_ms`, as the command does."""

    def add(state: Backfills) -> Backfills:
        clipped = clip(TimeRange(from_ms=from_ms, to_ms=to_ms), start_ms, state, again=again)
        one = Backfill(backfill_id=name, parts=clipped.parts, asked_ms=0)
        return replace(state, requests=(*state.requests, one))

    return backfills.change(client, KEY, add).requests[-1]


def cancel(client: redis.Redis, name: str) -> None:
    """Cancel a backfill, as the command does."""
    backfills.change(client, KEY, lambda state: backfills.replaced(state, replace(of(state, name), state="cancelled")))


def of(state: Backfills, name: str = "b1") -> Backfill:
    """Return the backfill of this id."""
    return next(one for one in state.requests if one.backfill_id == name)


def found(client: redis.Redis, name: str = "b1") -> Backfill:
    """Return the backfill of this id, as Redis has it."""
    return of(backfills.read(client, KEY).state, name)


def a_backfiller(
    aws: CloudWatch, client: redis.Redis, clock: Callable[[], int] | None = None, **changes: Any
) -> BackfillReader:
    """Return the reader of the backfills of /app, by the stand-in's clock if no other is given."""
    source = a_source(aws, "/app", **changes)
    now_ms = clock or aws.now_ms
    queue = queues.open_queue(client, queues.RAW)
    return BackfillReader(GROUP, source, an_api(source), queue, clock=lambda: now_ms() / 1000)


def read_all(reader: BackfillReader) -> None:
    """Read until there is nothing to read."""
    while reader.read_page():
        pass
