"""What `cwpipe metrics` reads of Redis: queues, groups, books and dead letters of one moment."""

from typing import Any

import msgspec
import redis

from shared import keys, queues
from shared.books import ENTRIES, Account, GroupState
from shared.queues import ENRICHED, RAW, Facts, Route

ROUTES: tuple[Route, ...] = (RAW, ENRICHED)
#: With more batches than this their events are not added up, so the books' difference is not told.
MAX_ADDED = 2_000


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """One queue: its batches not yet done, when the oldest came (0: none), their bytes, workers alive."""

    name: str
    batches: int
    oldest_ms: int
    bytes: int
    workers: int


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    queues: list[QueueState]
    groups: list[tuple[GroupState, Account]]
    total: Account
    queued_events: int | None
    """Events of the batches on both queues, delivered in part or not; None: too many batches to add up."""
    bytes: dict[str, int]
    dead_letters: int
    kept_originals: int

    @property
    def unaccounted(self) -> int | None:
        """Events that the books should tell of and do not; below 0, those they tell of twice. None: not known.

        Of a batch in hand a part may be delivered: so up to all that is queued may have ended already.
        """
        flying = self.total.in_flight
        if flying <= 0:
            return flying
        return None if self.queued_events is None else max(0, flying - self.queued_events)


def read(client: redis.Redis) -> State:
    """Return the state. Blocks; raises redis.RedisError, and ValueError when Redis holds what is not ours."""
    told: dict[bytes, bytes] = client.hgetall(keys.GROUPS)  # type: ignore[assignment]  # sync, not async
    outstanding = [keys.outstanding(route.queue) for route in ROUTES]
    may_add = sum(int(client.zcard(place)) for place in outstanding) <= MAX_ADDED
    with client.pipeline(transaction=True) as pipe:
        for group_key in told:
            pipe.hgetall(keys.books(group_key.decode()))
        for route, place in zip(ROUTES, outstanding, strict=True):
            pipe.zcard(place)
            pipe.zrange(place, 0, 0, withscores=True)
            (pipe.hvals if may_add else pipe.exists)(keys.facts(route.queue))
        pipe.hgetall(keys.BYTES)
        pipe.hlen(keys.DEAD_LETTERS)
        pipe.zcard(keys.KEPT_ORIGINALS)
        answers: list[Any] = pipe.execute()
    accounts = [_account(row) for row in answers[: len(told)]]
    *of_queues, held, dead_letters, kept_originals = answers[len(told) :]
    held = {name.decode(): int(size) for name, size in held.items()}
    facts = [of_queues[2], of_queues[5]] if may_add else None
    return State(
        queues=[
            _queue(client, route, of_queues[place : place + 2], held)
            for route, place in zip(ROUTES, (0, 3), strict=True)
        ],
        groups=[
            (msgspec.json.decode(state, type=GroupState), account)
            for state, account in zip(told.values(), accounts, strict=True)
        ],
        total=sum(accounts, Account()),
        queued_events=None if facts is None else sum(_events(each) for row in facts for each in row),
        bytes=held,
        dead_letters=int(dead_letters),
        kept_originals=int(kept_originals),
    )


def _account(row: dict[bytes, bytes]) -> Account:
    """Return the books of a group, without entries of a newer release."""
    entries = {name.decode(): int(count) for name, count in row.items()}
    return Account(**{name: count for name, count in entries.items() if name in ENTRIES})


def _queue(client: redis.Redis, route: Route, answers: list[Any], held: dict[str, int]) -> QueueState:
    batches, oldest = answers
    return QueueState(
        name=route.queue,
        batches=int(batches),
        oldest_ms=int(oldest[0][1]) if oldest else 0,
        bytes=held.get(route.queue, 0),
        workers=queues.workers(client, route),
    )


def _events(facts: bytes) -> int:
    return msgspec.json.decode(facts, type=Facts).events
