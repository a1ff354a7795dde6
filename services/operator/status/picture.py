"""The status, and what a screen that follows it needs besides."""

import msgspec
import redis

from services.operator.status.collect import QueueStatus, Status, read_with_states
from shared import keys
from shared.risks import by_kind

#: Of more batches than these, the number of events is an estimate from a sample.
COUNTED_BATCHES = 500


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """What is in one queue at one moment."""

    batches: int
    events: int
    """Delivered ones of a batch in a forwarder's hands included; of a long queue an estimate."""
    bytes: int


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The status, and what a screen that follows it needs besides."""

    status: Status
    dangers: tuple[frozenset[str], ...]
    """For each group of the status, the kinds of its risks: see shared/risks.py."""
    queued: dict[str, "Queued"]
    """What is in each queue, by its name."""


def picture(client: redis.Redis, now: float) -> Picture:
    """Return the status, the kinds of risk, and the events in each queue. Raises redis.RedisError."""
    status, states = read_with_states(client, now)
    dangers = (frozenset(kind for kind, text in by_kind(state, int(now * 1000)).items() if text) for state in states)
    return Picture(
        status=status,
        dangers=tuple(frozenset() if state.gone else kinds for state, kinds in zip(states, dangers, strict=True)),
        queued={queue.name: _queued(client, queue) for queue in status.queues},
    )


def _queued(client: redis.Redis, queue: QueueStatus) -> Queued:
    facts = keys.facts(queue.name)
    with client.pipeline(transaction=True) as pipe:
        pipe.zcard(keys.outstanding(queue.name))
        pipe.hget(keys.BYTES, queue.name)
        if queue.batches <= COUNTED_BATCHES:
            pipe.hvals(facts)
        else:
            pipe.hrandfield(facts, COUNTED_BATCHES, withvalues=True)
        batches, size, sample = pipe.execute()
    sample = sample if queue.batches <= COUNTED_BATCHES else sample[1::2]
    events = round(sum(map(_events, sample)) * max(1.0, batches / max(1, len(sample))))
    return Queued(batches=batches, events=events, bytes=int(size or 0))


def _events(facts: bytes) -> int:
    """Return what facts say of their batch; what makes no sense counts as nothing."""
    try:
        return msgspec.json.decode(facts, type=_Counted).events
    except msgspec.MsgspecError:
        return 0


class _Counted(msgspec.Struct, frozen=True):
    events: int = 0
