"""The layout of the keys in Redis: which one is there, and whether this release may touch it.

A layout's number grows when a release could do harm with keys that another has written: a key that means something else,
or one that must not be forgotten. A new key, or a new field of a message, is no new layout. docs/upgrading.md tells
users what follows of it.
"""

from collections.abc import Callable, Mapping

import redis
import structlog
from redis.client import Pipeline

from shared import keys
from shared.errors import Unreachable

#: Layout -> what makes the next one of it, added to a transaction past multi(): it reads nothing, so it must be simple.
STEPS: Mapping[int, Callable[[Pipeline], None]] = {}

log = structlog.get_logger()


def settle(client: redis.Redis, shown: str) -> None:
    """Mark an empty Redis with our layout, and bring an older one up to ours. Blocks on Redis; raises redis.RedisError.

    Raises Unreachable, with nothing written, when what is there is of a newer release. `shown` names the Redis.
    """
    ours = int(keys.LAYOUT)
    while True:
        with client.pipeline() as pipe:
            pipe.watch(keys.VERSION)  # type: ignore[no-untyped-call]
            stored = pipe.get(keys.VERSION)  # past watch() it answers at once
            found = ours if stored is None else _number(stored, shown)
            if found > ours:
                raise Unreachable(
                    f"Redis at {shown} holds the keys of a newer cwpipe (layout {found}, known here: {ours}), "
                    "nothing was changed: upgrade this one, see docs/upgrading.md"
                )
            if stored is not None and found == ours:
                return
            pipe.multi()
            for layout in range(found, ours):
                STEPS[layout](pipe)
            pipe.set(keys.VERSION, keys.LAYOUT)
            try:
                pipe.execute()
            except redis.WatchError:
                continue  # another role came first, or the connection broke
        if found < ours:
            log.info("the keys in Redis were brought to a newer layout", before=found, now=ours)
        return


def _number(stored: object, shown: str) -> int:
    text = stored.decode(errors="replace") if isinstance(stored, bytes) else str(stored)
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise Unreachable(
        f"Redis at {shown} has a {keys.VERSION} that is no layout of cwpipe ({text[:20]!a}), nothing was changed: "
        "name another redis_url, or put back what was there"
    )
