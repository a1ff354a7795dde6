"""What contradicts itself among the settings of Redis: files for TLS without TLS, a key that is not the certificate's."""

import ssl
from collections.abc import Mapping

from shared.settings.faults import Faults
from shared.settings.redis_url import by_sentinels, has_tls

_FOR_TLS = ("redis_ca_bundle", "redis_client_cert", "redis_client_key")


def check(values: Mapping[str, object], faults: Faults) -> None:
    """Add a fault for each file that would not be read, and for a client's certificate that cannot be used."""
    url = values.get("redis_url")
    if not isinstance(url, str):
        return  # it has a fault of its own
    sentinel_file = values.get("redis_sentinel_password_file")
    if sentinel_file and not by_sentinels(url):
        faults.value(
            "redis_sentinel_password_file", sentinel_file, "has no meaning without a redis_url of redis+sentinel://"
        )
    given = [(name, values[name]) for name in _FOR_TLS if values.get(name)]
    if given and not has_tls(url):
        for name, file in given:
            faults.value(name, file, "has no meaning without TLS; begin redis_url with rediss:// or rediss+sentinel://")
        return
    _check_client(values.get("redis_client_cert"), values.get("redis_client_key"), faults)


def _check_client(cert: object, key: object, faults: Faults) -> None:
    if key and cert == "":
        faults.value("redis_client_key", key, "has no meaning without redis_client_cert; give that too, or neither")
    if not isinstance(cert, str) or not cert or not isinstance(key, str):
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key or None, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            faults.value("redis_client_key", key or cert, "is not the key of redis_client_cert; correct one of them")
        else:
            faults.value(
                "redis_client_cert", cert, "must be a certificate in PEM form, its key beside it or in redis_client_key"
            )
    except OSError as error:
        faults.value(
            "redis_client_cert", cert, f"and redis_client_key must be files that can be read: {error.strerror}"
        )
    except ValueError:
        faults.value(
            "redis_client_key", key or cert, "must be a key without a password of its own; close the file instead"
        )


def _no_password() -> bytes:
    raise ValueError("nobody is there to type it")
