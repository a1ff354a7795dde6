"""The connection to Redis (or Valkey), and whether what is kept there is ours to read."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared import keys
from shared.errors import SettingsError, Unreachable
from shared.settings.redact import redacted

#: Longer than the worker's blocking read of 2 s, shorter than an operator's patience.
SOCKET_TIMEOUT_SECONDS = 15

#: What redis-py raises when the server is away, restarting or loading its data: worth waiting for.
AWAY = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError)


def connect(redis_url: str) -> redis.Redis:
    """Return a client for `redis_url`; nothing is sent yet.

    It never repeats a command by itself: a transaction whose answer was lost may have been carried out, and only the
    caller, who watches a key, can tell.

    Raises SettingsError when there is no URL, or one that makes no sense.
    """
    if not redis_url:
        raise SettingsError(
            ["redis_url is not set: give one in the file or by REDIS_URL; only `cwpipe run` starts its own"]
        )
    try:
        return redis.Redis.from_url(
            redis_url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=5,
            health_check_interval=15,
        )
    except ValueError:
        # redis-py's own words may quote a part of the password.
        raise SettingsError(
            [f"redis_url {redacted('redis_url', redis_url)} is no redis://, rediss:// or unix:// URL"]
        ) from None


def verify(client: redis.Redis, redis_url: str) -> None:
    """Check that the server answers, lets us in, and holds keys of a layout we know. Blocks for 5 s at most.

    Raises Unreachable with what to do about it.
    """
    shown = redacted("redis_url", redis_url)
    try:
        client.ping()
        client.set(keys.VERSION, keys.LAYOUT, nx=True)
        layout = client.get(keys.VERSION)
    except redis.exceptions.AuthenticationError as error:
        raise Unreachable(f"Redis at {shown} refuses the password or user ({error}): correct redis_url") from None
    except AWAY as error:
        raise Unreachable(f"Redis at {shown} cannot be reached ({error}): start it or correct redis_url") from None
    except redis.ResponseError as error:
        raise Unreachable(f"Redis at {shown} refuses: {error}") from None
    if layout != keys.LAYOUT.encode():
        raise Unreachable(
            f"Redis at {shown} holds the keys of a newer cwpipe (layout {layout!r}, known here: {keys.LAYOUT}): upgrade"
        )
