"""The connection to Redis (or Valkey), and whether what answers there is one to keep queues on."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from msgspec import Struct
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from shared import layout, permissions, redis_faults
from shared.errors import SettingsError, Unreachable
from shared.redis_connections import connection_class
from shared.settings.model import Settings
from shared.settings.redact import redacted
from shared.settings.redis_url import by_sentinels, has_tls, parse_sentinels

#: Longer than the worker's blocking read by what RQ asks for, shorter than an operator's patience.
SOCKET_TIMEOUT_SECONDS = 15
CONNECT_TIMEOUT_SECONDS = 5
#: A Sentinel that has not answered by then is passed over for the next.
SENTINEL_TIMEOUT_SECONDS = 2

#: Of those that a user may not run, so many are named.
SHOWN_COMMANDS = 8

#: What redis-py raises when the server is away, restarting or loading its data: worth waiting for.
AWAY = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError)


class Access(Struct, frozen=True, kw_only=True):
    """What it takes to be let in beside the URL: names of files, each "" for none."""

    password_file: str = ""
    sentinel_password_file: str = ""
    ca_bundle: str = ""
    client_cert: str = ""
    client_key: str = ""


def opened(settings: Settings, embedded_url: str = "") -> redis.Redis:
    """Return a client of the Redis that the settings name, or of the embedded server at `embedded_url`, and verify it.

    Raises SettingsError as `connect` does, Unreachable as `verify` does. Blocks for 5 s at most, with Sentinels longer.
    """
    url = embedded_url or settings.redis_url
    client = connect(url, access=Access() if embedded_url else access(settings))
    try:
        verify(client, url)
    except BaseException:
        client.close()
        raise
    return client


def access(settings: Settings) -> Access:
    """Return what the settings give to be let in by redis_url."""
    return Access(
        password_file=settings.redis_password_file,
        sentinel_password_file=settings.redis_sentinel_password_file,
        ca_bundle=settings.redis_ca_bundle,
        client_cert=settings.redis_client_cert,
        client_key=settings.redis_client_key,
    )


def connect(
    redis_url: str,
    password_file: str = "",
    *,
    access: Access | None = None,
    timeout_seconds: float = SOCKET_TIMEOUT_SECONDS,
) -> redis.Redis:
    """Return a client for `redis_url`, with the password kept in `password_file` if one is named; nothing is sent yet.

    It never repeats a command by itself: a transaction whose answer was lost may have been carried out, and only the
    caller, who watches a key, can tell.

    Raises SettingsError when there is no URL, or one that makes no sense, and when a file holds no password.
    """
    if not redis_url:
        raise SettingsError(
            ["redis_url is not set: give one in the file or by REDIS_URL; only `cwpipe run` starts its own"]
        )
    access = access or Access(password_file=password_file)
    options = _options(access, timeout_seconds, tls=has_tls(redis_url))
    try:
        if not _is_whole(redis_url):
            raise ValueError
        if by_sentinels(redis_url):
            return _by_sentinels(redis_url, access, options)
        return redis.Redis.from_url(redis_url, connection_class=connection_class(redis_url), **options)
    except ValueError:
        # redis-py's own words may quote a part of the password.
        raise SettingsError(
            [
                f"redis_url {redacted('redis_url', redis_url)} is no redis://, rediss:// or unix:// URL, nor one of "
                "Sentinels, redis+sentinel://host:26379,host:26379/service/0; "
                "in a password, / ? # and @ are written %2F %3F %23 and %40"
            ]
        ) from None


def _options(access: Access, timeout_seconds: float, *, tls: bool) -> dict[str, Any]:
    options: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": min(CONNECT_TIMEOUT_SECONDS, timeout_seconds),
        "health_check_interval": 15,
        "driver_info": None,  # CLIENT SETINFO is a command more to permit, and unknown to Redis before 7.2
    }
    if access.password_file:
        options["password"] = read_password("redis_password_file", access.password_file)
    if tls:
        options |= {
            name: value
            for name, value in (
                ("ssl_ca_certs", access.ca_bundle),
                ("ssl_certfile", access.client_cert),
                ("ssl_keyfile", access.client_key),
            )
            if value
        }
    return options


def _by_sentinels(redis_url: str, access: Access, options: dict[str, Any]) -> redis.Redis:
    """Return a client of the primary that the Sentinels name, asked anew for each connection."""
    parsed = parse_sentinels(redis_url)
    login = {"username": parsed.user or None, "db": parsed.database} | (
        {"password": parsed.password} if parsed.password else {}
    )
    asking = {name: value for name, value in options.items() if name not in ("password", "health_check_interval")}
    asking |= {"socket_timeout": SENTINEL_TIMEOUT_SECONDS, "socket_connect_timeout": SENTINEL_TIMEOUT_SECONDS}
    if access.sentinel_password_file:
        asking["password"] = read_password("redis_sentinel_password_file", access.sentinel_password_file)
    tls = {"ssl": True} if has_tls(redis_url) else {}
    sentinel = Sentinel(parsed.sentinels, sentinel_kwargs=asking | tls)  # type: ignore[no-untyped-call]
    client: redis.Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        parsed.service, redis_class=_BehindSentinels, **login, **options, **tls
    )
    return client


class _BehindSentinels(redis.Redis):
    def close(self) -> None:
        super().close()
        pool = self.connection_pool
        assert isinstance(pool, SentinelConnectionPool)
        pool.sentinel_manager.close()


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

    With Sentinels it may take as long for each of them. Raises Unreachable with what to do about it.
    """
    shown = redacted("redis_url", redis_url)
    try:
        client.ping()
        _check_kind(client, shown)
        _check_permissions(client, shown)
        layout.settle(client, shown)
    except redis.RedisError as error:
        raise Unreachable(f"Redis at {shown} {_why(client, error, tls=has_tls(redis_url))}") from None


