"""The books of all groups, read from a real server."""

import msgspec
import redis

from shared import books, keys
from shared.books import Account, GroupState
from tests.unit.forwarder.factories import GROUP, GROUP_KEY, an_enriched_batch, put


def test_books_and_queues_are_read_of_one_moment(client: redis.Redis) -> None:
    """Read one after the other while events flow, they would show a difference that is none."""
    state = GroupState(group=GROUP, source="production")
    client.hset(keys.GROUPS, GROUP_KEY, msgspec.json.encode(state))
    put(client, an_enriched_batch(3))

    rows, sizes = books.snapshot(client, [keys.outstanding("raw"), keys.outstanding("enriched")])

    assert {GROUP_KEY: (state, Account(fetched=3))} == rows
    assert [0, 1] == sizes


def test_books_of_nothing_are_empty(client: redis.Redis) -> None:
    """The first look at a new pipeline."""
    assert ({}, [0]) == books.snapshot(client, [keys.outstanding("raw")])
