"""Upgrades with full queues: what an older release left in Redis is delivered by this one, and a newer one's is left alone."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
import zstandard

from tests.system.host import REGION, Host, numbered, soon
from tests.upgrade.record import data, put_back

FILES = sorted((Path(__file__).parents[1] / "upgrade").glob("redis-*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_full_queues_of_an_older_release_are_delivered_once(
    host: Host, redis_url: str, client: redis.Redis, file: Path
) -> None:
    """Batches, jobs, checkpoints and dead letters as its roles left them when they were stopped."""
    kept = json.loads(file.read_text())
    put_back(client, kept["keys"])
    host.configure(*kept["expected"], top=f'redis_url = "{redis_url}"')
    for group in kept["expected"]:
        host.aws.create_group(REGION, group)
    waiting = {queue: client.zcard(f"cwpipe:outstanding:{queue}") for queue in ("raw", "enriched")}
    assert all(waiting.values())
    done = host.run_once("--json")

    assert 0 == done.exit_code, done.text
    for group, messages in kept["expected"].items():
        assert Counter(messages) == Counter(host.delivered(group))
    status = host.status()
    assert (0, len(kept["expected"])) == (status["in_flight"], status["dead_letters"])
    replayed = host.shell.run("dead-letters", "replay", "--all", "--config", host.config)
    assert 0 == replayed.exit_code, replayed.text
    assert 0 == host.run_once().exit_code
    for group in kept["expected"]:
        assert 1 == host.delivered(group).count("unlucky one")
    assert data(kept["keys"]["cwpipe:version"]["value"]) == client.get("cwpipe:version")


@pytest.mark.parametrize(
    "command",
    [("fetcher",), ("normalizer",), ("forwarder",), ("dashboard",), ("run", "--once"), ("status",), ("check",),
     ("dead-letters", "replay", "--all"), ("backfill", "--group", "/app/shop", "--from", "2d", "--to", "1d")],
    ids=" ".join,
)  # fmt: skip
def test_a_newer_layout_is_refused_before_anything_is_changed(
    host: Host, redis_url: str, client: redis.Redis, command: tuple[str, ...]
) -> None:
    """By every role, and every command that could write: one line, and exit code 3."""
    client.set("cwpipe:version", "99")
    host.configure("/app/shop", top=f'redis_url = "{redis_url}"')
    host.put("/app/shop", numbered(3))
    done = host.shell.run(*command, "--config", host.config)

    assert 3 == done.exit_code, done.text
    assert "holds the keys of a newer cwpipe (layout 99, known here: 1), nothing was changed: upgrade" in done.text
    assert "Traceback" not in done.text
    assert [b"cwpipe:version"] == client.keys()
    assert b"99" == client.get("cwpipe:version")


def test_a_batch_of_a_newer_release_is_kept_for_it(host: Host, redis_url: str, client: redis.Redis) -> None:
    """An old normalizer that meets it makes a dead letter of it, whole, and says so; the newer one can replay it."""
    host.configure("/app/shop", top=f'redis_url = "{redis_url}"')
    host.put("/app/shop", numbered(30))
    assert 0 == host.shell.run("fetcher", "--once", "--config", host.config).exit_code
    (place,) = client.keys("cwpipe:payload:raw:*")
    written: Any = client.get(place)
    batch = msgspec.msgpack.decode(zstandard.decompress(written))
    newer = zstandard.compress(msgspec.msgpack.encode({**batch, "kind": "raw.v2"}))
    client.set(place, newer)
    done = host.run_once()

    assert 4 == done.exit_code
    assert "a 'raw.v2' of another release, where this one reads raw.v1" in done.err
    assert "Traceback" not in done.err
    listed = host.shell.run("dead-letters", "list", "--json", "--config", host.config)
    (letter,) = [row for row in map(json.loads, listed.out.splitlines()) if row["kind"] == "dead_letter"]
    assert 30 == letter["events"]
    stored: Any = client.hvals("cwpipe:dead_letters")[0]
    assert newer == msgspec.msgpack.decode(zstandard.decompress(stored))["payload"]


def test_a_checkpoint_of_a_newer_release_is_left_alone(host: Host, redis_url: str, client: redis.Redis) -> None:
    """To begin anew would read, and send, everything again."""
    host.configure("/app/shop", "/app/pay", top=f'redis_url = "{redis_url}"')
    for group in ("/app/shop", "/app/pay"):
        host.put(group, numbered(3))
    assert 0 == host.run_once().exit_code
    place = sorted(client.keys("cwpipe:checkpoint:*"))[0]
    written: Any = client.get(place)
    newer = written.replace(b"checkpoint.v1", b"checkpoint.v2")
    client.set(place, newer)
    run = host.start()
    soon(lambda: "is no checkpoint of this release" in run.err, "it is said")
    for group in ("/app/shop", "/app/pay"):
        host.put(group, ["after"], age_seconds=1)
    soon(lambda: b"after" in b"".join(host.receiver.datagrams), "the other group goes on")

    assert newer == client.get(place)
    assert 0 == run.end().exit_code
    assert "Traceback" not in run.err
