"""One batch from the queue to a receiver that behaves: sent in order, confirmed, recorded, acknowledged last."""

import threading
from typing import Any

import pytest
import redis

from services.forwarder import analysisd, forward
from services.forwarder.progress import Progress
from shared import codec, dead_letters, keys, queues
from shared.messages import DeadLetter
from shared.queues import ENRICHED
from tests.receiver import Receiver
from tests.unit.forwarder.at_work import AtWork, pause
from tests.unit.forwarder.factories import (
    GROUP,
    account,
    an_enriched_batch,
    datagrams,
    put,
    put_bytes,
)

WINDOW = 10


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several windows in a batch that can be looked through."""
    monkeypatch.setattr(forward, "WINDOW", WINDOW)


def progress(client: redis.Redis, batch_id: str) -> Any:
    """Return the confirmed offset as Redis holds it."""
    return client.get(keys.progress(batch_id))


def is_done(client: redis.Redis, batch_id: str) -> bool:
    """Tell whether nothing of the batch is left in the queue's keys."""
    return (
        not client.exists(keys.payload("enriched", batch_id), keys.progress(batch_id))
        and client.zscore(keys.outstanding("enriched"), batch_id) is None
        and not client.hexists(keys.facts("enriched"), batch_id)
        and 0 == int(client.hget(keys.BYTES, "enriched") or 0)
    )


def letters(client: redis.Redis) -> dict[str, DeadLetter]:
    """Return every dead letter, by id."""
    rows: dict[bytes, bytes] = client.hgetall(keys.DEAD_LETTERS)  # type: ignore[assignment]  # sync, not async
    return {name.decode(): codec.decode(DeadLetter, data) for name, data in rows.items()}


def test_a_batch_arrives_whole_in_order_and_once(client: redis.Redis, receiver: Receiver) -> None:
    """The guarantee, when nothing goes wrong."""
    batch = an_enriched_batch(25)
    put(client, batch)
    with AtWork(client, receiver.path, batch) as work:
        assert work.join() is None

    assert list(batch.datagrams) == receiver.datagrams
    assert is_done(client, batch.batch_id)
    assert (25, 25, 0, 0) == (
        account(client).fetched,
        account(client).delivered,
        account(client).in_flight,
        account(client).sent_again,
    )


