"""What AWS was told to choose of a group, and since when: what was left out before was never read, whatever its times say."""

import msgspec
import redis
from msgspec import Struct

from shared import keys
from shared.settings.model import Source


class Chosen(Struct, frozen=True, kw_only=True):
    """The choice in force."""

    log_stream_prefix: str = ""
    filter_pattern: str = ""
    since_ms: int = 0
    """All that is chosen now was read of every timestamp from here on, in the way of the checkpoint. 0: from its start."""


def note(client: redis.Redis, group_key: str, source: Source, now_ms: int) -> None:
    """Note what `source` has AWS choose of a group that it is about to read. Blocks on Redis; raises redis.RedisError."""
    before = read(client, group_key)
    if before is None:
        # Read by a release that knew no choice, it was read whole.
        was_read = bool(client.exists(keys.checkpoint(group_key)))
        before = Chosen() if was_read else _of(source, 0)
    after = _of(source, before.since_ms if _is_within(source, before) else now_ms)
    client.hset(keys.CHOSEN, group_key, msgspec.json.encode(after))


def read(client: redis.Redis, group_key: str) -> Chosen | None:
    """Return the choice that was noted of a group. Blocks on Redis."""
    stored = client.hmget(keys.CHOSEN, [group_key])[0]
    return msgspec.json.decode(stored, type=Chosen) if stored is not None else None


def _of(source: Source, since_ms: int) -> Chosen:
    return Chosen(log_stream_prefix=source.log_stream_prefix, filter_pattern=source.filter_pattern, since_ms=since_ms)


def _is_within(source: Source, before: Chosen) -> bool:
    """Say whether all that `source` wants was wanted before."""
    is_filtered_alike = before.filter_pattern in ("", source.filter_pattern)
    return is_filtered_alike and source.log_stream_prefix.startswith(before.log_stream_prefix)
