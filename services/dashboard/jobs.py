"""What the pages show of jobs: a page of a list, and one job with the facts of its batch."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

import redis
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.registry import (
    BaseRegistry,
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq_dashboard.web import serialize_job

from services.dashboard.overview import age, readable_size
from services.dashboard.reading import UNREADABLE, Json, JsonJob, JsonQueue, sense
from shared import keys
from shared.queues import ENRICHED, FOREVER

_REGISTRIES: dict[str, type[BaseRegistry]] = {
    "canceled": CanceledJobRegistry,
    "deferred": DeferredJobRegistry,
    "failed": FailedJobRegistry,
    "finished": FinishedJobRegistry,
    "scheduled": ScheduledJobRegistry,
    "started": StartedJobRegistry,
}


def page(
    queue_name: str, registry_name: str, offset: int, per_page: int, order: str, connection: redis.Redis
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many jobs there are, and those of one page. rq-dashboard's own page grows with its number."""
    newest_first = order == "dsc"
    if registry_name in _REGISTRIES:
        registry = _REGISTRIES[registry_name](queue_name, connection=connection, serializer=Json)
        total = registry.get_job_count(cleanup=False)
        job_ids = registry.get_job_ids(offset, offset + per_page - 1, desc=newest_first, cleanup=False)
    else:
        queue = JsonQueue(queue_name, connection=connection)
        total = queue.count
        start = max(0, total - offset - per_page) if newest_first else offset
        end = total - offset if newest_first else offset + per_page
        job_ids = queue.get_job_ids(start, max(0, end - start))[:: -1 if newest_first else 1]
    return total, [row for job_id in job_ids if (row := _row(job_id, connection))]


def details(job_id: str, connection: redis.Redis) -> dict[str, Any]:
    """Return what the page of one job shows. Raises NoSuchJobError."""
    job = sense(partial(JsonJob.fetch, job_id, connection))
    if job is None:
        if not connection.exists(JsonJob.key_for(job_id)):
            raise NoSuchJobError
        return {"id": job_id, "description": UNREADABLE, "facts": [], "times": []}
    result = sense(job.latest_result)
    return {
        "id": job.id,
        "origin": job.origin,
        "status": job.get_status(refresh=False),
        "description": job.description,
        "exc_info": result.exc_string if result else None,
        "facts": [(name.replace("_", " "), _readable(value)) for name, value in _facts(job, connection)],
        "times": [(name, *_moment(getattr(job, f"{name}_at"))) for name in ("created", "enqueued", "started", "ended")],
        # rq-dashboard's script works on these four, whether the page shows them or not.
        **{f"{name}_at": None for name in ("created", "enqueued", "started", "ended")},
    }


def _facts(job: Job, connection: redis.Redis) -> Iterator[tuple[str, object]]:
    """Yield what is known of the batch of a job: its arguments, and what has become of it."""
    arguments = sense(lambda: job.args)
    if not arguments or not isinstance(arguments[0], str):
        yield "arguments", UNREADABLE if arguments is None else json.dumps(arguments)
        return
    batch_id, *more = arguments
    for facts in more:
        yield from facts.items() if isinstance(facts, dict) else [("argument", facts)]
    yield "batch", batch_id
    size = sense(lambda: connection.strlen(keys.payload(job.origin, batch_id)))
    yield "state of the batch", f"not done: {readable_size(size)} in Redis" if size else "done"
    confirmed = sense(lambda: int((connection.get(keys.progress(batch_id)) or b"0").split()[0]))
    if size and confirmed and job.origin == ENRICHED.queue:
        yield "confirmed so far", f"{confirmed:,} datagrams"
    yield "worker", job.worker_name or "-"
    if job.number_of_retries:
        yield "given back", f"{_times(job.number_of_retries)}: its worker was stopped"
    if job.retries_left is not None and job.retries_left < FOREVER.max:
        yield "interrupted", f"{_times(FOREVER.max - job.retries_left)}: its worker died, or the task failed"
    yield "task", sense(lambda: job.func_name)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _moment(moment: datetime | None) -> tuple[str, str]:
    """Return a time, and how long ago that is."""
    if moment is None:
        return "-", ""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC", f"{age(time.time() - moment.timestamp())} ago"


def _readable(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value)


def _row(job_id: str, connection: redis.Redis) -> dict[str, Any] | None:
    row = sense(lambda: serialize_job(JsonJob.fetch(job_id, connection)))
    if row is None and connection.exists(JsonJob.key_for(job_id)):
        row = {"id": job_id, "created_at": None, "ended_at": None, "exc_info": None, "description": UNREADABLE}
    return row  # None: it ended between two questions
