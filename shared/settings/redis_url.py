"""What a redis_url says, as far as redis-py does not read it itself: the scheme, and the addresses of Sentinels.

    redis+sentinel://[user:password@]host[:port][,host[:port]...]/service[/database]

`rediss+sentinel://` speaks TLS, with the Sentinels and with the server they name. User and password are the server's.
"""

from urllib.parse import unquote, urlsplit

from msgspec import Struct

SENTINEL_SCHEMES = ("redis+sentinel://", "rediss+sentinel://")
SERVER_SCHEMES = ("redis://", "rediss://", "unix://")
SENTINEL_PORT = 26_379


class SentinelUrl(Struct, frozen=True, kw_only=True):
    """Which Sentinels to ask, and for what."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int
    user: str
    password: str


def has_tls(redis_url: str) -> bool:
    """Tell whether what is sent there is encrypted."""
    return redis_url.startswith(("rediss://", "rediss+sentinel://"))


def by_sentinels(redis_url: str) -> bool:
    """Tell whether Sentinels are asked where the server is."""
    return redis_url.startswith(SENTINEL_SCHEMES)


def parse_sentinels(redis_url: str) -> SentinelUrl:
    """Return what a URL of Sentinels says. Raises ValueError, without a word of the password, when it says none."""
    url = urlsplit(redis_url)
    service, _, database = url.path.removeprefix("/").partition("/")
    if not service or "/" in database or url.query or url.fragment:
        raise ValueError("a URL of Sentinels ends with the name of the service")
    login, at, hosts = url.netloc.rpartition("@")
    user, _, password = login.partition(":") if at else ("", "", "")
    return SentinelUrl(
        sentinels=tuple(_address(text) for text in hosts.split(",")),
        service=unquote(service),
        database=_number(database or "0", 1_000_000),
        user=unquote(user),
        password=unquote(password),
    )


def _address(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = text.partition(":")
    if not host or colon not in ("", ":") or (colon and not port):
        raise ValueError("a Sentinel is host or host:port")
    return host, _number(port or str(SENTINEL_PORT), 65_535)


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) <= most):
        raise ValueError("not a number within its bounds")
    return int(text)
