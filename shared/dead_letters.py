"""Events that will not be delivered, kept whole with the reason; and originals of events too long for one datagram.

Dead letters stay until an operator decides. Kept originals have a bound of their own: what was made of them was
delivered, so the oldest make room, and they say so in the log.
"""

import time
from typing import Any

import redis
import structlog
from redis.client import Pipeline

from shared import books, codec, keys, metrics, queues
from shared.messages import DeadLetter, KeptOriginal
from shared.queues import Route

log = structlog.get_logger()


def add(pipe: Pipeline, letter_id: str, letter: DeadLetter) -> None:
    """Keep `letter` under `letter_id`, within the transaction in `pipe`; its bytes count in the byte budget.

    The caller books its events as dead_lettered in the same transaction.
    """
    data = codec.encode(letter)
    pipe.hset(keys.DEAD_LETTERS, letter_id, data)
    pipe.hincrby(keys.BYTES, "dead_letters", len(data))


def bury(client: redis.Redis, route: Route, batch_id: str, payload: bytes, facts: dict[str, Any], reason: str) -> None:
    """Make a dead letter of a payload that cannot be decoded, and of all its events in the books."""
    events = int(facts.get("events") or 0)

    def record(pipe: Pipeline) -> None:
        letter = DeadLetter(reason=reason, at_ms=int(time.time() * 1000), payload=payload, events=events)
        add(pipe, f"{batch_id}-p", letter)
        books.record(pipe, str(facts.get("group_key", "unknown")), {"dead_lettered": events})

    if queues.finish(client, route, batch_id, len(payload), record):
        log.error("a batch cannot be decoded and became a dead letter", batch=batch_id, why=reason)
        metrics.EVENTS_DEAD.labels("poison").inc(events)


def count(client: redis.Redis) -> int:
    """Return the number of dead letters."""
    return int(client.hlen(keys.DEAD_LETTERS))


def keep(pipe: Pipeline, original_id: str, original: KeptOriginal) -> None:
    """Keep the whole of an oversize event, within the transaction in `pipe`."""
    data = codec.encode(original)
    pipe.set(keys.kept_original(original_id), data)
    pipe.zadd(keys.KEPT_ORIGINALS, {original_id: int(time.time() * 1000)})
    pipe.hincrby(keys.BYTES, "kept_originals", len(data))


def trim_originals(client: redis.Redis, max_bytes: int) -> int:
    """Drop the oldest kept originals until the rest fit in `max_bytes`; return how many went."""
    dropped = 0
    while int(client.hget(keys.BYTES, "kept_originals") or 0) > max_bytes:
        oldest: list[Any] = client.zrange(keys.KEPT_ORIGINALS, 0, 0)
        if not oldest:
            break
        dropped += _drop_original(client, oldest[0].decode())
    return dropped


def _drop_original(client: redis.Redis, original_id: str) -> bool:
    """Remove one kept original, its place in the list and its bytes together. False: somebody else may have."""
    original = keys.kept_original(original_id)
    with client.pipeline() as pipe:
        try:
            pipe.watch(original)  # type: ignore[no-untyped-call]
            size = int(pipe.strlen(original))  # past watch() it answers at once
            pipe.multi()
            pipe.delete(original)
            pipe.zrem(keys.KEPT_ORIGINALS, original_id)
            pipe.hincrby(keys.BYTES, "kept_originals", -size)
            pipe.execute()
        except redis.WatchError:
            return False
    return True
