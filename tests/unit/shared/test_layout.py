"""The layout of the keys: an empty Redis is marked, an older one is brought up once, anything else is left alone."""

import threading

import pytest
import redis

from shared import keys, layout
from shared.errors import Unreachable


def test_an_empty_redis_gets_our_layout(client: redis.Redis) -> None:
    layout.settle(client, "here")

    assert keys.LAYOUT.encode() == client.get(keys.VERSION)


def test_an_older_layout_is_brought_up_step_by_step(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one transaction with its mark: a role that dies in the middle leaves the old one."""
    monkeypatch.setattr(keys, "LAYOUT", "3")
    steps = {1: lambda pipe: pipe.rpush("steps", "1 to 2"), 2: lambda pipe: pipe.rpush("steps", "2 to 3")}
    monkeypatch.setattr(layout, "STEPS", steps)
    client.set(keys.VERSION, "1")
    layout.settle(client, "here")
    layout.settle(client, "here")

    assert [b"1 to 2", b"2 to 3"] == client.lrange("steps", 0, -1)
    assert b"3" == client.get(keys.VERSION)


def test_roles_that_start_together_take_each_step_once(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an upgrade all of them do."""
    monkeypatch.setattr(keys, "LAYOUT", "2")
    monkeypatch.setattr(layout, "STEPS", {1: lambda pipe: pipe.incr("steps")})
    client.set(keys.VERSION, "1")
    threads = [threading.Thread(target=layout.settle, args=(client, "here")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert b"1" == client.get("steps")


@pytest.mark.parametrize("there", ["2", "99", "999999999"])
def test_a_newer_layout_is_left_alone(client: redis.Redis, there: str) -> None:
    client.set(keys.VERSION, there)
    with pytest.raises(Unreachable, match=rf"Redis at here .* newer cwpipe \(layout {there}, known here: 1\).*upgrade"):
        layout.settle(client, "here")

    assert [keys.VERSION.encode()] == client.keys()
    assert there.encode() == client.get(keys.VERSION)


@pytest.mark.parametrize("there", ["", "x", "-1", "1.5", "\x1b[2J", "9" * 10, "1" * 5_000_000])
def test_what_is_no_layout_is_left_alone(client: redis.Redis, there: str) -> None:
    """Somebody else's key, or nonsense: it is shown without what it could do to a terminal."""
    client.set(keys.VERSION, there)
    with pytest.raises(Unreachable, match="that is no layout of cwpipe") as raised:
        layout.settle(client, "here")

    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300
    assert there.encode() == client.get(keys.VERSION)


def test_there_is_a_step_from_every_layout_before_ours() -> None:
    assert set(range(1, int(keys.LAYOUT))) == set(layout.STEPS)
