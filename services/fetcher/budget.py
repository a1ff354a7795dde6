"""The byte budget: back-pressure from the queues to AWS. CloudWatch is the buffer behind it.

Redis refuses every transaction once it is full, also those that would drain it, so fetching pauses well before.
"""

import threading
from time import monotonic

import redis
import structlog

from shared import keys

#: The counters are read at most so often; a fetcher overshoots by what its threads read meanwhile.
REFRESH_SECONDS = 0.1
#: What counts: batches of both queues, and the dead letters, which nobody but an operator removes.
COUNTED = ("raw", "enriched", "dead_letters")

log = structlog.get_logger()


class ByteBudget:
    """Says whether there is room for more batches. Safe between threads; blocks on Redis."""

    def __init__(self, client: redis.Redis, max_bytes: int) -> None:
        self._client = client
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._has_room = True

    def has_room(self) -> bool:
        """Say whether fetching may go on. Raises redis.RedisError when the server is away."""
        with self._lock:
            if monotonic() - self._read_at >= REFRESH_SECONDS:
                self._look()
                self._read_at = monotonic()
            return self._has_room

    def _look(self) -> None:
        held = dict(
            zip(COUNTED, (int(value or 0) for value in self._client.hmget(keys.BYTES, list(COUNTED))), strict=True)
        )
        has_room = sum(held.values()) < self._max_bytes
        if has_room != self._has_room:
            if has_room:
                log.info("fetching goes on", **held)
            elif held["dead_letters"] >= self._max_bytes // 2:
                log.error("fetching pauses: dead letters fill limits.queued_bytes, replay or discard them", **held)
            else:
                log.warning("fetching pauses until the queues drain: limits.queued_bytes is reached", **held)
        self._has_room = has_room
