"""RQ, made to recover in seconds: one worker on one queue, in this process, for as long as it is wanted.

RQ is at-least-once only on a single queue a worker, and its own recovery of a killed worker's job takes 13 to 27
minutes. The overrides here, the only ones in the project, bring that to seconds:

- the claim on a running job lasts CLAIM_SECONDS and is renewed by the job itself while it waits (`Worker.beat`);
- a job taken from the queue whose worker died before claiming it is put back after GRACE_SECONDS;
- the lock of the cleaner lasts seconds, so that a killed cleaner blocks nobody;
- a signal to stop is noted and obeyed between two jobs, never in the middle of RQ's bookkeeping;
- no commands are taken from Redis (RQ's pubsub channel): what may stop or kill a worker is a signal;
- a worker that finds Redis away ends, and the Runner begins anew: RQ's own waiting hears no signal and takes a minute;
- a job that fails by a fault of its own goes to the end of the queue, so that it does not keep the others from going on;
- a job is unpacked within bounds (shared/queues.py);
- signs of life cost a round trip a second, not a dozen a job (shared/bookkeeping.py);
- batches that have no job any more are given one (shared/orphans.py).
"""

import os
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any

import redis
import structlog
from redis.client import Pipeline
from rq import Queue
from rq.exceptions import DeserializationError, StopRequested
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import now
from structlog.contextvars import bound_contextvars

from shared import allocator, collector, orphans, redis_faults, store
from shared.bookkeeping import SparingWorker
from shared.liveness import Liveness
from shared.queues import BoundedJob, Route

#: How long a job counts as being worked on after the last sign of life of its worker.
CLAIM_SECONDS = 12
#: How long a job may lie between "taken from the queue" and "claimed"; the worker needs milliseconds for it.
GRACE_SECONDS = 4
#: Every worker looks for abandoned jobs so often.
MAINTENANCE_SECONDS = 2
#: RQ blocks in its read for this less 15 s, so an idle worker wakes every second, to look for a stop.
WORKER_TTL_SECONDS = 16
BEAT_SECONDS = 3.0
RECONNECT_SECONDS = 1.0
#: A job that fails by a fault of its own is tried again for ever, but not faster.
FAILURE_SECONDS = 1.0

log = structlog.get_logger()


class _Intermediate(IntermediateQueue):
    def set_first_seen(self, job_id: str) -> bool:
        # RQ remembers it for a day: a job that passes here again would be taken for stuck at once, and run twice.
        key = self.get_first_seen_key(job_id)
        return bool(self.connection.set(key, now().timestamp(), nx=True, ex=3 * GRACE_SECONDS))

    def should_be_cleaned_up(self, job_id: str) -> bool:
        first_seen = self.get_first_seen(job_id)
        return bool(first_seen and now() - first_seen > timedelta(seconds=GRACE_SECONDS))


@contextmanager
def _ends_when_redis_is_away() -> Iterator[None]:
    """Have RQ leave its loop as after a stop, where it would wait or report a crash. The claim on a job just ends."""
    try:
        yield
    except store.AWAY as error:
        log.info("the connection to Redis broke", error=str(error))
        raise StopRequested from error


def _about(job: Job) -> dict[str, str]:
    """Return batch and group of a job, as far as what Redis holds of it makes sense."""
    batch = job.id.partition("-")[2]
    try:
        _, facts = job.args
        return {"batch": batch, "group": str(facts["log_group"])}
    except (DeserializationError, TypeError, ValueError, LookupError):
        return {"batch": batch}


class _Queue(Queue):
    job_class = BoundedJob

    @classmethod
    def dequeue_any(cls, *arguments: Any, **options: Any) -> tuple[Job, Queue] | None:
        with _ends_when_redis_is_away():
            return super().dequeue_any(*arguments, **options)

    @property
    def intermediate_queue(self) -> IntermediateQueue:
        return _Intermediate(self.key, connection=self.connection)

    def acquire_maintenance_lock(self) -> bool:
        return bool(self.connection.set(self.registry_cleaning_key, 1, nx=True, ex=GRACE_SECONDS))


