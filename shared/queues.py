"""The two hops of the pipeline, and the transactions that move a batch over them.

    fetcher --put--> raw --hand_over--> enriched --finish--> gone

A batch is its payload, a key of its own. The payload's existence means "not done yet": every step deletes the payload
it worked on in the same transaction that records what became of it. A job that finds no payload has nothing to do and
returns, whoever ran it again and why. The RQ job beside it carries a reference and facts for people, as plain JSON; the
facts are kept with the payload too, so that a batch which has lost its job can be given another (shared/orphans.py).
"""

import time
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import redis
from msgspec import Struct
from redis.client import Pipeline
from rq import Queue, get_current_job
from rq.exceptions import NoSuchJobError
from rq.job import Job, Retry
from rq.serializers import JSONSerializer

from shared import codec, keys

#: A job is retried for as long as its payload exists; only what cannot be decoded is given up, by us and not by RQ.
FOREVER = Retry(max=1_000_000_000, interval=0, enqueue_at_front=True)

#: Finished jobs stay visible for so long. Never 0: RQ would delete the job before its own bookkeeping is over.
RESULT_SECONDS = 60

#: What a job function returns to have its batch back at the head of the queue: it stops, the batch is not done.
GIVE_BACK = FOREVER

#: What a service that may not know RQ calls its queue.
JobQueue = Queue


class Route(Struct, frozen=True, kw_only=True):
    """One hop: the queue and the function that works on it. The dotted path is stored in Redis: a wire contract."""

    queue: str
    task: str


RAW = Route(queue="raw", task="services.normalizer.normalize.normalize_batch")
ENRICHED = Route(queue="enriched", task="services.forwarder.forward.forward_batch")


class Facts(Struct, frozen=True, kw_only=True):
    """What an operator wants to read about a batch; the job's arguments beside the batch id."""

    account_id: str
    region: str
    log_group: str
    group_key: str
    streams: int
    events: int
    bytes: int
    first: str
    last: str


#: A job of ours is a batch id and facts: a kilobyte or two, with the longest names that AWS allows.
MAX_JOB_BYTES = 64 * 1024
#: A traceback of a job that failed.
MAX_TRACEBACK_BYTES = 1024 * 1024


class BoundedJob(Job):
    """An RQ job that is read within bounds: RQ itself unpacks what it finds, however much comes out of it.

    Whoever can write to Redis could otherwise have a kilobyte there become gigabytes here, and kill worker after worker. A
    job beyond the bounds is none: RQ drops it, and its batch is given another (shared/orphans.py).
    """

    def restore(self, raw_data: dict[Any, Any]) -> Any:
        """Read the job from its hash. Raises NoSuchJobError where it is no job that RQ could have made of ours."""
        for name, bound in ((b"data", MAX_JOB_BYTES), (b"exc_info", MAX_TRACEBACK_BYTES)):
            if not _fits(raw_data.get(name, b""), bound):
                raise NoSuchJobError(f"the {name.decode()} of job {self.id} is beyond {bound} bytes")
        return super().restore(raw_data)


def _fits(packed: bytes, bound: int) -> bool:
    if len(packed) > bound:
        return False
    try:
        return len(zlib.decompressobj().decompress(packed, bound + 1)) <= bound
    except zlib.error:
        return True  # RQ takes it as it is


def job_id(route: Route, batch_id: str) -> str:
    """Return the RQ id of the job for `batch_id` on `route`: RQ keeps the jobs of all queues in one namespace."""
    return f"{route.queue}-{batch_id}"


def put(pipe: Pipeline, queue: Queue, route: Route, batch_id: str, payload: bytes, facts: dict[str, Any]) -> None:
    """Add a batch and its job to the transaction in `pipe`, which must be past multi()."""
    pipe.set(keys.payload(route.queue, batch_id), payload)
    pipe.hset(keys.facts(route.queue), batch_id, msgspec.json.encode(facts))
    pipe.hincrby(keys.BYTES, route.queue, len(payload))
    put_job(pipe, queue, route, batch_id, facts)


