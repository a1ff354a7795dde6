"""What RQ writes down about a worker, no more often than anybody looks at it.

RQ says that a worker lives, and whether it is idle, a dozen times a job, each in a round trip of its own: more work than
sending a thousand events. Signs that travel in a transaction of RQ's cost next to nothing and stay; the others are given
once in SIGN_SECONDS. Nothing that is delivered rests on any of it: who wants a job back looks at its claim.
"""

from time import monotonic

from redis.client import Pipeline
from rq import Queue, SimpleWorker
from rq.job import Job, JobStatus
from rq.utils import now
from rq.worker import WorkerStatus

#: So old may be what Redis says of a worker that lives. Less than the least time to live of what it says (12 s), by far.
SIGN_SECONDS = 1.0


class SparingWorker(SimpleWorker):
    """An RQ worker that gives signs of life, says that it is idle and asks whether it is suspended once in SIGN_SECONDS."""

    _signed_at = 0.0
    _asked_at = 0.0
    _is_idle_unsaid = False

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Give a sign of life; without `pipeline` only if the last was some time ago."""
        if pipeline is None:
            if monotonic() - self._signed_at < SIGN_SECONDS:
                return
            if self._is_idle_unsaid:
                self._is_idle_unsaid = False
                super().set_state(WorkerStatus.IDLE)
        self._signed_at = monotonic()
        super().heartbeat(timeout, pipeline)

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """Say what the worker does. That it is idle is said with the next sign of life, if it still is."""
        self._is_idle_unsaid = state == WorkerStatus.IDLE and pipeline is None
        if self._is_idle_unsaid:
            self._state = state
        else:
            super().set_state(state, pipeline)

    def handle_execution_ended(self, job: Job, queue: Queue, heartbeat_ttl: int) -> None:
        """Note when a job ended. Of one that failed RQ says so, too, which shows whether Redis is there to take the rest."""
        if job.get_status(refresh=False) == JobStatus.FAILED:
            super().handle_execution_ended(job, queue, heartbeat_ttl)
        else:
            job.ended_at = now()

    def check_for_suspension(self, burst: bool) -> None:
        """Wait while `rq suspend` holds, if that was not asked just now."""
        if monotonic() - self._asked_at >= SIGN_SECONDS:
            super().check_for_suspension(burst)
            self._asked_at = monotonic()
