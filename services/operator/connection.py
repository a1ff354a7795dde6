"""The connection of a command to the Redis that holds the queues: the one configured, or that of a run on this host."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from shared import redis_faults, store
from shared.errors import Unreachable
from shared.settings.load import Loaded
from shared.settings.places import running_url


@contextmanager
def connected(loaded: Loaded, data_dir: Path) -> Iterator[redis.Redis]:
    """Yield a client of redis_url, or of the embedded server that runs on `data_dir`. Blocks for 5 s at most.

    Raises Unreachable when there is none, and when it goes away, or refuses, while the block uses it.
    """
    settings = loaded.settings
    embedded_url = "" if settings.redis_url else running_url(data_dir)
    if not settings.redis_url and not embedded_url:
        raise Unreachable(
            f"nothing runs on {data_dir.absolute()}, and no redis_url is set: "
            "start `cwpipe run`, name its --data-dir, or set redis_url"
        )
    client = store.opened(settings, embedded_url)
    try:
        yield client
    except store.AWAY as error:
        raise Unreachable(f"Redis went away ({error}): run the command again when it is back") from None
    except redis.RedisError as error:
        raise Unreachable(f"Redis {redis_faults.refusal(error) or f'refuses: {error}'}") from None
    finally:
        client.close()
