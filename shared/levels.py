"""The levels at which events are confirmed: what each leaves unnoticed, and which ones forwarders work at.

A forwarder may work at another level than the settings ask for: it depends on what its receiver can prove.
"""

from typing import Literal

import redis
from msgspec import Struct

from shared import keys

Level = Literal["processed", "read", "sent", "agent"]

#: What a level does not notice, for people who have to know.
UNNOTICED: dict[str, str] = {
    "processed": "",
    "read": "what analysisd drops or loses afterwards is not noticed",
    "sent": "what analysisd drops or loses afterwards is not noticed",
    "agent": "what the agent drops or loses before its manager has it, and the manager after that, is not noticed",
}

#: What was said so much longer ago than the latest is no longer so.
_RECENT_MS = 60_000
#: The level is remembered for so long after the last event, in seconds.
_KEPT_SECONDS = 7 * 86_400


class InForce(Struct, frozen=True, kw_only=True):
    """A level that a forwarder worked at when it last said so."""

    level: str
    receiver: str
    """Path of the receiver's socket, on the forwarder's host."""
    seconds_ago: float


def note(client: redis.Redis, level: str, receiver: str, now_ms: int) -> None:
    """Say that a forwarder works at `level`. Blocks on Redis; raises redis.RedisError."""
    with client.pipeline(transaction=True) as pipe:
        pipe.zadd(keys.LEVELS, {f"{level} {receiver}": now_ms})
        pipe.zremrangebyscore(keys.LEVELS, "-inf", now_ms - _RECENT_MS)
        pipe.expire(keys.LEVELS, _KEPT_SECONDS)
        pipe.execute()


def in_force(client: redis.Redis, now: float) -> list[InForce]:
    """Return the levels that forwarders last worked at; `now` is in seconds since 1970. Raises redis.RedisError."""
    found = []
    said: list[tuple[bytes, float]] = client.zrange(keys.LEVELS, 0, -1, withscores=True)  # type: ignore[assignment]  # sync
    for member, said_ms in said:
        level, _, receiver = member.decode(errors="replace").partition(" ")
        found.append(InForce(level=level, receiver=receiver, seconds_ago=round(max(0.0, now - said_ms / 1000), 1)))
    return found
