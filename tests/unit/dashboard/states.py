"""Redis as the pages may find it: nothing yet, idle, busy, full, failed, and filled by somebody with bad intentions."""

import json
import pickle  # noqa: TID251 - to write what must never be read
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat

from shared import queues
from shared.queues import ENRICHED, Route

FACTS: dict[str, Any] = {
    "account_id": "123456789012",
    "region": "us-east-1",
    "log_group": "/ecs/checkout",
    "group_key": "1809f847f3a77471",
    "streams": 12,
    "events": 5249,
    "bytes": 439_242,
    "first": "2026-11-23T06:35:58Z",
    "last": "2026-11-23T10:05:54Z",
}
BATCH = "g-1-0"
JOB = f"enriched-{BATCH}"
#: What would run in a browser, from a text or out of an attribute.
SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>'\"></td></a><svg onload=alert(3)>"


def put(client: redis.Redis, route: Route = ENRICHED, batch_id: str = BATCH, **facts: Any) -> None:
    """Queue a batch as the pipeline does."""
    queue = queues.open_queue(client, route)
    with client.pipeline() as pipe:
        pipe.multi()
        queues.put(pipe, queue, route, batch_id, b"payload", FACTS | facts)
        pipe.execute()


def nothing(_: redis.Redis) -> None:
    """Have what there is on the first day."""


def idle(client: redis.Redis) -> SimpleWorker:
    """Have a worker that waits."""
    worker = a_worker(client, "forwarder-host-7-abc123")
    worker.register_birth()  # type: ignore[no-untyped-call]
    return worker


def busy(client: redis.Redis) -> SimpleWorker:
    """Have a worker with a job in hand."""
    put(client)
    worker = idle(client)
    found = worker.dequeue_job_and_maintain_ttl(timeout=None)
    assert found
    worker.prepare_execution(found[0])
    worker.prepare_job_execution(found[0])
    return worker


def failed(client: redis.Redis) -> Job:
    """Have a job that RQ has given up, with its traceback."""
    put(client)
    job = fetch(client)
    Queue(ENRICHED.queue, connection=client, serializer=JSONSerializer).remove(job)
    job.set_status(JobStatus.FAILED)
    job.ended_at = now()
    job.save()
    job.failed_job_registry.add(job, ttl=-1)
    Result.create_failure(job, -1, f"Traceback (most recent call last):\n{SCRIPT}")
    return job


def finished(client: redis.Redis) -> None:
    """Have a job that is done, and its batch with it."""
    put(client)
    queues.finish(client, ENRICHED, BATCH, len(b"payload"), lambda _: None)
    job = fetch(client)
    Queue(ENRICHED.queue, connection=client, serializer=JSONSerializer).remove(job)
    job.set_status(JobStatus.FINISHED)
    job.finished_job_registry.add(job, ttl=60)
    Result.create(job, Result.Type.SUCCESSFUL, 60, None)


def thousands(client: redis.Redis) -> None:
    """Have a backlog on `enriched`, and as many jobs that are done."""
    queue = queues.open_queue(client, ENRICHED)
    with client.pipeline() as pipe:
        pipe.multi()
        for number in range(3000):
            queues.put(pipe, queue, ENRICHED, f"g-{number}-0", b"payload", FACTS)
        pipe.zadd("rq:finished:enriched", {f"enriched-g-{number}-0": number for number in range(3000)})
        pipe.execute()


def everything(client: redis.Redis) -> None:
    """Have all of it, and a job in every registry."""
    busy(client)
    for number, name in enumerate(("deferred", "scheduled", "canceled", "finished", "failed"), 2):
        put(client, batch_id=f"g-{number}-0")
        client.zadd(f"rq:{name}:enriched", {f"enriched-g-{number}-0": "+inf"})


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, crater: Path) -> None:
        self._crater = crater

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self._crater,)


def bombs(client: redis.Redis, crater: Path) -> list[str]:
    """Have pickles wherever RQ may read one, in each registry and under a busy worker; return the jobs' ids."""
    bomb = pickle.dumps(Bomb(crater))
    worker = busy(client)
    job_ids = [JOB]
    for registry in ("queued", "started", "failed", "finished", "deferred", "scheduled", "canceled"):
        for where in ("data", "meta", "result", "results"):
            job_id = f"bomb-{registry}-{where}"
            _a_job(client, job_id, registry)
            _arm(client, job_id, where, bomb)
            job_ids.append(job_id)
    _arm(client, JOB, "data", bomb)
    _arm(client, JOB, "meta", bomb)
    assert worker.get_current_executions()
    return job_ids


