"""Keep what a release leaves in Redis, for the releases after it to be tested with.

python -m tests.upgrade.record FILE     once a release, with its own code; the file is never made again afterwards

The file holds two things. `keys`: all of a Redis that was left with full queues, a dead letter and a backfill that waits.
`messages`: every kind of Struct that is put there, with as few fields as may be and with all of them.
"""

import base64
import json
import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import redis
from msgspec import Struct

from services.fetcher.chosen import Chosen
from services.fetcher.search import Found
from shared import codec, messages
from shared.books import GroupState
from shared.digests import Mark
from shared.queues import Facts
from tests.receiver import Receiver
from tests.standins.cloudwatch import CloudWatch
from tests.system.command import Shell, clean_environment
from tests.system.host import Host, numbered, soon
from tests.valkey import Valkey

#: What Redis holds as MessagePack in a frame, and what it holds as JSON.
PACKED: tuple[type[Struct], ...] = (
    messages.RawBatch,
    messages.EnrichedBatch,
    messages.DeadLetter,
    messages.KeptOriginal,
    Found,
)
AS_JSON: tuple[type[Struct], ...] = (messages.Checkpoint, messages.Backfills, GroupState, Mark, Chosen, Facts)

GROUPS = ("/app/shop", "/app/pay")
FAULT = """
from services.normalizer.shape import Shaper
shape = Shaper.shape
def faulty(self, event):
    if event.message.startswith("unlucky"):
        raise ValueError("bad luck")
    return shape(self, event)
Shaper.shape = faulty
"""


def main() -> int:
    """Write the file."""
    with tempfile.TemporaryDirectory() as name, Valkey(Path(name) / "valkey") as server:
        keys, expected = full_queues(Path(name), server)
    kept = {
        "release": version("cwpipe"),
        "expected": expected,
        "keys": keys,
        "messages": [kept_message(kind, full=full) for kind in (*PACKED, *AS_JSON) for full in (False, True)],
    }
    Path(sys.argv[1]).write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return 0


def full_queues(directory: Path, server: Valkey) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return all keys of a Redis whose roles were stopped with both queues full, and the messages in them by group."""
    faulty = directory / "faulty"
    faulty.mkdir()
    (faulty / "sitecustomize.py").write_text(FAULT)
    with (
        CloudWatch() as aws,
        Receiver(directory / "queue") as receiver,
        Shell(directory, clean_environment(directory, directory / "bytecode")) as shell,
        server.client() as client,
    ):
        host = Host(shell, aws, receiver)
        host.configure(*GROUPS, top=f'redis_url = "{server.url}"')
        for group in GROUPS:
            host.put(group, [*numbered(40, "first"), "unlucky one"], age_seconds=60)
        _fetch_once(host)
        path = os.pathsep.join(filter(None, [str(faulty), shell.environment.get("PYTHONPATH")]))
        normalizer = shell.start("normalizer", "--config", host.config, env={"PYTHONPATH": path})
        soon(lambda: not client.zcard("cwpipe:outstanding:raw"), "the first half is enriched")
        assert 0 == normalizer.end().exit_code
        for group in GROUPS:
            host.put(group, numbered(60, "second"), age_seconds=1, stream="other")
        _fetch_once(host)
        asked = shell.run("backfill", "--config", host.config, "--group", GROUPS[0], "--from", "3d", "--to", "2d")
        assert 0 == asked.exit_code, asked.text
        assert client.zcard("cwpipe:outstanding:raw")
        assert client.zcard("cwpipe:outstanding:enriched")
        time.sleep(1.0)
        expected = {group: [*numbered(40, "first"), *numbered(60, "second")] for group in GROUPS}
        return {name.decode(): _kept(client, name) for name in sorted(client.keys()) if client.ttl(name) < 0}, expected


def _fetch_once(host: Host) -> None:
    done = host.shell.run("fetcher", "--once", "--config", host.config)
    assert 0 == done.exit_code, done.text


def _kept(client: Any, name: bytes) -> dict[str, Any]:
    kind: str = client.type(name).decode()
    value: Any
    match kind:
        case "string":
            value = _text(client.get(name))
        case "hash":
            value = [[_text(field), _text(one)] for field, one in client.hgetall(name).items()]
        case "list":
            value = [_text(item) for item in client.lrange(name, 0, -1)]
        case "set":
            value = [_text(item) for item in sorted(client.smembers(name))]
        case "zset":
            value = [[_text(item), score] for item, score in client.zrange(name, 0, -1, withscores=True)]
        case other:
            raise ValueError(f"nothing of ours is a {other}")
    return {"type": kind, "value": value}


def put_back(client: redis.Redis, keys: dict[str, Any]) -> None:
    """Write kept keys into an empty Redis."""
    for name, key in keys.items():
        value = key["value"]
        match key["type"]:
            case "string":
                client.set(name, data(value))
            case "hash":
                client.hset(name, mapping={data(field): data(one) for field, one in value})
            case "list":
                client.rpush(name, *map(data, value))
            case "set":
                client.sadd(name, *map(data, value))
            case "zset":
                client.zadd(name, {data(item): score for item, score in value})


def kept_message(kind: type[Struct], *, full: bool) -> dict[str, Any]:
    """Return a message as it is stored, and what it says."""
    message = sample(kind, full=full)
    stored = codec.encode(message) if kind in PACKED else msgspec.json.encode(message)
    return {"kind": kind.__name__, "stored": _text(stored), "says": msgspec.to_builtins(message)}


def sample(kind: type[Struct], *, full: bool) -> Struct:
    """Return a message of a kind, with all its fields, or with those only that it cannot be without."""
    hints = get_type_hints(kind)
    fields = msgspec.structs.fields(kind)
    return kind(**{field.name: _value(hints[field.name], full=full) for field in fields if full or field.required})


def _value(annotation: Any, *, full: bool) -> Any:
    plain = {str: 'é "x" \n', bytes: b"\x00\xff", bool: True, int: 1_700_000_000_123, float: 0.5, NoneType: None}
    if annotation in plain:
        return plain[annotation]
    arguments = get_args(annotation)
    if get_origin(annotation) is UnionType:
        return _value(arguments[0], full=full)
    if get_origin(annotation) is Literal:
        return arguments[-1]
    if get_origin(annotation) in (tuple, list):
        return get_origin(annotation)([_value(arguments[0], full=full)] * 2)
    if get_origin(annotation) is dict:
        return {_value(arguments[0], full=full): _value(arguments[1], full=full)}
    return sample(annotation, full=full)


def _text(stored: Any) -> str:
    return base64.b64encode(stored).decode()


def data(text: str) -> bytes:
    """Return the bytes of a kept value."""
    return base64.b64decode(text)


if __name__ == "__main__":
    sys.exit(main())
