"""What is noted of each call to AWS."""

import redis

from services.fetcher.__main__ import _counter
from shared import keys


def test_each_call_is_counted_and_is_a_sign_of_life(client: redis.Redis) -> None:
    """A fetcher in the middle of a long discovery gets on with its work, and must not be taken for stuck."""
    signs: list[None] = []
    count = _counter(client, "eu-west-1", lambda: signs.append(None))
    count("FilterLogEvents")
    count("FilterLogEvents")

    assert {b"eu-west-1 FilterLogEvents": b"2"} == client.hgetall(keys.API_CALLS)
    assert 2 == len(signs)
