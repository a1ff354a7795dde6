"""The stage: send every datagram of a batch, have it confirmed, record how far, and acknowledge the batch last."""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from time import monotonic
from typing import Any

import redis
import structlog
from redis.client import Pipeline

from services.forwarder.analysisd import WINDOW, Analysisd, SinkBusy, SinkUnavailable, Undeliverable
from shared import books, codec, dead_letters, keys, metrics, queues
from shared.errors import PoisonMessage
from shared.messages import DeadLetter, EnrichedBatch
from shared.queues import ENRICHED

#: Between two looks at a receiver that is not there.
ABSENT_SECONDS = 0.25
#: What keeps us waiting is said at once and then so often.
REMIND_SECONDS = 60.0
#: A stop gives the receiver so long to read what it was sent, so that it need not be sent again.
CONFIRM_ON_STOP_SECONDS = 3.0

log = structlog.get_logger()


class Stopping(Exception):
    """The process was asked to stop while the batch was not yet done."""


class Forwarder:
    """Sends batches to one sink. `beat` is called at least every second or so while a batch is in hand."""

    def __init__(self, client: redis.Redis, sink: Analysisd, beat: Callable[[], None], stop: threading.Event) -> None:
        self._client = client
        self._sink = sink
        self._beat = beat
        self._stop = stop
        self._waiting_since: float | None = None
        self._reminded_at = 0.0
        self._stop_at = 0.0

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
            dead_letters.bury(self._client, ENRICHED, batch_id, payload, facts, str(poison))
            return None
        try:
            self._deliver(batch, len(payload))
        except Stopping:
            return queues.GIVE_BACK
        return None

    def _deliver(self, batch: EnrichedBatch, size: int) -> None:
        stored = self._stored_progress(batch.batch_id)
        offset = int(stored or 0)
        if queues.times_interrupted():
            self._book_sent_again(batch, min(WINDOW, len(batch.datagrams) - offset))
        while True:
            try:
                reached = self._window(batch, offset)
                done = self._record(batch, size, stored, offset, reached)
            except Undeliverable as refused:
                reached = offset + 1
                done = self._record(batch, size, stored, offset, reached, refusal=str(refused))
            if done and reached == len(batch.datagrams):
                metrics.LAG.set(time.time() - batch.newest_ms / 1000)
                return
            if done:
                stored, offset = b"%d" % reached, reached
                continue
            self._book_sent_again(batch, reached - offset)
            if queues.take(self._client, ENRICHED, batch.batch_id) is None:
                return  # another forwarder took over, and finished it
            stored = self._stored_progress(batch.batch_id)
            offset = int(stored or 0)

    def _window(self, batch: EnrichedBatch, offset: int) -> int:
        """Send and confirm one window from `offset` on, however long it takes; return the offset reached."""
        reached = offset
        began = monotonic()
        while True:
            self._check(batch, unconfirmed=reached - offset)
            try:
                if reached == offset:
                    self._sink.connect()
                    reached = self._sink.send(batch.datagrams, offset)
                self._sink.confirm()
            except SinkBusy as busy:
                self._wait(str(busy), 0.0)  # the sink has waited already
            except SinkUnavailable as gone:
                # What was sent of this window may or may not have been read: send it again, to whoever comes.
                self._book_sent_again(batch, reached - offset)
                reached = offset
                self._wait(str(gone), ABSENT_SECONDS)
            else:
                self._receiver_is_back()
                metrics.CONFIRM.observe(monotonic() - began)
                return reached

    def _record(
        self, batch: EnrichedBatch, size: int, stored: bytes | None, offset: int, reached: int, refusal: str = ""
    ) -> bool:
        """Record the window [offset, reached); with the last one, acknowledge the batch. False: somebody else did."""
        events = _events(batch, offset, reached)
        place = keys.progress(batch.batch_id)

        def record(pipe: Pipeline) -> None:
            books.record(pipe, keys.group_key(batch.group), {"dead_lettered" if refusal else "delivered": events})
            if refusal:
                letter = DeadLetter(
                    reason=refusal,
                    at_ms=int(time.time() * 1000),
                    group=batch.group,
                    payload=batch.datagrams[offset],
                    events=events,
                )
                dead_letters.add(pipe, f"{batch.batch_id}-d{offset}", letter)
            if reached == len(batch.datagrams):
                pipe.delete(place)
            else:
                pipe.set(place, reached)

        if reached == len(batch.datagrams):
            done = queues.finish(self._client, ENRICHED, batch.batch_id, size, record, unchanged=(place, stored))
        else:
            done = queues.note(self._client, ENRICHED, batch.batch_id, record, unchanged=(place, stored))
        if done and refusal:
            log.error("a datagram cannot be sent and became a dead letter", batch=batch.batch_id, why=refusal)
            metrics.EVENTS_DEAD.labels("too_long").inc(events)
        elif done:
            metrics.EVENTS_DELIVERED.inc(events)
        return done

    def _stored_progress(self, batch_id: str) -> bytes | None:
        stored = self._client.get(keys.progress(batch_id))
        return stored if isinstance(stored, bytes) else None

    def _book_sent_again(self, batch: EnrichedBatch, datagrams: int) -> None:
        if datagrams > 0:
            self._client.hincrby(keys.books(keys.group_key(batch.group)), "sent_again", datagrams)
            metrics.DATAGRAMS_SENT_AGAIN.inc(datagrams)

    def _check(self, batch: EnrichedBatch, unconfirmed: int) -> None:
        """Stop here if asked to, at once with nothing unconfirmed, else when the receiver had time to read it."""
        if self._stop.is_set():
            self._stop_at = self._stop_at or monotonic() + (CONFIRM_ON_STOP_SECONDS if unconfirmed else 0)
            if not unconfirmed or monotonic() > self._stop_at:
                self._book_sent_again(batch, unconfirmed)
                raise Stopping
        self._beat()

    def _wait(self, why: str, seconds: float) -> None:
        now = monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        elif now - self._waiting_since > 1.0 and now - self._reminded_at > REMIND_SECONDS:
            log.warning("waiting for the receiver", why=why, seconds=round(now - self._waiting_since))
            self._reminded_at = now
        if not self._stop.is_set():
            self._stop.wait(seconds)

    def _receiver_is_back(self) -> None:
        if self._waiting_since is not None:
            waited = monotonic() - self._waiting_since
            metrics.RECEIVER_WAIT.inc(waited)
            if self._reminded_at > self._waiting_since:
                log.info("the receiver reads again", seconds=round(waited))
            self._waiting_since, self._reminded_at = None, 0.0


def _events(batch: EnrichedBatch, start: int, end: int) -> int:
    """Return how many events end with a datagram in [start, end)."""
    return end - start - (bisect_left(batch.continued, end) - bisect_left(batch.continued, start))


_forwarder: Forwarder | None = None


def use(forwarder: Forwarder) -> None:
    """Set what this process's jobs run on. The only module-level state of the role: RQ calls a function by name."""
    global _forwarder  # noqa: PLW0603
    _forwarder = forwarder


def forward_batch(batch_id: str, facts: dict[str, Any]) -> Any:
    """Deliver a batch: the job that the queue `enriched` names."""
    assert _forwarder is not None, "use() comes first"
    return _forwarder.forward(batch_id, facts)