def put_job(pipe: Pipeline, queue: Queue, route: Route, batch_id: str, facts: dict[str, Any]) -> None:
    """Add the job of a batch to the transaction in `pipe`, which must be past multi()."""
    pipe.zadd(keys.outstanding(route.queue), {batch_id: int(time.time() * 1000)})
    queue.enqueue_many(
        [
            Queue.prepare_data(
                route.task,
                args=(batch_id, facts),
                timeout=-1,
                result_ttl=RESULT_SECONDS,
                failure_ttl=-1,
                description="{events} events  {log_group}  {region}  {first} .. {last}".format(**facts),
                job_id=job_id(route, batch_id),
                retry=FOREVER,
            )
        ],
        pipeline=pipe,
    )


def open_queue(client: redis.Redis, route: Route) -> Queue:
    """Return RQ's queue for `route`, speaking JSON only. Asks the server for its version, so it may block."""
    queue = Queue(route.queue, connection=client, serializer=JSONSerializer)
    queue.get_redis_server_version()
    return queue


def take(client: redis.Redis, route: Route, batch_id: str) -> bytes | None:
    """Return the payload of a batch, or None when its work is done. Of one beyond all bounds, as much as shows that."""
    place = keys.payload(route.queue, batch_id)
    payload: Any = client.getrange(place, 0, codec.MAX_STORED_BYTES)
    return payload if payload or is_outstanding(client, route, batch_id) else None


def is_outstanding(client: redis.Redis, route: Route, batch_id: str) -> bool:
    """Say whether a batch is not done yet."""
    return bool(client.exists(keys.payload(route.queue, batch_id)))


def finish(
    client: redis.Redis,
    route: Route,
    batch_id: str,
    size: int,
    record: Callable[[Pipeline], None],
    *,
    unchanged: tuple[str, bytes | None] | None = None,
) -> bool:
    """Delete the payload of `size` bytes and, in the same transaction, do what `record` adds to it.

    Return False, with nothing written, when the payload is gone, or when the key named in `unchanged` does not hold
    the value given there: somebody else worked on the batch meanwhile.
    """

    def close(pipe: Pipeline) -> None:
        pipe.delete(keys.payload(route.queue, batch_id))
        pipe.zrem(keys.outstanding(route.queue), batch_id)
        pipe.hdel(keys.facts(route.queue), batch_id)
        pipe.hincrby(keys.BYTES, route.queue, -size)
        record(pipe)

    return note(client, route, batch_id, close, unchanged=unchanged)


def note(
    client: redis.Redis,
    route: Route,
    batch_id: str,
    record: Callable[[Pipeline], None],
    *,
    unchanged: tuple[str, bytes | None] | None = None,
) -> bool:
    """Do what `record` adds to a transaction while the batch is not done. False as with `finish`."""
    payload = keys.payload(route.queue, batch_id)
    while True:
        with client.pipeline() as pipe:
            try:
                pipe.watch(payload, *((unchanged[0],) if unchanged else ()))  # type: ignore[no-untyped-call]
                if not pipe.exists(payload) or (unchanged and pipe.get(unchanged[0]) != unchanged[1]):
                    return False
                pipe.multi()
                record(pipe)
                pipe.execute()
            except redis.WatchError:
                # Not only somebody else's work: redis-py says this too when the connection broke after WATCH, whether
                # or not the transaction was carried out. Taken for "done" it would end the job of a batch that is not.
                continue
            return True


def outstanding(client: redis.Redis) -> dict[str, int]:
    """Return the number of batches not yet done, by queue."""
    return {route.queue: int(client.zcard(keys.outstanding(route.queue))) for route in (RAW, ENRICHED)}


def times_interrupted() -> int:
    """Return how often the job in hand was cut short: its worker died, or Redis went away. 0 outside a job.

    A batch given back on a stop does not count: nothing was left in doubt.
    """
    job = get_current_job()
    return FOREVER.max - int(job.retries_left or 0) if job else 0


def workers(client: redis.Redis, route: Route) -> int:
    """Return the number of workers alive on the queue of `route`, asked of Redis without RQ's clean-up."""
    names = client.smembers(f"rq:workers:{route.queue}")
    return sum(1 for name in names if client.exists(name))
