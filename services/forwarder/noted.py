"""A sink that has `cwpipe status` know at which level events are confirmed."""

from collections.abc import Callable, Sequence
from time import monotonic, time

import redis

from services.forwarder.sink import Sink
from shared import levels
from shared.levels import Level

#: The level is said so often while there is something to send.
REFRESH_SECONDS = 2.0


class NotedSink:
    """Another sink, at the level that `level` tells. `connect` may raise redis.RedisError besides what the other may."""

    def __init__(self, sink: Sink, client: redis.Redis, level: Callable[[], Level], path: str) -> None:
        self._sink = sink
        self._client = client
        self._level = level
        self._path = path
        self._said: tuple[Level, float] | None = None

    def connect(self) -> None:
        """See Sink."""
        self._sink.connect()
        level, now = self._level(), monotonic()
        if self._said is None or self._said[0] != level or now - self._said[1] > REFRESH_SECONDS:
            levels.note(self._client, level, self._path, int(time() * 1000))
            self._said = level, now

    def send(self, datagrams: Sequence[bytes], start: int, limit: int) -> int:
        """See Sink."""
        return self._sink.send(datagrams, start, limit)

    def confirm(self, *, wait: bool) -> int:
        """See Sink."""
        return self._sink.confirm(wait=wait)

    def close(self) -> None:
        """See Sink."""
        self._sink.close()
