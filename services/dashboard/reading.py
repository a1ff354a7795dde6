"""RQ's classes made to read JSON and nothing else. What is not JSON is shown as unreadable, and never loaded.

RQ takes pickle wherever it is not told otherwise, and loading a pickle runs what it says. So the pages work on classes
that cannot do so, and `forbid_pickle` closes what is left.

Whoever may write to Redis can also write a job whose fields make no sense. That costs one row of a page, not the page.
"""

import binascii
import json
import sys
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import redis
from rq import Queue, Worker
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import as_text

UNREADABLE = "unreadable: it is not JSON"

#: What RQ raises over fields that make no sense.
NONSENSE = (
    AttributeError,
    DeserializationError,
    KeyError,
    TypeError,
    ValueError,
    binascii.Error,
    redis.ResponseError,
    zlib.error,
)

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
        super().__init__(name, *arguments, **_with_json(options))


class JsonWorker(Worker):
    """A worker on such queues, read without RQ's tidying up of dead ones: to look changes nothing."""

    job_class = JsonJob
    queue_class = JsonQueue

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **_with_json(options))

    def get_current_job(self) -> Job | None:
        """Return the job in hand, None when idle. A dead execution, or a job that is just done, is none in hand."""
        for member in self.connection.smembers(self.executions_key):
            execution = Execution.from_composite_key(as_text(member), connection=self.connection)
            if self.connection.exists(execution.key):
                return sense(partial(JsonJob.fetch, execution.job_id, self.connection))
        return None


def workers(client: redis.Redis) -> list[JsonWorker]:
    """Return the workers that are alive."""
    keys = sorted(as_text(key) for key in client.smembers(JsonWorker.redis_workers_keys))
    found = (sense(partial(JsonWorker.find_by_key, key, client)) for key in keys if client.exists(key))
    return [worker for worker in found if isinstance(worker, JsonWorker)]


def _with_json(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with our serializer where there is none, or None, which RQ takes for pickle."""
    return options | {"serializer": options.get("serializer") or Json}


def forbid_pickle() -> None:
    """Have the interpreter refuse to unpickle any class or function in this process from now on, whoever asks for it."""

    def refuse(event: str, _: tuple[Any, ...]) -> None:
        if event == "pickle.find_class":
            raise RuntimeError("nothing is unpickled here")

    sys.addaudithook(refuse)


def sense(read: Callable[[], T]) -> T | None:
    """Return what `read` reads, or None where it makes no sense or is gone."""
    try:
        return read()
    except (NoSuchJobError, *NONSENSE):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
