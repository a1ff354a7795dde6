"""What RQ writes about a worker: enough to know that it lives, and no round trip for what was said a moment ago."""

from typing import Any

import pytest
import redis
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.suspension import suspend
from rq.worker import WorkerStatus

from services.normalizer.normalize import Normalizer, use
from shared import bookkeeping, keys, queues
from shared.bookkeeping import SIGN_SECONDS, SparingWorker
from shared.queues import ENRICHED, RAW
from shared.settings.model import Settings
from tests.unit.forwarder.factories import a_raw_batch, put


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(bookkeeping, "monotonic", clock)
    return clock


@pytest.fixture
def worker(client: redis.Redis, clock: Clock) -> SparingWorker:
    del clock
    return SparingWorker([queues.open_queue(client, RAW)], name="w", connection=client, serializer=JSONSerializer)


def said(client: redis.Redis, field: str) -> Any:
    return client.hget("rq:worker:w", field)


def test_a_sign_of_life_is_given_once_a_second(client: redis.Redis, worker: SparingWorker, clock: Clock) -> None:
    """A host that is gone is missed after twelve: a second is soon enough."""
    worker.heartbeat()
    client.hset("rq:worker:w", "last_heartbeat", "")
    clock.now += SIGN_SECONDS * 0.9
    worker.heartbeat()
    assert b"" == said(client, "last_heartbeat")

    clock.now += SIGN_SECONDS * 0.2
    worker.heartbeat()
    assert said(client, "last_heartbeat")


def test_a_sign_of_life_in_a_transaction_is_always_given(client: redis.Redis, worker: SparingWorker) -> None:
    """With it goes a time to live that the one before has not."""
    worker.heartbeat()
    with client.pipeline() as pipe:
        worker.heartbeat(12, pipeline=pipe)
        pipe.execute()

    assert 10 < client.ttl("rq:worker:w") <= 12


def test_a_worker_between_two_jobs_does_not_say_that_it_is_idle(
    client: redis.Redis, worker: SparingWorker, clock: Clock
) -> None:
    """One that has nothing to do says so with its next sign of life."""
    worker.heartbeat()
    worker.set_state(WorkerStatus.BUSY)
    worker.set_state(WorkerStatus.IDLE)
    worker.heartbeat()
    assert [b"busy", "idle"] == [said(client, "state"), worker.get_state()]

    clock.now += SIGN_SECONDS
    worker.heartbeat()
    assert b"idle" == said(client, "state")


def test_a_worker_that_is_busy_again_never_says_that_it_was_idle(
    client: redis.Redis, worker: SparingWorker, clock: Clock
) -> None:
    """It would stand there while a job is at work for an hour."""
    worker.set_state(WorkerStatus.IDLE)
    worker.set_state(WorkerStatus.BUSY)
    clock.now += SIGN_SECONDS
    worker.heartbeat()

    assert b"busy" == said(client, "state")


def test_rq_suspend_is_heard_a_second_later(client: redis.Redis, worker: SparingWorker, clock: Clock) -> None:
    """Nobody waits for it by the millisecond."""
    worker.check_for_suspension(burst=True)
    suspend(client)
    worker.check_for_suspension(burst=True)
    clock.now += SIGN_SECONDS

    with pytest.raises(StopRequested):
        worker.check_for_suspension(burst=True)


def test_a_job_costs_few_round_trips(client: redis.Redis, worker: SparingWorker) -> None:
    """RQ's own worker needs eleven more. Counted are reads by the server, of which a transaction is one."""
    use(Normalizer(client, queues.open_queue(client, ENRICHED), Settings(), lambda: None))
    for number in range(20):
        put(client, a_raw_batch(1, f"g-{number}-0"))
    info: Any = client.info
    before = info("stats")["total_reads_processed"]
    worker.work(burst=True, logging_level="ERROR")
    reads = info("stats")["total_reads_processed"] - before

    assert 20 == client.zcard(keys.outstanding(ENRICHED.queue))
    assert 0 == client.zcard(keys.outstanding(RAW.queue))
    assert reads / 20 < 14
