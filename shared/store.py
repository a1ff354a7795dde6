"""The connection to Redis (or Valkey), and whether what is kept there is ours to read."""

import time
from pathlib import Path
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared import keys
from shared.errors import SettingsError, Unreachable
from shared.settings.redact import redacted

#: Longer than the worker's blocking read by what RQ asks for, shorter than an operator's patience.
SOCKET_TIMEOUT_SECONDS = 15

#: What redis-py raises when the server is away, restarting or loading its data: worth waiting for.
AWAY = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError)


def connect(redis_url: str, password_file: str = "", *, timeout_seconds: float = SOCKET_TIMEOUT_SECONDS) -> redis.Redis:
    """Return a client for `redis_url`, with the password kept in `password_file` if one is named; nothing is sent yet.

    It never repeats a command by itself: a transaction whose answer was lost may have been carried out, and only the
    caller, who watches a key, can tell.

    Raises SettingsError when there is no URL, or one that makes no sense, and when the file holds no password.
    """
    if not redis_url:
        raise SettingsError(
            ["redis_url is not set: give one in the file or by REDIS_URL; only `cwpipe run` starts its own"]
        )
    password = {"password": read_password("redis_password_file", password_file)} if password_file else {}
    try:
        if not _is_whole(redis_url):
            raise ValueError
        return redis.Redis.from_url(
            redis_url,
            **password,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=timeout_seconds,
            socket_connect_timeout=min(5, timeout_seconds),
            health_check_interval=15,
        )
    except ValueError:
        # redis-py's own words may quote a part of the password.
        raise SettingsError(
            [
                f"redis_url {redacted('redis_url', redis_url)} is no redis://, rediss:// or unix:// URL; "
                "in a password, / ? # and @ are written %2F %3F %23 and %40"
            ]
        ) from None


def _is_whole(redis_url: str) -> bool:
    """Tell whether user and password are where they belong: unescaped, a part of them would pass for host or path."""
    url = urlsplit(redis_url)
    if "@" in url.netloc:
        return True
    rest = url.fragment if url.scheme == "unix" else url.path + url.fragment
    return "@" not in rest and not (url.scheme == "unix" and url.netloc) and ("@" not in url.query or "=" in url.query)


def read_password(key: str, file: str) -> str:
    """Return the password that `file`, named by the setting `key`, holds; the end of its line is none of it.

    Raises SettingsError when it cannot be read, is empty or has several lines. What it holds is never shown.
    """
    try:
        password = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError([f"{key} = {file}: cannot be read: {error.strerror}"]) from None
    except ValueError:  # bytes that are no UTF-8, or a NUL in the name
        raise SettingsError([f"{key} = {file!r}: must be the name of a file of UTF-8 text"]) from None
    if not password or not password.isprintable():
        raise SettingsError([f"{key} = {file}: must hold the password and nothing else, in one line"])
    return password


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
    except redis.RedisError as error:
        raise Unreachable(f"Redis at {shown} refuses: {error}") from None
    if layout != keys.LAYOUT.encode():
        raise Unreachable(
            f"Redis at {shown} holds the keys of a newer cwpipe (layout {layout!r}, known here: {keys.LAYOUT}): upgrade"
        )


def seconds_ahead(client: redis.Redis) -> float:
    """Return by how much the clock of this host is ahead of the server's. Raises redis.RedisError."""
    seconds, microseconds = client.time()
    return time.time() - (int(seconds) + int(microseconds) / 1_000_000)
