"""The stage: send the datagrams of a batch, record what is confirmed as it comes, and acknowledge the batch last.

Sending goes on while evidence for what was sent before is awaited. At no time are more than WINDOW datagrams sent and
not recorded as confirmed: that many a killed forwarder may repeat.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

import redis

from services.forwarder.progress import Progress, parse_progress
from services.forwarder.sink import WINDOW, Sink, SinkBusy, SinkUnavailable, Undeliverable
from services.forwarder.waiting import Waiting
from shared import codec, dead_letters, keys, metrics, queues
from shared.errors import PoisonMessage
from shared.messages import EnrichedBatch
from shared.queues import ENRICHED

#: Between two looks at a receiver that is not there, or that what it was sent may be lost in.
ABSENT_SECONDS = 0.25
#: Between two tries to send to a receiver that is full.
FULL_SECONDS = 0.02
#: With less room than this in the window, what is confirmed is recorded, which makes more.
LEAST_ROOM = 250
#: A stop gives the receiver so long to get through what it was sent, so that it need not be sent again.
CONFIRM_ON_STOP_SECONDS = 3.0


class Stopping(Exception):
    """The process was asked to stop while the batch was not yet done."""


class Forwarder:
    """Sends batches to one sink. `beat` is called at least every second or so while a batch is in hand."""

    def __init__(self, client: redis.Redis, sink: Sink, beat: Callable[[], None], stop: threading.Event) -> None:
        self._client = client
        self._sink = sink
        self._beat = beat
        self._stop = stop
        self._stop_at = 0.0
        self._waiting = Waiting()

    def forward(self, batch_id: str, facts: dict[str, Any]) -> Any:
        """Deliver one batch; return when all of it is confirmed and acknowledged, or give it back on a stop.

        Blocks for as long as the receiver does not take it. Raises redis.RedisError when Redis is away; the batch is
        then handed out again and goes on from the last recorded offset.
        """
        payload = queues.take(self._client, ENRICHED, batch_id)
        if payload is None:
            return None
        try:
            batch = codec.decode(EnrichedBatch, payload)
        except PoisonMessage as poison:
            _, booked = parse_progress(self._client.get(keys.progress(batch_id)))
            dead_letters.bury(self._client, ENRICHED, batch_id, payload, facts, str(poison), booked=booked)
            return None
        try:
            self._deliver(batch, Progress(self._client, batch, len(payload)))
        except Stopping:
            self._sink.close()
            return queues.GIVE_BACK
        except BaseException:
            self._sink.close()  # what it still waits for is no part of the next batch
            raise
        return None

    def _deliver(self, batch: EnrichedBatch, progress: Progress) -> None:
        if queues.times_interrupted():
            progress.book_sent_again(min(WINDOW, len(batch.datagrams) - progress.offset))
        flight = _Flight(progress.offset)
        while not progress.is_complete:
            self._check(progress, flight)
            self._step(batch, progress, flight)
            if self._record(progress, flight):
                continue
            progress.book_sent_again(flight.reached - progress.offset)
            self._sink.close()
            if not progress.load():
                return  # another forwarder took over, and finished it
            flight = _Flight(progress.offset)
        if batch.newest_ms:  # the past that a backfill read is no lag
            metrics.LAG.set(time.time() - batch.newest_ms / 1000)
            metrics.note_newest(batch.group, batch.newest_ms)

    def _step(self, batch: EnrichedBatch, progress: Progress, flight: "_Flight") -> None:
        """Send what may be sent now, and take note of what is confirmed by now; wait if there is nothing to send."""
        try:
            self._sink.connect()
            can_send = self._send(batch, flight, min(progress.offset + WINDOW, len(batch.datagrams)))
            flight.confirm(self._sink.confirm(wait=not can_send))
        except SinkBusy as busy:
            self._wait(str(busy), FULL_SECONDS)
        except SinkUnavailable as gone:
            # What was sent and not confirmed may or may not have got through: send it again, to whoever comes.
            progress.book_sent_again(flight.reached - flight.confirmed)
            flight.restart()
            self._wait(str(gone), ABSENT_SECONDS)
        else:
            self._waiting.is_over()

    def _send(self, batch: EnrichedBatch, flight: "_Flight", end: int) -> bool:
        """Send datagrams before the index `end`, if that may be; say whether more could be sent at once."""
        if flight.reached >= end or flight.refusal or self._stop.is_set():
            return False
        try:
            flight.sent(self._sink.send(batch.datagrams, flight.reached, end - flight.reached))
        except SinkBusy:
            if not flight.unconfirmed:
                raise
            return False  # a receiver that is full is left to what it has
        except Undeliverable as refused:
            flight.refusal = str(refused)
        return flight.reached < end and not flight.refusal

    def _record(self, progress: Progress, flight: "_Flight") -> bool:
        """Record what is confirmed, and then a datagram that will never be taken. False: somebody else works on it.

        While there is room to send on, that waits: each record costs as much as sending hundreds.
        """
        room = progress.offset + WINDOW - flight.reached
        is_due = not flight.unconfirmed or room < LEAST_ROOM or self._stop.is_set()
        if is_due and flight.confirmed > progress.offset and not progress.deliver(flight.confirmed):
            return False
        if flight.refusal and not flight.unconfirmed:
            if not progress.refuse(flight.refusal):
                return False
            flight.skip()
        return True

    def _check(self, progress: Progress, flight: "_Flight") -> None:
        """Stop here if asked to, at once with nothing unconfirmed, else when the receiver had time for it."""
        if self._stop.is_set():
            self._stop_at = self._stop_at or monotonic() + (CONFIRM_ON_STOP_SECONDS if flight.unconfirmed else 0)
            if not flight.unconfirmed or monotonic() > self._stop_at:
                progress.book_sent_again(flight.unconfirmed)
                raise Stopping
        self._beat()

    def _wait(self, why: str, seconds: float) -> None:
        self._waiting.goes_on(why)
        if not self._stop.is_set():
            self._stop.wait(seconds)


class _Flight:
    """What is on its way of one batch: the datagrams from index `confirmed` to before index `reached`."""

    def __init__(self, offset: int) -> None:
        self.confirmed = offset
        self.reached = offset
        self.refusal = ""
        """Why the datagram at `reached` will never be taken."""
        self._sent: deque[tuple[int, float]] = deque()

    @property
    def unconfirmed(self) -> int:
        return self.reached - self.confirmed

    def sent(self, reached: int) -> None:
        self.reached = reached
        self._sent.append((reached, monotonic()))

    def confirm(self, datagrams: int) -> None:
        self.confirmed += datagrams
        now = monotonic()
        while self._sent and self._sent[0][0] <= self.confirmed:
            metrics.CONFIRM.observe(now - self._sent.popleft()[1])

    def restart(self) -> None:
        """Go back to the first datagram that is not confirmed."""
        self.reached, self.refusal = self.confirmed, ""
        self._sent.clear()

    def skip(self) -> None:
        """Go on behind the datagram that was refused."""
        self.confirmed = self.reached = self.reached + 1
        self.refusal = ""


_forwarder: Forwarder | None = None


def use(forwarder: Forwarder) -> None:
    """Set what this process's jobs run on. The only module-level state of the role: RQ calls a function by name."""
    global _forwarder  # noqa: PLW0603
    _forwarder = forwarder


def forward_batch(batch_id: str, facts: dict[str, Any]) -> Any:
    """Deliver a batch: the job that the queue `enriched` names."""
    assert _forwarder is not None, "use() comes first"
    return _forwarder.forward(batch_id, facts)
