"""Batches without a job: deleted or cancelled in a dashboard, gone with an emptied queue, or lost to a fault of RQ.

A payload that exists says "not done yet", so such a batch is given a job again. Nothing can go wrong by it: where there
is a job after all, whoever comes second finds no payload.
"""

import time
from typing import Any

import msgspec
import redis
import structlog

from shared import keys, queues
from shared.queues import Facts, JobQueue, Route

#: One worker of a queue looks for them, so often; cwpipe:orphans:<queue> names this too.
LOOK_SECONDS = 10
#: A batch is looked for when it was queued so long ago. Only the oldest are: a queue is worked on in its order, so that
#: the others' time comes.
AGE_SECONDS = 10.0
OLDEST = 100

log = structlog.get_logger()


def adopt(client: redis.Redis, queue: JobQueue, route: Route) -> int:
    """Queue the batches again that have no job; return how many. Does nothing if a worker has looked just now."""
    if not client.set(keys.orphans(route.queue), 1, nx=True, ex=LOOK_SECONDS):
        return 0
    adopted = 0
    while found := sum(_queue_again(client, queue, route, batch_id) for batch_id in _orphans(client, queue, route)):
        adopted += found
    if adopted:
        log.warning("batches had lost their job and are queued again", queue=route.queue, batches=adopted)
    return adopted


def _orphans(client: redis.Redis, queue: JobQueue, route: Route) -> list[str]:
    """Return the oldest batches that were, at one moment, neither queued nor between two lists nor claimed."""
    until_ms = int((time.time() - AGE_SECONDS) * 1000)
    oldest: list[Any] = client.zrangebyscore(keys.outstanding(route.queue), "-inf", until_ms, start=0, num=OLDEST)
    batch_ids = [batch_id.decode() for batch_id in oldest]
    with client.pipeline() as pipe:
        pipe.zrange(queue.started_job_registry.key, 0, -1)
        for batch_id in batch_ids:
            for held in (queue.key, queue.intermediate_queue_key):
                pipe.lpos(held, queues.job_id(route, batch_id))
        claims, *places = pipe.execute()
    claimed = {claim.decode().partition(":")[0] for claim in claims}  # "<job id>:<execution id>"
    return [
        batch_id
        for batch_id, queued, taken in zip(batch_ids, places[::2], places[1::2], strict=True)
        if queued is None and taken is None and queues.job_id(route, batch_id) not in claimed
    ]


def _queue_again(client: redis.Redis, queue: JobQueue, route: Route, batch_id: str) -> bool:
    stored = client.hget(keys.facts(route.queue), batch_id)
    facts = _facts(stored)
    return queues.note(client, route, batch_id, lambda pipe: queues.put_job(pipe, queue, route, batch_id, facts))


def _facts(stored: Any) -> dict[str, Any]:
    """Return the facts kept with a batch. What is not told, or makes no sense, is 0: they are for people to read."""
    unknown: dict[str, Any] = dict.fromkeys(Facts.__struct_fields__, 0)
    try:
        return {**unknown, **(msgspec.json.decode(stored, type=dict[str, Any]) if stored else {})}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return unknown
