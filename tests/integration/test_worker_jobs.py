"""One job in a worker: its claim is kept however long it takes, nothing in Redis is a pickle, and one that fails, or is
deleted under the worker, holds up nobody."""

import json
import signal
import zlib
from pathlib import Path
from typing import Any

import redis
from rq import Queue
from rq.job import Job

from shared import orphans, queues
from shared.queues import ENRICHED, FOREVER
from tests.eventually import eventually
from tests.unit.forwarder.factories import a_raw_batch, account, an_enriched_batch, facts_of, put
from tests.unit.forwarder.processes import Place

CLAIM_SECONDS = 3

SHORT_CLAIMS = f"from shared import worker; worker.CLAIM_SECONDS = {CLAIM_SECONDS}; worker.BEAT_SECONDS = 0.3"

ORPHANS_AT_ONCE = "from shared import orphans; orphans.AGE_SECONDS = 0.5; orphans.LOOK_SECONDS = 1"

NO_PATIENCE = "from services.forwarder import forward; forward.CONFIRM_ON_STOP_SECONDS = 0"

FAULTY = """
from services.forwarder.forward import Forwarder
forward = Forwarder.forward
def faulty(self, batch_id, facts):
    if batch_id == "g-0-0":
        raise KeyError("a fault of ours")
    return forward(self, batch_id, facts)
Forwarder.forward = faulty
"""


def claims(client: redis.Redis) -> dict[bytes, float]:
    """Return until when each execution on the queue `enriched` is claimed, in seconds since 1970."""
    rows: list[Any] = client.zrange("rq:wip:enriched", 0, -1, withscores=True)
    return dict(rows)


def stored_by_rq(client: redis.Redis) -> dict[bytes, list[bytes]]:
    """Return every value that RQ keeps, by key."""
    kept: dict[bytes, list[bytes]] = {}
    for key in client.scan_iter("rq:*"):
        match client.type(key):
            case b"hash":
                fields: dict[bytes, bytes] = client.hgetall(key)  # type: ignore[assignment]  # sync, not async
                kept[key] = list(fields.values())
            case b"stream":
                entries: Any = client.xrange(key)
                kept[key] = [value for _, entry in entries for value in entry.values()]
    return kept