class Worker(SparingWorker):
    """One RQ worker on one queue, which stops between two jobs once `stop` is set."""

    queue_class = _Queue
    job_class = BoundedJob
    stop: threading.Event
    route: Route
    liveness: Liveness

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002 - RQ's signature
        return CLAIM_SECONDS

    @property
    def should_run_maintenance_tasks(self) -> bool:
        # RQ asks this between two jobs and before each read of the queue, with no job in hand: the safe place to stop.
        self.liveness.touch()
        if self.stop.is_set():
            raise StopRequested
        return bool(super().should_run_maintenance_tasks)

    def run_maintenance_tasks(self) -> None:
        with _ends_when_redis_is_away():
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]
            orphans.adopt(self.connection, self.queues[0], self.route)

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        with _ends_when_redis_is_away():
            super().heartbeat(timeout, pipeline)

    def check_for_suspension(self, burst: bool) -> None:
        with _ends_when_redis_is_away():
            super().check_for_suspension(burst)

    def execute_job(self, job: Job, queue: Queue) -> None:
        # Whatever is said while a batch is in hand says which one it is.
        with _ends_when_redis_is_away(), bound_contextvars(**_about(job)):
            super().execute_job(job, queue)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Say what failed, and make way for other jobs unless it was Redis that went away."""
        if isinstance(exc_info[1], store.AWAY):
            return
        if why := redis_faults.refusal(exc_info[1]):
            log.error("a job failed and will be tried again", job=job.id, error=f"Redis {why}")
            self.stop.wait(FAILURE_SECONDS)
            return
        log.error("a job failed and will be tried again", job=job.id, exc_info=exc_info)
        job.enqueue_at_front_on_retry = False
        self.stop.wait(FAILURE_SECONDS)

    def _install_signal_handlers(self) -> None:
        """Leave the signals to the Runner: RQ's handlers may raise in the middle of its bookkeeping."""

    def subscribe(self) -> None:
        """Take no commands from Redis."""

    def unsubscribe(self) -> None:
        """Nothing was subscribed to."""

    def beat(self) -> None:
        """Renew the claim on the job in hand, at most every BEAT_SECONDS. A job that waits calls it as it waits."""
        self.liveness.touch()
        if self.last_heartbeat and now() - self.last_heartbeat < timedelta(seconds=BEAT_SECONDS):
            return
        execution = next(iter(self.executions.values()), None)
        if execution is not None:
            self.maintain_heartbeats(execution.job, execution)


class Runner:
    """Keeps one worker on one route at work while Redis comes and goes, until a signal asks it to stop."""

    def __init__(self, client: redis.Redis, route: Route, role: str, alive_file: str = "") -> None:
        self._client = client
        self._route = route
        self._role = role
        self._liveness = Liveness(alive_file)
        self._worker: Worker | None = None
        self.stop = threading.Event()

    def run(self) -> None:
        """Work until SIGTERM or SIGINT. Blocks; a job in hand is finished or given back first."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._request_stop)
        allocator.settle()
        collector.settle()
        said = ""
        while not self.stop.is_set():
            self._liveness.touch()
            try:
                self._worker = self._new_worker()
                self._look_at_the_clock()
                log.info("worker ready", queue=self._route.queue, worker=self._worker.name)
                self._worker.work(logging_level="ERROR")
                said = ""
            except redis.RedisError as error:
                if str(error) != said:
                    said = str(error)
                    why = redis_faults.refusal(error)
                    log.warning("Redis is away or refuses, trying again", error=f"Redis {why}" if why else said)
            self.stop.wait(RECONNECT_SECONDS)
        log.info("worker stopped", queue=self._route.queue)

    def beat(self) -> None:
        """Renew the claim on the job in hand. Raises redis.RedisError when the server is away."""
        if self._worker is not None:
            self._worker.beat()

    def _look_at_the_clock(self) -> None:
        """Say so when this host and Redis disagree about the time: claims are kept in the time of each worker's host."""
        ahead = store.seconds_ahead(self._client)
        if abs(ahead) > CLAIM_SECONDS / 4:
            log.error(
                "this host's clock is not Redis's, so jobs may be run twice: set it right", seconds_ahead=round(ahead)
            )

    def _request_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        self.stop.set()
        if self._worker is not None:
            self._worker._stop_requested = True

    def _new_worker(self) -> Worker:
        worker = Worker(
            [_Queue(self._route.queue, connection=self._client, serializer=JSONSerializer)],
            name=f"{self._role}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}",
            connection=self._client,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_SECONDS,
            maintenance_interval=MAINTENANCE_SECONDS,
            job_monitoring_interval=MAINTENANCE_SECONDS,
            log_job_description=False,
        )
        worker.stop, worker.route = self.stop, self._route
        worker.liveness = self._liveness
        return worker
