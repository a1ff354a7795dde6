"""redis-py's connections, which end when their server turns out to be a replica.

After a failover the old primary may live on as a replica and keep its connections. Whoever stayed on one would be refused
every write for ever; a new connection goes where the name in redis_url, or the Sentinels, lead now.
"""

from typing import Any

import redis
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

from shared.settings.redis_url import has_tls


class _OnPrimary:
    def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]  # of the class it is mixed into
        except redis.exceptions.ReadOnlyError:
            self.disconnect()  # type: ignore[attr-defined]
            raise redis.ConnectionError("the server is a replica, or has become one") from None


class PlainConnection(_OnPrimary, Connection):
    """By TCP."""


class TlsConnection(_OnPrimary, SSLConnection):
    """By TLS."""


class SocketConnection(_OnPrimary, UnixDomainSocketConnection):
    """By a UNIX socket."""


def connection_class(redis_url: str) -> type[Connection] | type[UnixDomainSocketConnection]:
    """Return what a URL that names a server, not Sentinels, is connected by."""
    if redis_url.startswith("unix://"):
        return SocketConnection
    return TlsConnection if has_tls(redis_url) else PlainConnection
