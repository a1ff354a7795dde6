"""RQ and rq-dashboard made to read JSON and nothing else. What is not JSON is shown as unreadable, and never loaded.

rq-dashboard leaves the serializer out in some places, and RQ takes pickle then: loading one runs what it says. So the
classes that rq-dashboard works with are replaced by ones that cannot do so, and `forbid_pickle` closes what is left.

Whoever may write to Redis can also write a job whose fields make no sense. That costs one row of a page, not the page.
"""

import binascii
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import redis
import rq_dashboard.web
from flask import current_app
from rq import Queue, Worker
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.executions import Execution
from rq.job import Job, requeue_job
from rq.registry import (
    BaseRegistry,
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq.serializers import JSONSerializer

from shared import keys
from shared.settings.quantities import format_bytes

UNREADABLE = "unreadable: it is not JSON"

#: What RQ raises over fields that make no sense.
_NONSENSE = (
    AttributeError,
    DeserializationError,
    KeyError,
    TypeError,
    ValueError,
    binascii.Error,
    redis.ResponseError,
    zlib.error,
)

_REGISTRIES: dict[str, type[BaseRegistry]] = {
    "canceled": CanceledJobRegistry,
    "deferred": DeferredJobRegistry,
    "failed": FailedJobRegistry,
    "finished": FinishedJobRegistry,
    "scheduled": ScheduledJobRegistry,
    "started": StartedJobRegistry,
}

T = TypeVar("T")


class Json(JSONSerializer):
    """JSON as RQ's own serializer has it; what is no JSON becomes a text that says so."""

    @staticmethod
    def loads(data: bytes) -> Any:
        try:
            return json.loads(data.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            return UNREADABLE


class JsonJob(Job):
    """A job whose data, meta and results are JSON."""

    def __init__(self, id: str | None = None, connection: redis.Redis | None = None, serializer: Any = None) -> None:  # noqa: A002 - RQ's signature
        super().__init__(id, connection, serializer or Json)

    def get_call_string(self) -> str:
        """Return what the page of workers shows of a job: the sentence for people, not the Python of it."""
        return self.description or self.id


class JsonQueue(Queue):
    """A queue of such jobs."""

    job_class = JsonJob

    def __init__(self, name: str = "default", *arguments: Any, **options: Any) -> None:
        super().__init__(name, *arguments, **({"serializer": Json} | options))


class JsonWorker(Worker):
    """A worker on such queues, read without RQ's tidying up of dead ones: to look changes nothing."""

    job_class = JsonJob
    queue_class = JsonQueue

    @classmethod
    def all(cls, connection: redis.Redis, **_: Any) -> list["JsonWorker"]:
        """Return the workers that are alive."""
        names = [key.decode(errors="replace") for key in connection.smembers(cls.redis_workers_keys)]
        alive = [name for name in names if connection.exists(name)]
        return [worker for name in alive if (worker := _sense(lambda name=name: cls._find(name, connection)))]

    @classmethod
    def _find(cls, name: str, connection: redis.Redis) -> "JsonWorker | None":
        return cls.find_by_key(name, connection, cls.job_class, cls.queue_class, Json)

    def get_current_job(self) -> Job | None:
        """Return the job in hand, None when idle. A dead execution, or a job that is just done, is none in hand."""
        for member in self.connection.smembers(self.executions_key):
            execution = Execution.from_composite_key(member.decode(), connection=self.connection)
            if self.connection.exists(execution.key):
                return _sense(lambda job_id=execution.job_id: JsonJob.fetch(job_id, self.connection))
        return None


def apply() -> None:
    """Have rq-dashboard use these, and the client of the application that is asked."""
    web = rq_dashboard.web
    web.config.serializer = Json
    web.Job, web.Queue, web.Worker = JsonJob, JsonQueue, JsonWorker
    web.requeue_job = _requeue
    web.get_queue_registry_jobs_count = jobs_page
    web.from_url = lambda *_, **__: (None, current_app.config["CWPIPE_CLIENT"])


def forbid_pickle() -> None:
    """Have the interpreter refuse to unpickle any class or function in this process from now on, whoever asks for it."""

    def refuse(event: str, _: tuple[Any, ...]) -> None:
        if event == "pickle.find_class":
            raise RuntimeError("nothing is unpickled here")

    sys.addaudithook(refuse)


def jobs_page(  # noqa: PLR0913, PLR0917 - the signature of what it replaces
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


def job_details(job_id: str, connection: redis.Redis) -> dict[str, Any]:
    """Return what the page of one job shows. Raises NoSuchJobError."""
    try:
        job = JsonJob.fetch(job_id, connection=connection)
    except NoSuchJobError:
        raise
    except _NONSENSE:
        return {"id": job_id, "description": UNREADABLE, "facts": []}
    result = _sense(job.latest_result)
    return {
        "id": job.id,
        "created_at": rq_dashboard.web.serialize_date(job.created_at),
        "enqueued_at": rq_dashboard.web.serialize_date(job.enqueued_at),
        "started_at": rq_dashboard.web.serialize_date(job.started_at),
        "ended_at": rq_dashboard.web.serialize_date(job.ended_at),
        "origin": job.origin,
        "status": job.get_status(refresh=False),
        "exc_info": result.exc_string if result else None,
        "description": job.description,
        "facts": [(name.replace("_", " "), _readable(value)) for name, value in _facts(job, connection)],
    }


def _facts(job: Job, connection: redis.Redis) -> Iterator[tuple[str, object]]:
    """Yield what is known of the batch of a job: its arguments, and what became of it."""
    arguments = _sense(lambda: job.args)
    if not arguments or not isinstance(arguments[0], str):
        yield "arguments", UNREADABLE if arguments is None else json.dumps(arguments)
        return
    batch_id, *more = arguments
    for facts in more:
        yield from facts.items() if isinstance(facts, dict) else [("argument", facts)]
    yield "batch", batch_id
    size = connection.strlen(keys.payload(job.origin, batch_id))
    yield "state of the batch", f"not done, {format_bytes(size)} in Redis" if size else "done"
    yield "task", _sense(lambda: job.func_name)
    yield "worker", job.worker_name
    yield "tries before", job.number_of_retries


def _readable(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, str) else "-" if value is None else json.dumps(value)


def _row(job_id: str, connection: redis.Redis) -> dict[str, Any] | None:
    try:
        row: dict[str, Any] = rq_dashboard.web.serialize_job(JsonJob.fetch(job_id, connection=connection))
    except NoSuchJobError:
        return None  # it ended between two questions
    except _NONSENSE:
        return {"id": job_id, "created_at": None, "ended_at": None, "exc_info": None, "description": UNREADABLE}
    return row


def _requeue(job_id: str, connection: redis.Redis) -> Job:
    """Requeue by RQ's own strict JSON: what cannot be read is written back as it was."""
    return requeue_job(job_id, connection=connection, serializer=JSONSerializer)


def _sense(read: Callable[[], T]) -> T | None:
    """Return what `read` reads, or None where it makes no sense or is gone."""
    try:
        return read()
    except (NoSuchJobError, *_NONSENSE):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
