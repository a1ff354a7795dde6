"""When each batch was queued, begun and done at either hop, as RQ's jobs tell. RQ keeps a job for a minute after its end."""

from datetime import datetime
from typing import Any

import redis
from msgspec import Struct

from shared import queues
from shared.queues import ENRICHED, RAW, Route


class BatchTimes(Struct):
    """Of one batch, in seconds since 1970."""

    sequence: int
    """The batches of one group are numbered in the order in which they were read."""
    raw_queued: float
    raw_begun: float
    enriched_queued: float
    enriched_begun: float


def read(client: redis.Redis) -> list[BatchTimes]:
    """Return the times of the batches of one group whose jobs are still there, in the order of their reading."""
    prefix = f"rq:job:{queues.job_id(RAW, '')}"
    batch_ids = [key.decode().removeprefix(prefix) for key in client.scan_iter(match=f"{prefix}*", count=10_000)]
    found = [
        BatchTimes(int(batch_id.split("-")[1]), *_times(client, RAW, batch_id), *_times(client, ENRICHED, batch_id))
        for batch_id in batch_ids
        if client.exists(f"rq:job:{queues.job_id(ENRICHED, batch_id)}")
    ]
    return sorted(found, key=lambda times: times.sequence)


def _times(client: redis.Redis, route: Route, batch_id: str) -> tuple[float, float]:
    values: Any = client.hmget(f"rq:job:{queues.job_id(route, batch_id)}", ["enqueued_at", "started_at"])
    queued, begun = (datetime.fromisoformat(value.decode()).timestamp() for value in values)
    return queued, begun
