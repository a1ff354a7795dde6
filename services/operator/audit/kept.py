"""What Redis holds of a group, for an audit: checkpoint, digests, remembered ids, books. Each read is of one moment."""

from typing import Any

import msgspec
import redis
from msgspec import Struct

from services.operator.audit.expect import SMALL_BYTES
from services.operator.dead_letters.selection import Selection, scan
from shared import digests, keys, remembered
from shared.books import ENTRIES, Account
from shared.digests import HOUR_MS, MINUTE_MS, MINUTES, Digest
from shared.messages import Checkpoint, GroupRef
from shared.queues import ENRICHED, RAW

_TRIES = 5

_checkpoints = msgspec.json.Decoder(Checkpoint)


class Kept(Struct, frozen=True, kw_only=True):
    """The digests of some hours, and how far the group was read, at one moment."""

    minutes: dict[int, Digest]
    """By minutes since 1970."""
    checkpoint: Checkpoint | None = None
    """None: the group was never read."""

    @property
    def watermark_ms(self) -> int:
        """Every timestamp below was read completely. 0: none was."""
        return self.checkpoint.watermark_ms if self.checkpoint else 0


class KeptMinute(Struct, frozen=True, kw_only=True):
    """What is known of one minute, at one moment."""

    checkpoint: Checkpoint
    digest: Digest
    hashes: frozenset[int]
    """The 64-bit hashes of events of the minute that were committed, and maybe of others."""
    is_whole: bool
    """All of them are remembered; else those that are still awaited, as far as they were read already."""
    is_small: bool
    """Every poll of this group reads all that was not swept yet."""


class Books(Struct, frozen=True, kw_only=True):
    """The books of the group since its first read, and its dead letters of the range."""

    account: Account
    queued: int
    """Events in batches that are not done: the in-flight events are among them."""
    dead_letters: int = 0
    """Events of the range that are dead letters."""
    dead_letters_undated: int = 0
    """Events of dead letters that tell no timestamp."""

    @property
    def unaccounted(self) -> int:
        """Events that were fetched and are nowhere; below 0: more came out than went in."""
        in_flight = self.account.in_flight
        return in_flight if in_flight < 0 else max(0, in_flight - self.queued)


def read(client: redis.Redis, group_key: str, first_hour: int, end_hour: int) -> Kept:
    """Return the digests of the hours in [first_hour, end_hour). Blocks on Redis."""
    hours = range(first_hour, end_hour)
    with client.pipeline(transaction=True) as pipe:
        pipe.get(keys.checkpoint(group_key))
        for hour in hours:
            pipe.hgetall(keys.digest(group_key, hour))
        stored, *rows = pipe.execute()
    minutes: dict[int, Digest] = {}
    for hour, row in zip(hours, rows, strict=True):
        minutes.update(digests.decode(hour, row))
    return Kept(minutes=minutes, checkpoint=None if stored is None else _checkpoints.decode(stored))


def read_minute(client: redis.Redis, group_key: str, minute: int) -> KeptMinute:
    """Return what is known of one minute, of a group that was read. Blocks on Redis."""
    hour, seen = minute // MINUTES, keys.seen(group_key)
    for _ in range(_TRIES):
        names: Any = client.hkeys(seen)
        begin_ms = minute * MINUTE_MS
        wanted = [
            field.name
            for field in map(remembered.parse, names)
            if field.oldest_ms < begin_ms + MINUTE_MS and field.newest_ms >= begin_ms
        ]
        with client.pipeline(transaction=True) as pipe:
            pipe.get(keys.checkpoint(group_key))
            pipe.hgetall(keys.digest(group_key, hour))
            pipe.hkeys(seen)
            pipe.hmget(seen, wanted or ["none"])
            stored, row, names_now, values = pipe.execute()
        if sorted(names_now) == sorted(names):
            break
    checkpoint = _checkpoints.decode(stored)
    fields = map(remembered.parse, names_now)
    return KeptMinute(
        checkpoint=checkpoint,
        digest=digests.decode(hour, row).get(minute, Digest()),
        hashes=frozenset(number for value in values for number in remembered.unpack(value)),
        is_whole=begin_ms >= checkpoint.swept_ms,
        is_small=sum(field.bytes for field in fields if field.newest_ms >= checkpoint.swept_ms) <= SMALL_BYTES,
    )


def read_books(client: redis.Redis, group: GroupRef, from_ms: int, end_ms: int) -> Books:
    """Return the books, and the dead letters of events in [from_ms, end_ms). Blocks on Redis; looks at every dead letter."""
    group_key = keys.group_key(group)
    with client.pipeline(transaction=True) as pipe:
        pipe.hgetall(keys.books(group_key))
        for route in (RAW, ENRICHED):
            pipe.hgetall(keys.facts(route.queue))
        row, *facts = pipe.execute()
    batches = [data for queue in facts for name, data in queue.items() if name.decode().startswith(f"{group_key}-")]
    dated = undated = 0
    for entry in scan(client, Selection(group=group.log_group)):
        letter = entry.letter
        if letter.group != group:
            continue
        if letter.event is None:
            undated += letter.events
        elif from_ms <= letter.event.timestamp_ms < end_ms:
            dated += letter.events
    return Books(
        account=Account(**{name.decode(): int(count) for name, count in row.items() if name.decode() in ENTRIES}),
        queued=sum(int(msgspec.json.decode(data).get("events") or 0) for data in batches),
        dead_letters=dated,
        dead_letters_undated=undated,
    )


def oldest_hour(mark: digests.Mark, now_ms: int) -> int:
    """Return the first hour whose digests are certainly still there."""
    hour = (now_ms - mark.window_ms) // HOUR_MS - 1
    while mark.kept_ms(hour) <= now_ms:
        hour += 1
    return hour