def _check_permissions(client: redis.Redis, shown: str) -> None:
    """Raise Unreachable that names what the user may not do: found out in the middle of the work, it would wait for ever."""
    missing = permissions.missing(client)
    if missing:
        named = ", ".join(missing[:SHOWN_COMMANDS]) + (", ..." if len(missing) > SHOWN_COMMANDS else "")
        raise Unreachable(
            f"Redis at {shown} refuses: NOPERM, its user may not use {named}, and cwpipe does: give the user all "
            "that docs/redis.md lists (ACL SETUSER), or name another in redis_url"
        )


def _check_kind(client: redis.Redis, shown: str) -> None:
    """Raise Unreachable for a server that answers, and yet is none to keep queues on."""
    try:
        info = client.info()
    except redis.exceptions.NoPermissionError:
        return  # is told with all else that is not permitted
    mode = info.get("redis_mode") or info.get("server_mode")  # Redis's name for it, and Valkey's
    if info.get("cluster_enabled") == 1 or mode == "cluster":
        raise Unreachable(
            f"Redis at {shown} runs in cluster mode, whose transactions cannot span the queues: use one without it"
        )
    if mode == "sentinel":
        raise Unreachable(
            f"Redis at {shown} is a Sentinel: write redis_url as redis+sentinel://host:26379/<name of the service>/0"
        )
    if info.get("role") == "slave":
        raise Unreachable(
            f"Redis at {shown} is a replica, which takes no writes: name its primary, or the Sentinels that know it"
        )


def _why(client: redis.Redis, error: redis.RedisError, *, tls: bool) -> str:
    """Return what is to be read behind the name of a Redis that cannot be used."""
    if said := redis_faults.refusal(error):
        return said
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        return _why_sentinels(pool, error)
    if isinstance(error, AWAY):
        return f"cannot be reached ({error}): start it or correct redis_url{redis_faults.hint(error, tls=tls)}"
    return f"refuses: {error}"


def _why_sentinels(pool: SentinelConnectionPool, error: redis.RedisError) -> str:
    """Return why the Sentinels lead nowhere: redis-py keeps no more of that than a text."""
    answered = 0
    for sentinel in pool.sentinel_manager.sentinels:
        try:
            known = sentinel.sentinel_masters()
        except redis.RedisError as refused:
            if said := redis_faults.refusal(refused):
                return f"cannot be asked for: the Sentinel {said.replace('redis_password_file', 'redis_sentinel_password_file')}"
            continue
        answered += 1
        if pool.service_name not in known:
            names = ", ".join(sorted(map(str, known))) or "none"
            return f"is not known to its Sentinel as {pool.service_name} (what it knows: {names}): correct redis_url"
    if answered:
        return f"cannot be reached ({error}): a failover may go on, or the primary is down"
    return "cannot be asked for, as none of its Sentinels answers: start them or correct redis_url"


def seconds_ahead(client: redis.Redis) -> float:
    """Return by how much the clock of this host is ahead of the server's. Raises redis.RedisError."""
    seconds, microseconds = client.time()
    return time.time() - (int(seconds) + int(microseconds) / 1_000_000)
