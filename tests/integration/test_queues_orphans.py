"""Batches that have lost their job are given one; those that have one, anywhere, are left alone."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
import structlog
from rq import Queue
from rq.executions import Execution
from rq.job import Job, JobStatus

from shared import keys, orphans, queues
from shared.queues import RAW
from tests.unit.forwarder.factories import a_raw_batch, facts_of, put

BATCH_ID = "g-1-0"
JOB_ID = f"raw-{BATCH_ID}"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch is too young to be looked for."""
    monkeypatch.setattr(orphans, "AGE_SECONDS", -1.0)


@pytest.fixture
def queue(client: redis.Redis) -> Queue:
    """The queue `raw` with one batch on it."""
    put(client, a_raw_batch(3, BATCH_ID))
    return queues.open_queue(client, RAW)


def empty(queue: Queue) -> None:
    """Press the dashboard's button."""
    queue.empty()  # type: ignore[no-untyped-call]


def deleted(queue: Queue, job: Job) -> None:
    job.delete()


def emptied(queue: Queue, job: Job) -> None:
    empty(queue)


def cancelled(queue: Queue, job: Job) -> None:
    job.cancel()


def finished(queue: Queue, job: Job) -> None:
    queue.remove(job)
    job.set_status(JobStatus.FINISHED)


def forgotten(queue: Queue, job: Job) -> None:
    queue.remove(job)


@pytest.mark.parametrize("lose", [deleted, emptied, cancelled, finished, forgotten], ids=lambda lose: lose.__name__)
def test_a_batch_whose_job_is_gone_is_queued_again(
    client: redis.Redis, queue: Queue, lose: Callable[[Queue, Job], None]
) -> None:
    """One click in a dashboard would otherwise hold events back for ever, and a `--once` with them."""
    lose(queue, Job.fetch(JOB_ID, connection=client, serializer=queue.serializer))
    assert [] == queue.job_ids

    with structlog.testing.capture_logs() as logs:
        assert 1 == orphans.adopt(client, queue, RAW)

    (job,) = queue.jobs
    assert (JOB_ID, JobStatus.QUEUED) == (job.id, job.get_status())
    assert (BATCH_ID, facts_of(3)) == tuple(job.args)
    assert job.retries_left == queues.FOREVER.max
    assert str(job.description).startswith("3 events  /aws/lambda/billing")
    assert [("warning", 1)] == [(line["log_level"], line["batches"]) for line in logs]


@pytest.mark.parametrize("facts", [b"spoiled", b"[1]", b'{"events":7}', b'{"a":' * 3_000, b"\xff"])
def test_facts_that_make_no_sense_stop_nobody(client: redis.Redis, queue: Queue, facts: bytes) -> None:
    """Whoever wrote them to Redis: every worker looks for lost batches, and one would end where the next one begins."""
    empty(queue)
    client.hset(keys.facts(RAW.queue), BATCH_ID, facts)

    assert 1 == orphans.adopt(client, queue, RAW)
    assert [JOB_ID] == queue.job_ids


def queued(queue: Queue, job: Job) -> None:
    """It is."""


def between(queue: Queue, job: Job) -> None:
    Queue.lmove(queue.connection, queue.key, None)


def claimed(queue: Queue, job: Job) -> None:
    Queue.lmove(queue.connection, queue.key, None)
    with queue.connection.pipeline() as pipe:
        Execution.create(job, 60, pipe)
        pipe.lrem(queue.intermediate_queue_key, 1, job.id)
        pipe.execute()


def claimed_and_deleted(queue: Queue, job: Job) -> None:
    claimed(queue, job)
    queue.connection.delete(job.key)


def done(queue: Queue, job: Job) -> None:
    queues.finish(queue.connection, RAW, BATCH_ID, 0, lambda _: None)
    empty(queue)


@pytest.mark.parametrize("hold", [queued, between, claimed, claimed_and_deleted, done], ids=lambda hold: hold.__name__)
def test_a_batch_that_has_a_job_is_left_alone(
    client: redis.Redis, queue: Queue, hold: Callable[[Queue, Job], None]
) -> None:
    """A second one would send what the first is sending."""
    hold(queue, Job.fetch(JOB_ID, connection=client, serializer=queue.serializer))
    before = queue.job_ids

    assert 0 == orphans.adopt(client, queue, RAW)
    assert before == queue.job_ids


def test_a_batch_that_was_queued_just_now_is_left_alone(
    client: redis.Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost by waiting, and whatever a release of RQ does for a moment passes."""
    monkeypatch.setattr(orphans, "AGE_SECONDS", 60.0)
    empty(queue)

    assert 0 == orphans.adopt(client, queue, RAW)


def test_one_worker_looks_at_a_time(client: redis.Redis, queue: Queue) -> None:
    """Two that see the same batch without a job would each give it one."""
    empty(queue)
    ready = threading.Barrier(4)
    adopted: list[Any] = []

    def look() -> None:
        ready.wait()
        adopted.append(orphans.adopt(client, queue, RAW))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [0, 0, 0, 1] == sorted(adopted)
    assert [JOB_ID] == queue.job_ids
    assert 0 < client.ttl(keys.orphans("raw")) <= orphans.LOOK_SECONDS


def test_a_whole_queue_that_was_emptied_comes_back_in_its_order(
    client: redis.Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The button of the dashboard, pressed on a backlog."""
    monkeypatch.setattr(orphans, "AGE_SECONDS", 0.0)
    monkeypatch.setattr(orphans, "OLDEST", 10)
    for number in range(2, 38):
        put(client, a_raw_batch(1, f"g-{number:02}-0"))
    empty(queue)
    client.zadd(keys.outstanding("raw"), {BATCH_ID: 1, **{f"g-{n:02}-0": n for n in range(2, 38)}})

    assert 37 == orphans.adopt(client, queue, RAW)
    assert [JOB_ID, *(f"raw-g-{number:02}-0" for number in range(2, 38))] == queue.job_ids


def test_a_batch_without_payload_is_not_looked_for_again_and_again(client: redis.Redis, queue: Queue) -> None:
    """Somebody deleted the key by hand; there is nothing to queue."""
    empty(queue)
    client.delete(keys.payload("raw", BATCH_ID))

    assert 0 == orphans.adopt(client, queue, RAW)


def test_a_batch_without_facts_is_queued_all_the_same(client: redis.Redis, queue: Queue) -> None:
    """They are for people; the events are what counts."""
    empty(queue)
    client.delete(keys.facts("raw"))

    assert 1 == orphans.adopt(client, queue, RAW)
    assert [JOB_ID] == queue.job_ids
