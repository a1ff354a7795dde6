"""Whatever size something in Redis has, or claims, a worker reads no more of it than it must, and goes on."""

import resource
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from rq.exceptions import NoSuchJobError

from services.fetcher.batches import MAX_CHARACTERS, MAX_EVENTS, split
from shared import codec, keys, queues
from shared.errors import PoisonMessage
from shared.event_columns import EventColumns
from shared.messages import RawBatch
from shared.queues import RAW, BoundedJob
from tests.eventually import eventually
from tests.unit.forwarder.factories import a_raw_batch, an_enriched_batch, an_event, put
from tests.unit.forwarder.processes import Place

MIB = 1024 * 1024


def grown(work: Callable[[], object]) -> int:
    """Return by how many bytes the most memory that this process had in use grew."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


def test_a_payload_beyond_all_bounds_is_not_read_whole(client: redis.Redis) -> None:
    """Redis takes 512 MiB in one key; a container that reads it is killed, and so is the next."""
    place = keys.payload(RAW.queue, "b")
    client.setrange(place, 200 * MIB, b"x")
    payload = b""

    def take() -> None:
        nonlocal payload
        payload = queues.take(client, RAW, "b") or b""

    assert grown(take) < 150 * MIB
    assert codec.MAX_STORED_BYTES < len(payload) <= codec.MAX_STORED_BYTES + 1
    with pytest.raises(PoisonMessage, match="out of bounds"):
        codec.decode(RawBatch, payload)


def test_an_empty_payload_is_there_and_one_that_is_gone_is_not(client: redis.Redis) -> None:
    """The first is poison, the second means that the work is done."""
    client.set(keys.payload(RAW.queue, "empty"), b"")

    assert b"" == queues.take(client, RAW, "empty")
    assert queues.take(client, RAW, "gone") is None


def test_the_largest_batch_that_can_be_made_is_within_the_bounds() -> None:
    """Of control characters, each of which takes six bytes in JSON, and with names as long as they go."""
    characters = MAX_CHARACTERS // MAX_EVENTS
    events = [an_event(number, "\x01" * characters) for number in range(MAX_EVENTS)]
    batch = a_raw_batch(1)
    raw = codec.encode(RawBatch(batch_id="b", group=batch.group, source="s" * 64, events=tuple(events)))

    assert [events] == [piece.events for piece in split(EventColumns(events))]
    assert MAX_EVENTS == len(codec.decode(RawBatch, raw).events)
    assert MAX_EVENTS * (characters * 6 + 512 + 512 + 400) < codec.MAX_DECODED_BYTES


@pytest.mark.parametrize(("name", "bound"), [("data", queues.MAX_JOB_BYTES), ("exc_info", queues.MAX_TRACEBACK_BYTES)])
def test_a_job_that_unpacks_to_a_bomb_is_no_job(client: redis.Redis, name: str, bound: int) -> None:
    """A kilobyte in Redis becomes a megabyte here, a megabyte a gigabyte."""
    client.hset("rq:job:bomb", mapping={"created_at": "2026-11-01T00:00:00Z", "data": zlib.compress(b"[]")})
    client.hset("rq:job:bomb", name, zlib.compress(b"\0" * 300 * MIB))

    def fetch() -> None:
        with pytest.raises(NoSuchJobError):
            BoundedJob.fetch("bomb", connection=client)

    assert grown(fetch) < 100 * MIB


def test_a_job_within_the_bounds_is_read(client: redis.Redis) -> None:
    data = b"x" * queues.MAX_JOB_BYTES
    for stored in (zlib.compress(data), data):
        client.hset("rq:job:fits", mapping={"created_at": "2026-11-01T00:00:00Z", "data": stored, "origin": "raw"})

        assert data == BoundedJob.fetch("fits", connection=client).data


def test_a_worker_goes_on_behind_such_a_job_and_its_batch_is_not_lost(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """The batch gets a job that is one, as any batch that has lost its own."""
    batches = [an_enriched_batch(3, batch_id=f"g-{number}-0") for number in range(2)]
    with Place(tmp_path / "place", redis_url) as place:
        for batch in batches:
            put(client, batch)
        client.hset("rq:job:enriched-g-0-0", "data", zlib.compress(b"\0" * 100 * MIB))
        place.start("forwarder")
        eventually(lambda: not any(queues.outstanding(client).values()), 60, "both are delivered")

        assert 6 == len(place.receiver.datagrams)
        assert {datagram for batch in batches for datagram in batch.datagrams} == set(place.receiver.datagrams)
        assert "Traceback" not in place.log.read_text()
