"""How far one batch is confirmed: in Redis, in the books, fenced against another forwarder that works on it too.

In Redis it is the number of datagrams, and behind a space that of events where it is another: an oversize text travels
in several datagrams.
"""

import time
from bisect import bisect_left
from collections.abc import Callable

import redis
import structlog
from redis.client import Pipeline

from shared import books, dead_letters, keys, metrics, queues
from shared.messages import DeadLetter, EnrichedBatch
from shared.queues import ENRICHED

#: Moves the offset and counts the events, if the batch is not done and the offset is what we know. One round trip: a
#: window is recorded so often that the four of a watched transaction cost as much as a sixth of the sending.
#: The books come first: what of them makes no sense is refused then, before anything is written.
_MOVE = """
if redis.call('EXISTS', KEYS[1]) == 0 or (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then
    return 0
end
if ARGV[3] ~= '0' then
    redis.call('HINCRBY', KEYS[3], 'delivered', ARGV[3])
end
redis.call('SET', KEYS[2], ARGV[2])
return 1
"""

log = structlog.get_logger()


class Progress:
    """Every method blocks on Redis, and raises redis.RedisError. `size` is the payload's, in bytes."""

    def __init__(self, client: redis.Redis, batch: EnrichedBatch, size: int) -> None:
        self._client = client
        self._move = client.register_script(_MOVE)
        self._batch = batch
        self._size = size
        self._group_key = keys.group_key(batch.group)
        self._place = keys.progress(batch.batch_id)
        self._stored: bytes | None = None
        self.offset = 0
        """Datagrams recorded as confirmed, or given up."""
        self._read()

    @property
    def is_complete(self) -> bool:
        """Whether nothing of the batch is left; then it is acknowledged too."""
        return self.offset == len(self._batch.datagrams)

    def load(self) -> bool:
        """Go on from what Redis holds. False: another forwarder has finished the batch."""
        self._read()
        return queues.is_outstanding(self._client, ENRICHED, self._batch.batch_id)

    def deliver(self, reached: int) -> bool:
        """Record that all before the index `reached` is confirmed. False, with nothing written: somebody else did."""
        before, events = self.offset, self._events(reached)
        if reached == len(self._batch.datagrams):
            done = self._record(reached, lambda pipe: books.record(pipe, self._group_key, {"delivered": events}))
        else:
            done = self._moved(reached, events)
        if done:
            metrics.EVENTS_DELIVERED.inc(events)
            size = sum(map(len, self._batch.datagrams[before:reached]))
            metrics.BYTES_DELIVERED.labels(*metrics.of_group(self._batch.group)).inc(size)
        return done

    def refuse(self, reason: str) -> bool:
        """Make a dead letter of the next datagram. False as with `deliver`."""
        at, events = self.offset, self._events(self.offset + 1)
        letter = DeadLetter(
            reason=reason,
            at_ms=int(time.time() * 1000),
            group=self._batch.group,
            payload=self._batch.datagrams[at],
            events=events,
        )

        def record(pipe: Pipeline) -> None:
            books.record(pipe, self._group_key, {"dead_lettered": events})
            dead_letters.add(pipe, f"{self._batch.batch_id}-d{at}", letter)

        done = self._record(at + 1, record)
        if done:
            log.error(
                "a datagram cannot be sent and became a dead letter",
                batch=self._batch.batch_id,
                group=self._batch.group.log_group,
                why=reason,
            )
            metrics.EVENTS_DEAD.labels("too_long").inc(events)
        return done

    def book_sent_again(self, datagrams: int) -> None:
        """Count datagrams that the receiver may get a second time."""
        if datagrams > 0:
            self._client.hincrby(keys.books(self._group_key), "sent_again", datagrams)
            metrics.DATAGRAMS_SENT_AGAIN.inc(datagrams)

    def _read(self) -> None:
        stored = self._client.get(self._place)
        self._stored = stored if isinstance(stored, bytes) else None
        self.offset, _ = parse_progress(self._stored)

    def _record(self, reached: int, record: Callable[[Pipeline], None]) -> bool:
        """Move the offset, with what `record` adds to the transaction; at the end, acknowledge the batch."""
        batch_id, unchanged = self._batch.batch_id, (self._place, self._stored)
        if reached == len(self._batch.datagrams):

            def close(pipe: Pipeline) -> None:
                record(pipe)
                pipe.delete(self._place)

            done = queues.finish(self._client, ENRICHED, batch_id, self._size, close, unchanged=unchanged)
        else:
            stored = self._written(reached)

            def move(pipe: Pipeline) -> None:
                record(pipe)
                pipe.set(self._place, stored)

            done = queues.note(self._client, ENRICHED, batch_id, move, unchanged=unchanged)
        if done:
            self._stored, self.offset = self._written(reached), reached
        return done

    def _moved(self, reached: int, events: int) -> bool:
        """Move the offset to before the end of the batch, with `events` that were delivered. False as with `deliver`."""
        places = [keys.payload(ENRICHED.queue, self._batch.batch_id), self._place, keys.books(self._group_key)]
        stored = self._written(reached)
        done = bool(self._move(places, [self._stored or b"", stored, events]))
        if done:
            self._stored, self.offset = stored, reached
        return done

    def _events(self, end: int) -> int:
        """Return how many events end with a datagram from the offset to before `end`."""
        return self._ended(end) - self._ended(self.offset)

    def _ended(self, end: int) -> int:
        return end - bisect_left(self._batch.continued, end)

    def _written(self, reached: int) -> bytes:
        events = self._ended(reached)
        return b"%d" % reached if events == reached else b"%d %d" % (reached, events)


def parse_progress(stored: object) -> tuple[int, int]:
    """Return datagrams and events confirmed, from what Redis holds; nothing there: none."""
    datagrams, _, events = (stored if isinstance(stored, bytes) else b"0").partition(b" ")
    return int(datagrams), int(events or datagrams)
