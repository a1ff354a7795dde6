"""Events that will not be delivered, kept whole with the reason; and originals of events too long for one datagram.

Dead letters stay until an operator decides. Kept originals have a bound of their own: what was made of them was
delivered, so the oldest make room, and they say so in the log.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import redis
import structlog
from redis.client import Pipeline

from shared import books, codec, keys, metrics, queues
from shared.messages import DeadLetter, GroupRef, KeptOriginal
from shared.queues import Route

log = structlog.get_logger()


def add(pipe: Pipeline, letter_id: str, letter: DeadLetter) -> None:
    """Keep `letter` under `letter_id`, within the transaction in `pipe`; its bytes count in the byte budget.

    The caller books its events as dead_lettered in the same transaction.
    """
    data = codec.encode(letter)
    pipe.hset(keys.DEAD_LETTERS, letter_id, data)
    pipe.hincrby(keys.BYTES, "dead_letters", len(data))


def bury(
    client: redis.Redis,
    route: Route,
    batch_id: str,
    payload: bytes,
    facts: dict[str, Any],
    reason: str,
    *,
    booked: int = 0,
) -> None:
    """Make a dead letter of a payload that cannot be decoded, and in the books of its events but those `booked` before.

    What was recorded of its progress stays: if the letter is replayed, by a release that can decode it, it goes on there.
    """
    events = max(0, int(facts.get("events") or 0) - booked)

    def record(pipe: Pipeline) -> None:
        letter = DeadLetter(
            reason=reason,
            at_ms=int(time.time() * 1000),
            group=_group(facts),
            payload=payload,
            events=events,
            queue=route.queue,
            batch_id=batch_id,
            facts=msgspec.json.encode(facts),
        )
        add(pipe, f"{batch_id}-p", letter)
        books.record(pipe, str(facts.get("group_key", "unknown")), {"dead_lettered": events})

    if queues.finish(client, route, batch_id, len(payload), record):
        log.error(
            "a batch cannot be decoded and became a dead letter",
            batch=batch_id,
            group=str(facts.get("log_group", "unknown")),
            why=reason,
        )
        metrics.EVENTS_DEAD.labels("poison").inc(events)


def remove(
    client: redis.Redis, letters: Mapping[bytes, bytes], record: Callable[[Pipeline, list[bytes]], None]
) -> list[bytes]:
    """Remove those of `letters` (id -> what was read of it) that are still there as they were read; return their ids.

    In the same transaction their bytes leave the byte budget, and `record` adds what becomes of those it is given.
    Blocks on Redis; raises redis.RedisError. When the answer of the transaction is lost, what it has done is done, and
    the ids are not returned.
    """
    while True:
        with client.pipeline() as pipe:
            try:
                pipe.watch(keys.DEAD_LETTERS)  # type: ignore[no-untyped-call]
                held: Any = pipe.hmget(keys.DEAD_LETTERS, list(letters))  # past watch() it answers at once
                there = [name for name, now in zip(letters, held, strict=True) if now == letters[name]]
                if not there:
                    return []
                pipe.multi()
                pipe.hdel(keys.DEAD_LETTERS, *there)
                pipe.hincrby(keys.BYTES, "dead_letters", -sum(len(letters[name]) for name in there))
                record(pipe, there)
                pipe.execute()
            except redis.WatchError:
                continue  # a letter was added or removed meanwhile, or the connection broke: look again
            return there


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
        dropped += drop_original(client, oldest[0].decode())
    return dropped


def drop_original(client: redis.Redis, original_id: str) -> bool:
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


def _group(facts: dict[str, Any]) -> GroupRef | None:
    """Return the group that facts name: they come from Redis and may name none."""
    try:
        return msgspec.convert(facts, GroupRef)
    except msgspec.ValidationError:
        return None
