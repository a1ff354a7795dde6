"""The few Redis commands that reading a group needs, in memory: for thousands of made-up histories a second.

tests/properties/test_reading.py runs the same histories on this and on a real Valkey.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Self

import redis


class MemoryRedis:
    """Strings, hashes and sorted sets, with WATCH and MULTI. For one thread."""

    def __init__(self) -> None:
        self.strings: dict[str, bytes] = {}
        self.hashes: defaultdict[str, dict[bytes, bytes]] = defaultdict(dict)
        self.versions: defaultdict[str, int] = defaultdict(int)

    def get(self, key: str) -> bytes | None:
        return self.strings.get(key)

    def set(self, key: str, value: object) -> None:
        self.strings[key] = _bytes(value)
        self.versions[key] += 1

    def hkeys(self, key: str) -> list[bytes]:
        return list(self.hashes[key])

    def hmget(self, key: str, fields: list[str]) -> list[bytes | None]:
        return [self.hashes[key].get(_bytes(field)) for field in fields]

    def hgetall(self, key: str) -> dict[bytes, bytes]:
        return dict(self.hashes[key])

    def hset(self, key: str, field: str, value: object) -> None:
        self.hashes[key][_bytes(field)] = _bytes(value)

    def hdel(self, key: str, *fields: str) -> None:
        for field in fields:
            self.hashes[key].pop(_bytes(field), None)

    def hincrby(self, key: str, field: str, amount: int) -> None:
        self.hset(key, field, int(self.hashes[key].get(_bytes(field), b"0")) + amount)

    def expire(self, key: str, seconds: int) -> None:
        """Time stands still here."""

    def zadd(self, key: str, scores: dict[str, int]) -> None:
        """Nothing reads it back."""

    def scan_iter(self, match: str) -> list[bytes]:
        return [key.encode() for key in self.strings if key.startswith(match.removesuffix("*"))]

    def pipeline(self) -> "MemoryPipeline":
        return MemoryPipeline(self)


class MemoryPipeline:
    """A transaction: at once until multi(), at execute() afterwards."""

    def __init__(self, server: MemoryRedis) -> None:
        self._server = server
        self._watched: dict[str, int] = {}
        self._queued: list[Callable[[], object]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._watched, self._queued = {}, None

    def watch(self, *keys: str) -> None:
        self._watched.update({key: self._server.versions[key] for key in keys})

    def multi(self) -> None:
        self._queued = []

    def execute(self) -> None:
        if any(self._server.versions[key] != version for key, version in self._watched.items()):
            raise redis.WatchError("Watched variable changed.")
        for command in self._queued or []:
            command()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        command: Callable[..., Any] = getattr(self._server, name)
        if self._queued is None:
            return command
        queued = self._queued
        return lambda *arguments: queued.append(lambda: command(*arguments))


class MemoryQueue:
    """Takes the place of RQ's queue on a MemoryRedis: the payloads say all that matters here."""

    def __init__(self, connection: MemoryRedis) -> None:
        self.connection = connection

    def enqueue_many(self, jobs: list[object], pipeline: MemoryPipeline) -> None:
        """Leave the job out."""


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
