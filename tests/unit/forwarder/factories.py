"""Plain builders of batches, and their way onto a queue as the fetcher and the normalizer put them there."""

from typing import Any

import msgspec
import redis

from shared import books, codec, keys, queues
from shared.messages import EnrichedBatch, GroupRef, LogEvent, RawBatch
from shared.queues import ENRICHED, RAW, Facts, Route

GROUP = GroupRef(account_id="111122223333", region="eu-west-1", log_group="/aws/lambda/billing")
GROUP_KEY = keys.group_key(GROUP)


def an_event(number: int = 0, message: str = "") -> LogEvent:
    """Return the event of that number, of a second of its own."""
    return LogEvent(
        event_id=f"event-{number}",
        log_stream="stream",
        timestamp_ms=1_700_000_000_000 + 1_000 * number,
        ingestion_ms=1_700_000_000_500 + 1_000 * number,
        message=message or f"line {number}",
    )


def a_raw_batch(events: int = 3, batch_id: str = f"{GROUP_KEY}-1-0", source: str = "production") -> RawBatch:
    """Return a batch of `events` numbered events."""
    return RawBatch(
        batch_id=batch_id,
        group=GROUP,
        source=source,
        events=tuple(an_event(n, f"line {n} of {batch_id}") for n in range(events)),
    )


def datagrams(count: int, batch_id: str = "b") -> tuple[bytes, ...]:
    """Return `count` datagrams that differ, also from those of other batches."""
    return tuple(f"1:here:{batch_id} event {number}".encode() for number in range(count))


def an_enriched_batch(
    events: int = 3,
    batch_id: str = f"{GROUP_KEY}-1-0",
    *,
    sent: tuple[bytes, ...] = (),
    continued: tuple[int, ...] = (),
) -> EnrichedBatch:
    """Return a batch of `events` numbered datagrams, or of those in `sent`."""
    return EnrichedBatch(
        batch_id=batch_id,
        group=GROUP,
        datagrams=sent or datagrams(events, batch_id),
        continued=continued,
        newest_ms=1_700_000_000_000,
    )


def facts_of(events: int) -> dict[str, Any]:
    """Return the facts of a batch of so many events."""
    return msgspec.structs.asdict(
        Facts(
            account_id=GROUP.account_id,
            region=GROUP.region,
            log_group=GROUP.log_group,
            group_key=GROUP_KEY,
            streams=1,
            events=events,
            bytes=6 * events,
            first="2023-11-14T22:13:20Z",
            last="2023-11-14T22:13:22Z",
        )
    )


def put_bytes(client: redis.Redis, route: Route, batch_id: str, payload: bytes, events: int) -> dict[str, Any]:
    """Queue a payload, booked as fetched, and return its facts."""
    facts = facts_of(events)
    queue = queues.open_queue(client, route)
    with client.pipeline() as pipe:
        queues.put(pipe, queue, route, batch_id, payload, facts)
        books.record(pipe, GROUP_KEY, {"fetched": events})
        pipe.execute()
    return facts


def put(client: redis.Redis, batch: RawBatch | EnrichedBatch) -> dict[str, Any]:
    """Queue a batch, booked as fetched, and return its facts."""
    if isinstance(batch, RawBatch):
        return put_bytes(client, RAW, batch.batch_id, codec.encode(batch), len(batch.events))
    events = len(batch.datagrams) - len(batch.continued)
    return put_bytes(client, ENRICHED, batch.batch_id, codec.encode(batch), events)


def account(client: redis.Redis) -> books.Account:
    """Return the books of the one group of these tests."""
    row: dict[bytes, bytes] = client.hgetall(keys.books(GROUP_KEY))  # type: ignore[assignment]  # sync, not async
    return books.Account(**{name.decode(): int(count) for name, count in row.items()})
