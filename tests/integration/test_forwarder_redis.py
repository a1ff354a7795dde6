"""Redis goes away at any command of a delivery: nothing is lost, each event is booked once, repeats are bounded."""

from itertools import count

import pytest
import redis

from services.forwarder import forward
from services.forwarder.progress import Progress
from shared import keys, queues
from tests.receiver import Receiver
from tests.unit.forwarder.at_work import AtWork
from tests.unit.forwarder.factories import GROUP_KEY, account, an_enriched_batch, put
from tests.unit.forwarder.faulty_redis import Moment, faulty_client

WINDOW = 10
EVENTS = 25


@pytest.mark.parametrize("moment", ["before", "after", "from then on"])
def test_a_connection_that_breaks_anywhere_costs_one_window_at_most(
    client: redis.Redis, receiver: Receiver, redis_url: str, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a transaction may be lost with it carried out or not: only the keys tell, and they are asked."""
    monkeypatch.setattr(forward, "WINDOW", WINDOW)
    for at in count(1):
        client.flushall()
        receiver.datagrams.clear()
        batch = an_enriched_batch(EVENTS, batch_id=f"g-{at}-0")
        put(client, batch)
        with (
            faulty_client(redis_url, at, moment) as (faulty, plan),
            AtWork(faulty, receiver.path, batch) as work,
        ):
            try:
                assert work.join() is None
                assert {"raw": 0, "enriched": 0} == queues.outstanding(client)
            except redis.ConnectionError:
                pass  # RQ hands the job out again
            has_broken = plan.has_broken
        with monkeypatch.context() as handed_out_again:
            handed_out_again.setattr(queues, "times_interrupted", lambda: 1)
            with AtWork(client, receiver.path, batch) as successor:
                successor.join()
        repeated = len(receiver.datagrams) - EVENTS

        assert set(batch.datagrams) == set(receiver.datagrams)
        assert (EVENTS, 0) == (account(client).delivered, account(client).in_flight)
        assert repeated <= WINDOW
        assert repeated <= account(client).sent_again
        if not has_broken:
            assert at > 5
            return


def test_offset_and_books_move_together_or_not_at_all(client: redis.Redis) -> None:
    """A record whose answer was lost is made again: it moves nothing twice; one that Redis refuses halfway moves nothing."""
    batch = an_enriched_batch(EVENTS)
    put(client, batch)
    progress, unanswered = (Progress(client, batch, 0) for _ in range(2))

    assert progress.deliver(WINDOW)
    assert not unanswered.deliver(WINDOW)
    assert unanswered.load()
    assert (WINDOW, WINDOW) == (unanswered.offset, account(client).delivered)

    client.hset(keys.books(GROUP_KEY), "delivered", "spoiled")
    with pytest.raises(redis.ResponseError):
        progress.deliver(2 * WINDOW)
    assert WINDOW == Progress(client, batch, 0).offset == progress.offset