def test_each_window_is_recorded_after_it_was_read_and_the_batch_acknowledged_last(
    client: redis.Redis, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded earlier, a crash would lose what was not read; not recorded, it would repeat what was."""
    recorded = []
    deliver = Progress.deliver

    def looked_at(self: Progress, reached: int) -> bool:
        before = len(receiver.datagrams)
        done = deliver(self, reached)
        recorded.append((before, progress(client, batch.batch_id), is_done(client, batch.batch_id)))
        return done

    monkeypatch.setattr(Progress, "deliver", looked_at)
    batch = an_enriched_batch(25)
    put(client, batch)
    with AtWork(client, receiver.path, batch) as work:
        work.join()

    assert [(10, b"10", False), (20, b"20", False), (25, None, True)] == recorded


def test_a_batch_goes_on_from_the_offset_that_is_recorded(client: redis.Redis, receiver: Receiver) -> None:
    """What was confirmed before a crash is not sent again."""
    batch = an_enriched_batch(25)
    put(client, batch)
    client.set(keys.progress(batch.batch_id), 20)
    with AtWork(client, receiver.path, batch) as work:
        work.join()

    assert list(batch.datagrams[20:]) == receiver.datagrams
    assert 5 == account(client).delivered
    assert is_done(client, batch.batch_id)


def test_events_are_counted_and_not_datagrams(client: redis.Redis, receiver: Receiver) -> None:
    """An oversize text travels in parts: one event, however many, wherever the windows end."""
    batch = an_enriched_batch(25, continued=(0, 1, 8, 9, 10, 23))
    put(client, batch)
    with AtWork(client, receiver.path, batch) as work:
        work.join()

    assert 25 == len(receiver.datagrams)
    assert 19 == account(client).delivered
    assert 0 == account(client).in_flight


def test_a_batch_that_is_done_is_left_alone(client: redis.Redis, receiver: Receiver) -> None:
    """A job may be run again for many reasons; without a payload there is nothing to do."""
    with AtWork(client, receiver.path, an_enriched_batch(5)) as work:
        assert work.join() is None

    assert [] == receiver.datagrams
    assert {b"cwpipe:version"} >= set(client.keys("cwpipe:*"))


def test_a_payload_that_cannot_be_decoded_becomes_a_dead_letter(client: redis.Redis, receiver: Receiver) -> None:
    """Retried for ever it would block the queue; dropped, its events would be missing from the books."""
    batch = an_enriched_batch(7)
    put_bytes(client, ENRICHED, batch.batch_id, b"spoiled", events=7)
    with AtWork(client, receiver.path, batch) as work:
        assert work.join() is None
    (letter,) = letters(client).values()

    assert (b"spoiled", 7) == (letter.payload, letter.events)
    assert "EnrichedBatch" in letter.reason
    assert (7, 0) == (account(client).dead_lettered, account(client).in_flight)
    assert is_done(client, batch.batch_id)
    assert int(client.hget(keys.BYTES, "dead_letters") or 0) > 0


def test_of_a_batch_spoiled_after_a_part_was_confirmed_only_the_rest_is_booked(
    client: redis.Redis, receiver: Receiver
) -> None:
    """As when an older release, which cannot read it, takes over in the middle of a batch."""
    batch = an_enriched_batch(25, continued=(0,))
    put(client, batch)
    with AtWork(client, receiver.path, batch, on_beat=lambda beats: work.stop.set() if beats == 2 else None) as work:
        work.join()
    confirmed = account(client).delivered
    size = int(client.strlen(keys.payload("enriched", batch.batch_id)))
    client.set(keys.payload("enriched", batch.batch_id), b"?" * size)
    with AtWork(client, receiver.path, batch) as work:
        work.join()
    books = account(client)

    assert 0 < confirmed < 24
    assert (24 - confirmed, confirmed, 0) == (books.dead_lettered, books.delivered, books.in_flight)
    assert [24 - confirmed] == [letter.events for letter in letters(client).values()]


def test_a_datagram_too_long_for_this_machine_becomes_a_dead_letter_and_the_rest_goes_on(
    client: redis.Redis, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One event never stops another; which one it was, and why, is kept."""
    monkeypatch.setattr(analysisd, "SEND_BUFFER_BYTES", 8192)
    long = b"1:here:" + b"x" * 60_000
    few = datagrams(14)
    batch = an_enriched_batch(sent=(long, *few[:12], long, *few[12:], long))
    put(client, batch)
    with AtWork(client, receiver.path, batch) as work:
        work.join()
    kept = letters(client)

    assert list(few) == receiver.datagrams
    assert (14, 3, 0) == (account(client).delivered, account(client).dead_lettered, account(client).in_flight)
    assert {f"{batch.batch_id}-d{offset}" for offset in (0, 13, 16)} == set(kept)
    assert {(long, GROUP, 1)} == {(letter.payload, letter.group, letter.events) for letter in kept.values()}
    assert all("60007 bytes is too long" in letter.reason for letter in kept.values())
    assert is_done(client, batch.batch_id)


def test_a_part_too_long_stands_for_no_event_of_its_own(
    client: redis.Redis, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event it belongs to is counted with its last part: replay and books would count it twice."""
    monkeypatch.setattr(analysisd, "SEND_BUFFER_BYTES", 8192)
    batch = an_enriched_batch(sent=(b"1:here:" + b"x" * 60_000, *datagrams(2)), continued=(0,))
    put(client, batch)
    with AtWork(client, receiver.path, batch) as work:
        work.join()

    assert [0] == [letter.events for letter in letters(client).values()]
    assert (2, 0, 0) == (account(client).delivered, account(client).dead_lettered, account(client).in_flight)


def test_two_forwarders_on_one_batch_count_every_event_once(client: redis.Redis, receiver: Receiver) -> None:
    """A worker that was silent for too long loses its claim, and may wake while another works on its batch."""
    batch = an_enriched_batch(300)
    put(client, batch)
    with AtWork(client, receiver.path, batch) as one, AtWork(client, receiver.path, batch) as other:
        one.join()
        other.join()
    books = account(client)
    repeated = len(receiver.datagrams) - 300

    assert set(batch.datagrams) == set(receiver.datagrams)
    assert (300, 0) == (books.delivered, books.in_flight)
    assert repeated <= books.sent_again
    assert is_done(client, batch.batch_id)


def test_level_sent_does_not_wait_for_the_receiver_to_read(client: redis.Redis, receiver: Receiver) -> None:
    """Asked for in the settings: what the kernel has taken counts."""
    pause(receiver)
    batch = an_enriched_batch(5)
    put(client, batch)
    with AtWork(client, receiver.path, batch, confirm="sent") as work:
        work.join()

    assert [] == receiver.datagrams
    assert 5 == account(client).delivered


def test_nothing_is_lost_between_batches_of_one_forwarder(client: redis.Redis, receiver: Receiver) -> None:
    """The connection outlives a batch."""
    for number in range(3):
        batch = an_enriched_batch(12, batch_id=f"g-{number}-0")
        put(client, batch)
        with AtWork(client, receiver.path, batch) as work:
            work.join()

    assert 36 == len(set(receiver.datagrams)) == len(receiver.datagrams)
    assert 0 == dead_letters.count(client)
    assert {"raw": 0, "enriched": 0} == queues.outstanding(client)


def test_the_facts_of_a_job_are_no_part_of_the_delivery(client: redis.Redis, receiver: Receiver) -> None:
    """They are for people: a release that words them otherwise must still deliver."""
    batch = an_enriched_batch(3)
    put(client, batch)
    sink = analysisd.Analysisd(str(receiver.path), "read")
    forward.Forwarder(client, sink, lambda: None, threading.Event()).forward(batch.batch_id, {"reworded": True})
    sink.close()

    assert 3 == len(receiver.datagrams)