def nonsense(client: redis.Redis) -> None:
    """Have jobs, workers, queues and executions whose fields make no sense."""
    busy(client)
    for field, value in (
        ("created_at", b"yesterday"),
        ("origin", b"\xff\xfe"),
        ("status", b"on fire"),
        ("timeout", b"never"),
        ("data", b"[1]"),
        ("data", b'["f",null,[{"a":NaN}],{}]'),
        ("data", json.dumps(["f", None, [BATCH, [SCRIPT], None], {}]).encode()),
        ("retries_left", b"many"),
        ("description", b"\xff"),
    ):
        job_id = f"odd-{field}-{len(value)}"
        _a_job(client, job_id, "failed")
        client.hset(f"rq:job:{job_id}", field, value)
    client.set("rq:job:no-hash", "text")
    client.zadd("rq:failed:enriched", {"no-hash": 1, "gone": 2})
    client.rpush("rq:queue:enriched", "no-hash", "gone")
    client.hset("rq:worker:odd", mapping={"pid": "none", "birth": "long ago", "queues": "enriched"})
    client.set("rq:worker:text", "text")
    client.sadd("rq:workers", "rq:worker:odd", "rq:worker:text", "rq:worker:dead", "odd", b"\xff")
    client.sadd("rq:queues", "odd", b"rq:queue:\xff")
    client.sadd("rq:worker:forwarder-host-7-abc123:executions", "odd", f"{JOB}:dead")


def scripts(client: redis.Redis) -> None:
    """Have scripts in every text that a page may show."""
    put(client, log_group=SCRIPT, region=SCRIPT, account_id=SCRIPT)
    job = fetch(client)
    job.set_status(JobStatus.FAILED)
    job.failed_job_registry.add(job, ttl=-1)
    Result.create_failure(job, -1, SCRIPT)
    name = f"rq:worker:{SCRIPT}"
    texts: dict[Any, Any] = dict.fromkeys(("queues", "state", "version", "python_version"), SCRIPT)
    client.hset(name, mapping=texts | {"birth": utcformat(now()), "last_heartbeat": utcformat(now())})
    client.sadd("rq:workers", name)
    execution = Execution(id="e", job_id=JOB, connection=client, worker_name=SCRIPT)
    execution.created_at = execution.last_heartbeat = now()
    fields: dict[Any, Any] = execution.serialize()
    client.hset(execution.key, mapping=fields)
    client.sadd(execution.worker_executions_key, execution.composite_key)
    client.sadd("rq:queues", f"rq:queue:{SCRIPT}")


def fetch(client: redis.Redis, job_id: str = JOB) -> Job:
    """Return a job as RQ reads it."""
    return Job.fetch(job_id, connection=client, serializer=JSONSerializer)


def a_worker(client: redis.Redis, name: str) -> SimpleWorker:
    """Return a worker on `enriched` that has not begun."""
    queue = Queue(ENRICHED.queue, connection=client, serializer=JSONSerializer)
    return SimpleWorker([queue], name=name, connection=client, serializer=JSONSerializer)


def contents(client: redis.Redis) -> dict[bytes, object]:
    """Return every key with what it holds, to see whether anything has changed."""
    return {key: client.dump(key) for key in client.scan_iter()}


def _a_job(client: redis.Redis, job_id: str, registry: str) -> None:
    job = Job.create(
        ENRICHED.task, (BATCH, FACTS), connection=client, id=job_id, origin="enriched", serializer=JSONSerializer
    )
    job.save()
    if registry == "queued":
        client.rpush("rq:queue:enriched", job_id)
    elif registry == "started":
        client.zadd("rq:wip:enriched", {f"{job_id}:execution": "+inf"})
    else:
        job.set_status(JobStatus(registry))
        client.zadd(f"rq:{registry}:enriched", {job_id: "+inf"})


def _arm(client: redis.Redis, job_id: str, where: str, bomb: bytes) -> None:
    if where == "results":
        client.xadd(f"rq:results:{job_id}", {"type": "1", "return_value": b64encode(bomb)})
    else:
        client.hset(f"rq:job:{job_id}", where, zlib.compress(bomb) if where == "data" else bomb)