def test_a_claim_is_kept_for_as_long_as_the_receiver_is_waited_for(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """Hours, if need be: a second forwarder that took the batch over would send all of it once more."""
    batch = an_enriched_batch(20, "g-0-0")
    with Place(tmp_path, redis_url) as place:
        place.receiver.pause()
        put(client, batch)
        for _ in range(2):
            place.start("forwarder", first=SHORT_CLAIMS)
        eventually(lambda: claims(client) and 2 == queues.workers(client, ENRICHED), 60, "one at work, one idle")
        (execution, first), *others = claims(client).items()
        eventually(
            lambda: claims(client).get(execution, 0) - first > 2 * CLAIM_SECONDS or execution not in claims(client),
            what="a claim renewed again and again",
        )

        assert [] == others
        assert [execution] == list(claims(client))

        place.receiver.resume()
        eventually(lambda: place.all_is_done, 60, f"the batch: see {place.log}")
        job = Job.fetch("enriched-g-0-0", connection=client, serializer=queues.open_queue(client, ENRICHED).serializer)

        assert list(batch.datagrams) == place.receiver.datagrams
        assert FOREVER.max == job.retries_left
        assert 0 == account(client).sent_again


def test_a_job_on_its_way_is_not_taken_for_one_that_was_stuck_before(client: redis.Redis) -> None:
    """The note of when it was first seen between two lists outlives the grace by seconds, not by a day."""
    from shared.worker import GRACE_SECONDS, _Queue

    between = _Queue("enriched", connection=client).intermediate_queue

    assert between.set_first_seen("enriched-g-0-0")
    assert not between.set_first_seen("enriched-g-0-0")
    assert not between.should_be_cleaned_up("enriched-g-0-0")
    assert GRACE_SECONDS < client.ttl(between.get_first_seen_key("enriched-g-0-0")) <= 3 * GRACE_SECONDS


def test_all_that_rq_keeps_of_a_job_is_json_that_can_be_read(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """While it is queued, while it is worked on, given back and finished: a dashboard shows it, and runs no pickle."""
    with Place(tmp_path, redis_url) as place:
        place.receiver.pause()
        put(client, an_enriched_batch(20, "g-0-0"))
        kept = [stored_by_rq(client)]
        worker = place.start(
            "forwarder", first="from services.forwarder import forward as f; f.CONFIRM_ON_STOP_SECONDS = 0"
        )
        eventually(lambda: claims(client), 60, "a forwarder at work")
        kept.append(stored_by_rq(client))
        worker.send_signal(signal.SIGTERM)
        worker.wait()
        kept.append(stored_by_rq(client))
        place.receiver.resume()
        place.start("forwarder")
        eventually(lambda: place.all_is_done, 60, f"the batch: see {place.log}")
        kept.append(stored_by_rq(client))
    values = [value for moment in kept for of_key in moment.values() for value in of_key]
    data: Any = client.hget("rq:job:enriched-g-0-0", "data")

    assert len(values) > 50
    assert not any(value.startswith(b"\x80") or b"\x80\x04" in value or b"\x80\x05" in value for value in values)
    assert [ENRICHED.task, None, ["g-0-0", facts_of(20)], {}] == json.loads(zlib.decompress(data))
    assert b"20 events  /aws/lambda/billing  eu-west-1  2023-11-14T22:13:20Z .. 2023-11-14T22:13:22Z" == client.hget(
        "rq:job:enriched-g-0-0", "description"
    )


def test_nothing_of_a_finished_job_stays_for_ever(client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    """A million batches a week pass through, some of them in more than one attempt."""
    with Place(tmp_path, redis_url) as place:
        place.receiver.pause()
        for number in range(3):
            put(client, an_enriched_batch(5, f"g-{number}-0"))
        worker = place.start("forwarder", first=NO_PATIENCE)
        eventually(lambda: claims(client), 60, "a forwarder at work")
        worker.send_signal(signal.SIGTERM)
        worker.wait()
        place.receiver.resume()
        worker = place.start("forwarder")
        eventually(lambda: place.all_is_done, 60, f"the batches: see {place.log}")
        worker.send_signal(signal.SIGTERM)
        worker.wait()
    of_batches = [key for key in client.scan_iter("rq:*") if b"g-" in key]
    lasting = {key for key in client.scan_iter("rq:*") if -1 == client.ttl(key)}

    assert of_batches
    assert not lasting & set(of_batches)
    assert {b"rq:queues", b"rq:finished:enriched"} >= lasting


def test_a_job_that_somebody_wrote_as_a_pickle_is_not_run(client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    """Who can write to Redis can put nonsense there, not code. What came after it goes on."""
    with Place(tmp_path, redis_url) as place:
        Queue("enriched", connection=client).enqueue("os.mkdir", str(tmp_path / "executed"))
        put(client, an_enriched_batch(5, "g-0-0"))
        place.start("forwarder")
        eventually(lambda: 5 == account(client).delivered, 60, f"the batch: see {place.log}")
        eventually(lambda: 1 == place.failed, 60, f"the pickle set aside: see {place.log}")

        assert not (tmp_path / "executed").exists()
        assert 5 == len(place.receiver.datagrams)


def test_a_batch_that_fails_by_a_fault_of_ours_holds_up_no_other(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """It is tried again for ever, behind the others and without haste, until a release knows better."""
    with Place(tmp_path, redis_url) as place:
        for number in range(3):
            put(client, an_enriched_batch(5, f"g-{number}-0"))
        worker = place.start("forwarder", first=FAULTY)
        eventually(lambda: 10 == account(client).delivered, 60, f"the other batches: see {place.log}")
        eventually(lambda: place.log.read_text().count("a fault of ours") >= 2, 60, "another try")
        worker.send_signal(signal.SIGTERM)
        worker.wait()

        assert 0 == place.failed
        assert place.log.read_text().count("a job failed and will be tried again") < 10
        assert ["enriched-g-0-0"] == queues.open_queue(client, ENRICHED).job_ids

        place.start("forwarder")
        eventually(lambda: place.all_is_done, 60, f"the batch: see {place.log}")

        assert 15 == len(place.receiver.datagrams)


def test_what_is_deleted_in_a_dashboard_is_delivered_all_the_same(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """The job in hand, and with one click all that are queued: a batch ends by its own books and not by RQ's."""
    with Place(tmp_path, redis_url) as place:
        place.receiver.pause()
        for number in range(3):
            put(client, an_enriched_batch(5, f"g-{number}-0"))
            put(client, a_raw_batch(5, f"h-{number}-0"))
        place.start("forwarder", first=ORPHANS_AT_ONCE)
        eventually(lambda: claims(client), 60, "a forwarder at work")
        client.delete(*client.keys("rq:job:*"), "rq:queue:enriched", "rq:queue:raw")
        place.receiver.resume()
        place.start("normalizer", first=ORPHANS_AT_ONCE)
        eventually(lambda: place.all_is_done, 60, f"all batches: see {place.log}")

        assert orphans.AGE_SECONDS < 60
        assert 30 == len(set(place.receiver.datagrams)) == len(place.receiver.datagrams)
        assert (30, 0, 0) == (account(client).delivered, account(client).in_flight, account(client).sent_again)
