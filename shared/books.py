"""The books: what became of every event, by group, counted in the same transactions as the work itself.

    fetched = delivered + duplicates + discarded + dead_lettered + still queued

Two stand beside the balance: `sent_again`, an upper bound of the datagrams that the receiver may have seen twice, and
`streams_deleted`, of delete_log_streams.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import msgspec
import redis
from redis.client import Pipeline

from shared import keys
from shared.messages import GroupRef

Entry = Literal["fetched", "delivered", "duplicates", "discarded", "dead_lettered", "sent_again", "streams_deleted"]
ENTRIES: tuple[Entry, ...] = get_args(Entry)


class Account(msgspec.Struct, kw_only=True):
    """The books of one group, or of all: events since the first start."""

    fetched: int = 0
    delivered: int = 0
    duplicates: int = 0
    discarded: int = 0
    dead_lettered: int = 0
    sent_again: int = 0
    streams_deleted: int = 0

    @property
    def in_flight(self) -> int:
        """Events read and not yet accounted for: 0 at any idle moment."""
        return self.fetched - self.delivered - self.duplicates - self.discarded - self.dead_lettered

    def __add__(self, other: "Account") -> "Account":
        return Account(**{entry: getattr(self, entry) + getattr(other, entry) for entry in ENTRIES})

    def __sub__(self, other: "Account") -> "Account":
        return Account(**{entry: getattr(self, entry) - getattr(other, entry) for entry in ENTRIES})


class GroupState(msgspec.Struct, frozen=True, kw_only=True):
    """A group's names, and what its fetcher last said of it."""

    group: GroupRef
    source: str
    fault: str = ""
    """Why it cannot be read now; empty: it can."""
    since_ms: int = 0
    read_ms: int = 0
    """When it was last read up to then."""
    unread_ms: int = 0
    """Every older event was read, unless it arrives later; 0: not known."""
    gone: bool = False
    """CloudWatch has no such group any more, or its source does not name it any more."""
    lateness_ms: int = 0
    """The longest time from timestamp to ingestion seen lately."""
    late_window_ms: int = 0
    sweep_window_ms: int = 0
    """0: events later than the late window are not looked for."""
    retention_days: int = 0
    """After so many days CloudWatch deletes events; 0: never, or not known."""
    came_ms: int = 0
    """When it last had something new, or was first looked at; 0: not known."""
    silent_after_ms: int = 0
    """A group that has nothing new for so long is at risk; 0: none is."""


def record(pipe: Pipeline, group_key: str, entries: Mapping[Entry, int]) -> None:
    """Add `entries` to the books of one group, within the transaction in `pipe`."""
    for entry, events in entries.items():
        if events:
            pipe.hincrby(keys.books(group_key), entry, events)


def read(client: redis.Redis) -> dict[str, tuple[GroupState, Account]]:
    """Return state and books of every group, by group key."""
    return snapshot(client, [])[0]


def snapshot(
    client: redis.Redis, sorted_sets: Sequence[str]
) -> tuple[dict[str, tuple[GroupState, Account]], list[int]]:
    """Return state and books of every group, and the size of each of `sorted_sets`, all of one moment."""
    states = {key.decode(): msgspec.json.decode(value, type=GroupState) for key, value in _groups(client).items()}
    with client.pipeline(transaction=True) as pipe:
        for group_key in states:
            pipe.hgetall(keys.books(group_key))
        for name in sorted_sets:
            pipe.zcard(name)
        answers = pipe.execute()
    rows, sizes = answers[: len(states)], answers[len(states) :]
    accounts = (Account(**{name.decode(): int(count) for name, count in row.items()}) for row in rows)
    return dict(zip(states, zip(states.values(), accounts, strict=True), strict=True)), sizes


def total(client: redis.Redis) -> Account:
    """Return the books of all groups together."""
    return sum((account for _, account in read(client).values()), Account())


def _groups(client: redis.Redis) -> dict[bytes, bytes]:
    return client.hgetall(keys.GROUPS)  # type: ignore[return-value]  # redis-py types sync and async answers as one
