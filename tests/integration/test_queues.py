"""The transactions that move a batch: all or nothing, once, whoever else is at it, and however the connection breaks."""

import threading
from itertools import count

import pytest
import redis
from redis.client import Pipeline

from shared import keys, queues
from shared.queues import RAW
from tests.unit.forwarder.factories import a_raw_batch, facts_of, put, put_bytes
from tests.unit.forwarder.faulty_redis import Moment, faulty_client

BATCH = a_raw_batch()
SIZE = 10


def did(pipe: Pipeline) -> None:
    """Leave a mark within the transaction."""
    pipe.incr("did")


def test_a_batch_on_its_queue_has_a_payload_a_job_and_its_facts(client: redis.Redis) -> None:
    """All of it in one transaction: the fetcher's, with the checkpoint."""
    put_bytes(client, RAW, BATCH.batch_id, b"payload", events=3)
    queue = queues.open_queue(client, RAW)

    assert b"payload" == queues.take(client, RAW, BATCH.batch_id)
    assert [f"raw-{BATCH.batch_id}"] == queue.job_ids
    assert {"raw": 1, "enriched": 0} == queues.outstanding(client)
    assert b"7" == client.hget(keys.BYTES, "raw")


def test_nothing_is_sent_before_the_transaction_is(client: redis.Redis) -> None:
    """A job without its checkpoint would be read and queued again."""
    queue = queues.open_queue(client, RAW)
    with client.pipeline() as pipe:
        pipe.multi()
        queues.put(pipe, queue, RAW, BATCH.batch_id, b"payload", facts_of(3))
        assert [] == client.keys("rq:*") + client.keys("cwpipe:*")

        pipe.execute()

    assert {"raw": 1, "enriched": 0} == queues.outstanding(client)


def test_the_description_is_what_an_operator_wants_to_read(client: redis.Redis) -> None:
    """rq-dashboard shows it; RQ's own would be the call with all its arguments."""
    put(client, BATCH)
    (job,) = queues.open_queue(client, RAW).jobs

    assert "3 events  /aws/lambda/billing  eu-west-1  2023-11-14T22:13:20Z .. 2023-11-14T22:13:22Z" == job.description


def test_finish_ends_a_batch_together_with_what_became_of_it(client: redis.Redis) -> None:
    """Nothing of it is left, and the mark is there."""
    put_bytes(client, RAW, BATCH.batch_id, b"0123456789", events=3)

    assert queues.finish(client, RAW, BATCH.batch_id, SIZE, did)
    assert b"1" == client.get("did")
    assert {"raw": 0, "enriched": 0} == queues.outstanding(client)
    assert queues.take(client, RAW, BATCH.batch_id) is None
    assert b"0" == client.hget(keys.BYTES, "raw")
    assert not client.exists(keys.facts("raw"))


def test_a_batch_ends_once(client: redis.Redis) -> None:
    """Whoever comes second finds no payload, and adds nothing to the books."""
    put_bytes(client, RAW, BATCH.batch_id, b"0123456789", events=3)
    queues.finish(client, RAW, BATCH.batch_id, SIZE, did)

    assert not queues.finish(client, RAW, BATCH.batch_id, SIZE, did)
    assert not queues.note(client, RAW, BATCH.batch_id, did)
    assert b"1" == client.get("did")


def test_nothing_is_written_when_another_went_further(client: redis.Redis) -> None:
    """Two forwarders on one batch: the offset that a window began at must still be the one recorded."""
    put_bytes(client, RAW, BATCH.batch_id, b"0123456789", events=3)
    client.set("place", b"20")

    assert not queues.note(client, RAW, BATCH.batch_id, did, unchanged=("place", b"10"))
    assert not queues.finish(client, RAW, BATCH.batch_id, SIZE, did, unchanged=("place", None))
    assert queues.finish(client, RAW, BATCH.batch_id, SIZE, did, unchanged=("place", b"20"))
    assert b"1" == client.get("did")


def test_many_at_once_end_a_batch_once(client: redis.Redis) -> None:
    """The race itself."""
    put_bytes(client, RAW, BATCH.batch_id, b"0123456789", events=3)
    ready = threading.Barrier(8)
    ended = []

    def end() -> None:
        ready.wait()
        ended.append(queues.finish(client, RAW, BATCH.batch_id, SIZE, did))

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [False] * 7 + [True] == sorted(ended)
    assert b"1" == client.get("did")
    assert b"0" == client.hget(keys.BYTES, "raw")


@pytest.mark.parametrize("moment", ["before", "after", "from then on"])
def test_a_connection_that_breaks_never_passes_for_a_batch_that_is_done(
    client: redis.Redis, redis_url: str, moment: Moment
) -> None:
    """redis-py reports it like a key that was changed: believed, the job would end and the batch stay for ever."""
    for at in count(1):
        client.flushall()
        put_bytes(client, RAW, BATCH.batch_id, b"0123456789", events=3)
        with faulty_client(redis_url, at, moment) as (faulty, plan):
            try:
                queues.finish(faulty, RAW, BATCH.batch_id, SIZE, did)
                ended = True
            except redis.ConnectionError:
                ended = False
            has_broken = plan.has_broken
        is_done = queues.take(client, RAW, BATCH.batch_id) is None

        assert is_done or not ended
        assert (b"1" if is_done else None) == client.get("did")
        assert (0 if is_done else 1) == queues.outstanding(client)["raw"]
        if not has_broken:
            assert at > 3
            return
