"""RQ's classes made to read JSON and nothing else. What is not JSON is shown as unreadable, and never loaded.

RQ takes pickle wherever it is not told otherwise, and loading a pickle runs what it says. So the pages work on classes
that cannot do so, and `forbid_pickle` closes what is left.

Whoever may write to Redis can also write a job whose fields make no sense. That costs one row of a page, not the page.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import redis
import structlog
from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker.base import BaseWorker

from shared import store
from shared.queues import BoundedJob

UNREADABLE = "unreadable: it is not JSON"

T = TypeVar("T")

log = structlog.get_logger()


class Json(JSONSerializer):
    """JSON as RQ's own serializer has it; what is no JSON becomes a text that says so."""

    @staticmethod
    def loads(data: bytes) -> Any:
        try:
            return json.loads(data.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            return UNREADABLE


class JsonJob(BoundedJob):
    """A job whose data, meta and results are JSON."""

    def __init__(self, id: str | None = None, connection: redis.Redis | None = None, serializer: Any = None) -> None:  # noqa: A002 - RQ's signature
        super().__init__(id, connection, serializer or Json)

    def get_call_string(self) -> str:
        """Return what the page of workers shows of a job: the sentence for people, not the Python of it."""
        return self.description or self.id


class AnyJob(JsonJob):
    """A job for a page that only wants to know whether it is there."""

    @classmethod
    def fetch(cls, id: str, connection: redis.Redis | None = None, serializer: Any = None) -> Job:  # noqa: A002, ARG003 - RQ's signature
        job = sense(partial(super().fetch, id, connection))
        if job is None:
            job = cls(id, connection)
            if not job.connection.exists(job.key):
                raise NoSuchJobError
        return job


class JsonQueue(Queue):
    """A queue of such jobs."""

    job_class = JsonJob

    def __init__(self, name: str = "default", *arguments: Any, **options: Any) -> None:
        super().__init__(name, *arguments, **_with_json(options))

    @classmethod
    def all(cls, connection: redis.Redis, *_: Any, **__: Any) -> list[Queue]:
        """Return the queues that RQ knows of."""
        found = (sense(partial(cls.from_queue_key, name, connection)) for name in _names(connection, "rq:queues"))
        return list(filter(None, found))

    def compact(self) -> None:
        """Take out the jobs that are gone. RQ's own fails on a queue that is empty."""
        if self.count:
            super().compact()  # type: ignore[no-untyped-call]


class JsonWorker(Worker):
    """A worker on such queues, read without RQ's tidying up of dead ones: to look changes nothing."""

    job_class = JsonJob
    queue_class = JsonQueue

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **_with_json(options))

    @classmethod
    def alive(cls, connection: redis.Redis) -> list["JsonWorker"]:
        """Return the workers that are alive."""
        names = [name for name in _names(connection, "rq:workers") if connection.exists(name)]
        found = (sense(partial(cls.find_by_key, name, connection)) for name in names)
        return [worker for worker in found if isinstance(worker, cls)]

    @classmethod
    def all(cls, *_: Any, **__: Any) -> list[BaseWorker]:
        """Return none: the page asks for them, and has its rows made elsewhere."""
        return []

    def get_current_job(self) -> Job | None:
        """Return the job in hand, None when idle. A dead execution, or a job that is just done, is none in hand."""
        for name in _names(self.connection, self.executions_key):
            execution = sense(partial(Execution.from_composite_key, name, self.connection))
            if execution and self.connection.exists(execution.key):
                return sense(partial(JsonJob.fetch, execution.job_id, self.connection))
        return None

    def _set_connection(self, connection: redis.Redis) -> redis.Redis:
        """Leave the time to wait for Redis as it is: a worker's own, of minutes, is not a page's."""
        return connection


def _names(client: redis.Redis, key: str) -> list[str]:
    """Return the members of a set, as far as they are text."""
    return [str(name, errors="replace") for name in client.smembers(key) if isinstance(name, bytes)]


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
    """Return what `read` reads, or None where it is gone or makes no sense: RQ then raises whatever comes of it.

    Raises redis.RedisError when the server is away.
    """
    try:
        return read()
    except store.AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - from a TypeError to an AssertionError, all of them seen
        log.debug("not readable", error=repr(error))
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
