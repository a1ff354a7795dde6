"""The stage: make datagrams of the events of a batch, and hand the batch over to the queue `enriched`."""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import msgspec
import redis
import structlog
from redis.client import Pipeline

from services.normalizer.shape import Shaper
from services.normalizer.wire import MAX_DATAGRAM_BYTES
from shared import agent, books, codec, dead_letters, keys, metrics, queues
from shared.errors import PoisonMessage
from shared.messages import DeadLetter, EnrichedBatch, GroupRef, KeptOriginal, LogEvent, RawBatch
from shared.queues import ENRICHED, RAW, JobQueue
from shared.settings.model import Settings, Source

#: Groups whose shapers are kept at hand: each holds the prepared origins of a bounded number of streams.
MAX_SHAPERS = 1_000
#: Events are looked at so many at a time, with a sign of life before each lot: a slow rule on a large batch may take
#: longer than the claim on a job lasts.
BEAT_EVENTS = 256

log = structlog.get_logger()


class _Outcome(msgspec.Struct):
    """What became of the events of one batch so far."""

    datagrams: list[bytes] = []
    continued: list[int] = []
    discarded: int = 0
    oversize: list[LogEvent] = []
    unshapeable: list[tuple[LogEvent, str]] = []

    @property
    def events(self) -> int:
        """Events that became datagrams: all but the last of an event's are in `continued`."""
        return len(self.datagrams) - len(self.continued)


class Normalizer:
    """Works on one batch at a time. Not safe between threads; blocks on Redis."""

    def __init__(self, client: redis.Redis, enriched: JobQueue, settings: Settings, beat: Callable[[], None]) -> None:
        self._client = client
        self._enriched = enriched
        self._sources = {source.name: source for source in settings.sources}
        # An agent, and the manager behind it, take less at a time than analysisd's own socket.
        self._max_datagram_bytes = agent.MAX_DATAGRAM_BYTES if settings.wazuh.confirm == "agent" else MAX_DATAGRAM_BYTES
        self._max_original_bytes = settings.limits.kept_original_bytes
        self._beat = beat
        self._shaper = lru_cache(MAX_SHAPERS)(self._new_shaper)

    def normalize(self, batch_id: str, facts: dict[str, Any]) -> None:
        """Hand one batch over. Raises redis.RedisError when Redis is away; the batch is then handed out again."""
        payload = queues.take(self._client, RAW, batch_id)
        if payload is None:
            return
        try:
            batch = codec.decode(RawBatch, payload)
        except PoisonMessage as poison:
            dead_letters.bury(self._client, RAW, batch_id, payload, facts, str(poison))
            return
        outcome = self._shape(batch)
        if not self._hand_over(batch, len(payload), facts, outcome):
            return
        metrics.EVENTS_NORMALIZED.inc(outcome.events)
        metrics.EVENTS_DISCARDED.inc(outcome.discarded)
        metrics.EVENTS_DEAD.labels("unshapeable").inc(len(outcome.unshapeable))
        if outcome.oversize:
            dropped = dead_letters.trim_originals(self._client, self._max_original_bytes)
            if dropped:
                log.warning("the oldest kept originals made room for newer ones", dropped=dropped)

    def _shape(self, batch: RawBatch) -> _Outcome:
        shaper = self._shaper(batch.group, batch.source, batch.backfill)
        outcome = _Outcome()
        for start in range(0, len(batch.events), BEAT_EVENTS):
            self._beat()
            events = batch.events[start : start + BEAT_EVENTS]
            made = _made_fast(shaper, batch, events)
            if None not in made:
                outcome.datagrams.extend(cast("list[bytes]", made))
                continue
            for event, datagram in zip(events, made, strict=True):
                if datagram is not None:
                    outcome.datagrams.append(datagram)
                else:
                    _shape_one(shaper, batch, event, outcome)
        return outcome

    def _hand_over(self, batch: RawBatch, size: int, facts: dict[str, Any], outcome: _Outcome) -> bool:
        """End the raw batch and begin the enriched one. False: somebody else did."""
        enriched = EnrichedBatch(
            batch_id=batch.batch_id,
            group=batch.group,
            datagrams=tuple(outcome.datagrams),
            continued=tuple(outcome.continued),
            # The past is no lag.
            newest_ms=0 if batch.backfill else max((event.timestamp_ms for event in batch.events), default=0),
        )
        payload = codec.encode(enriched)
        at_ms = int(time.time() * 1000)

        def record(pipe: Pipeline) -> None:
            if outcome.datagrams:
                # The facts go on with the events that do: should the payload be spoiled, the books rest on them.
                queues.put(pipe, self._enriched, ENRICHED, batch.batch_id, payload, {**facts, "events": outcome.events})
            dead = len(outcome.unshapeable)
            books.record(pipe, keys.group_key(batch.group), {"discarded": outcome.discarded, "dead_lettered": dead})
            for number, (event, reason) in enumerate(outcome.unshapeable):
                letter = DeadLetter(
                    reason=reason,
                    at_ms=at_ms,
                    group=batch.group,
                    source=batch.source,
                    event=event,
                    backfill=batch.backfill,
                )
                dead_letters.add(pipe, f"{batch.batch_id}-n{number}", letter)
            for number, event in enumerate(outcome.oversize):
                original = KeptOriginal(at_ms=at_ms, group=batch.group, event=event)
                dead_letters.keep(pipe, f"{batch.batch_id}-k{number}", original)

        return queues.finish(self._client, RAW, batch.batch_id, size, record)

    def _new_shaper(self, group: GroupRef, source: str, backfill: bool) -> Shaper:
        settings = self._sources.get(source)
        if settings is None:
            log.warning("the source of a batch is not in the settings, its rules are not applied", source=source)
            settings = Source(name="unknown", regions=(group.region,), log_groups=(group.log_group,))
        return Shaper(group, settings, self._max_datagram_bytes, backfill=backfill)


