"""The books of all groups, read from a real server."""

from typing import Any

import msgspec
import pytest
import redis
from redis.client import Pipeline

from shared import books, keys
from shared.books import Account, GroupState
from tests.unit.forwarder.factories import GROUP, GROUP_KEY, an_enriched_batch, put


def test_books_and_queues_are_read_of_one_moment(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read one after the other while events flow, they would show a difference that is none."""
    transactions: list[list[str]] = []
    execute = Pipeline._execute_transaction  # what is sent between MULTI and EXEC

    def noted(pipe: Pipeline, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        transactions.append([command[0][0] for command in commands])
        return execute(pipe, connection, commands, raise_on_error)

    state = GroupState(group=GROUP, source="production")
    client.hset(keys.GROUPS, GROUP_KEY, msgspec.json.encode(state))
    put(client, an_enriched_batch(3))

    monkeypatch.setattr(Pipeline, "_execute_transaction", noted)
    rows, sizes = books.snapshot(client, [keys.outstanding("raw"), keys.outstanding("enriched")])

    assert {GROUP_KEY: (state, Account(fetched=3))} == rows
    assert [0, 1] == sizes
    assert [["HGETALL", "ZCARD", "ZCARD"]] == transactions


def test_books_of_nothing_are_empty(client: redis.Redis) -> None:
    """The first look at a new pipeline."""
    assert ({}, [0]) == books.snapshot(client, [keys.outstanding("raw")])
