"""How many forwarders send to one receiver: they share its free places, and the rate that the settings allow."""

import os
import uuid
from pathlib import Path
from time import monotonic

import redis

from shared import keys, receiver

REFRESH_SECONDS = 2.0
#: One that has said nothing for so long is gone.
GONE_SECONDS = 10.0


class Senders:
    """This forwarder among those of the receiver at `path`. `count` asks Redis at most every REFRESH_SECONDS."""

    def __init__(self, client: redis.Redis, path: str) -> None:
        self._client = client
        self._path = path
        self._name = f"{os.getpid()}-{uuid.uuid4().hex}"
        self._asked_at: float | None = None
        self._count = 1

    def count(self) -> int:
        """Return how many send to it now, this one included. Raises redis.RedisError."""
        now = monotonic()
        if self._asked_at is None or now - self._asked_at > REFRESH_SECONDS:
            self._count = self._ask()
            self._asked_at = now
        return self._count

    def _ask(self) -> int:
        try:
            place = keys.senders(_identity(self._path))
        except OSError:
            return 1  # nobody's receiver
        seconds, microseconds = self._client.time()  # one clock for all hosts
        now = seconds + microseconds / 1e6
        with self._client.pipeline(transaction=True) as pipe:
            pipe.zadd(place, {self._name: now})
            pipe.zremrangebyscore(place, "-inf", now - GONE_SECONDS)
            pipe.zcard(place)
            pipe.expire(place, int(GONE_SECONDS))
            _, _, count, _ = pipe.execute()
        return int(count)


def _identity(path: str) -> str:
    """Return what tells this receiver from those of other hosts, also from within a container. Raises OSError."""
    device, inode = receiver.identity(path)
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()}:{device}:{inode}"