def _made_fast(shaper: Shaper, batch: RawBatch, events: Sequence[LogEvent]) -> list[bytes | None]:
    try:
        return shaper.fast_path.datagrams(events) if shaper.fast_path else [None] * len(events)
    except Exception:  # a fault of ours: each event is looked at by itself, and the others go on
        log.exception("events cannot be shaped together", batch=batch.batch_id, group=batch.group.log_group)
        return [None] * len(events)


def _shape_one(shaper: Shaper, batch: RawBatch, event: LogEvent, outcome: _Outcome) -> None:
    try:
        shaped = shaper.shape(event)
    except Exception as error:  # a fault of ours: this event becomes a dead letter, the others go on
        log.exception(
            "an event cannot be shaped", batch=batch.batch_id, group=batch.group.log_group, event_id=event.event_id
        )
        outcome.unshapeable.append((event, f"cannot be shaped: {error!r}"))
        return
    datagrams = outcome.datagrams
    if shaped.oversize:
        outcome.oversize.append(event)
    if len(shaped.datagrams) == 1:  # nearly always
        datagrams.append(shaped.datagrams[0])
    elif shaped.datagrams:
        first = len(datagrams)
        datagrams.extend(shaped.datagrams)
        outcome.continued.extend(range(first, len(datagrams) - 1))
    else:
        outcome.discarded += 1


_normalizer: Normalizer | None = None


def use(normalizer: Normalizer) -> None:
    """Set what this process's jobs run on. The only module-level state of the role: RQ calls a function by name."""
    global _normalizer  # noqa: PLW0603
    _normalizer = normalizer


def normalize_batch(batch_id: str, facts: dict[str, Any]) -> None:
    """Normalize a batch: the job that the queue `raw` names."""
    assert _normalizer is not None, "use() comes first"
    _normalizer.normalize(batch_id, facts)
