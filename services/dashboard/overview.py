"""What the pages show of queues and workers."""

import time
from datetime import datetime
from functools import partial
from typing import Any

import redis
from rq_dashboard.web import serialize_queues

from services.dashboard.reading import JsonQueue, JsonWorker, sense
from shared import keys
from shared.queues import ENRICHED, RAW


def queue_rows(client: redis.Redis) -> list[dict[str, Any]]:
    """Return a row for each of our queues, in the order a batch takes them, then for others that RQ knows.

    RQ counts jobs, and one that is on its way from the queue to a worker nowhere. `batches` counts what is not done.
    """
    ours = [RAW.queue, ENRICHED.queue]
    others = sorted({queue.name for queue in JsonQueue.all(connection=client)} - set(ours))
    rows = serialize_queues(0, [JsonQueue(name, connection=client) for name in ours + others])
    return [row | _batches(client, row["name"]) if row["name"] in ours else row for row in rows]


def worker_rows(client: redis.Redis) -> list[dict[str, Any]]:
    """Return a row for each worker alive, by queue and name: a worker's name begins with its role."""
    rows = (sense(partial(_worker, worker)) for worker in JsonWorker.alive(client))
    return sorted(filter(None, rows), key=lambda row: (row["queues"], row["name"]))


def readable_size(size: float) -> str:
    """Return a number of bytes as people read it: "11.6 MiB"."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def age(seconds: float) -> str:
    """Return a stretch of time as people read it: "16 s", "3 min"."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _batches(client: redis.Redis, queue: str) -> dict[str, Any]:
    outstanding = keys.outstanding(queue)
    oldest: list[Any] = list(client.zrange(outstanding, 0, 0, withscores=True))
    return {
        "batches": client.zcard(outstanding),
        "size": readable_size(int(client.hget(keys.BYTES, queue) or 0)),
        "oldest": age(time.time() - oldest[0][1] / 1000) if oldest else "-",
    }


def _worker(worker: JsonWorker) -> dict[str, Any]:
    job = worker.get_current_job()
    return {
        "name": worker.name,
        "queues": worker.queue_names(),
        "state": worker.get_state(),
        "current_job": "idle"
        if job is None
        else {"job_id": job.id, "description": job.get_call_string(), "since": _since(job.started_at)},
        "up": _since(worker.birth_date),
        "sign_of_life": _since(worker.last_heartbeat),
        "successful_job_count": worker.successful_job_count,
        "version": worker.version,
        "python_version": (worker.python_version or "").partition(" ")[0],
    }


def _since(moment: datetime | None) -> str:
    return "-" if moment is None else age(time.time() - moment.timestamp())
