"""What the types cannot say: values that must make sense to others, and keys that need one another.

Works on converted values from which those with a fault are left out, so that one fault does not cause another.
"""

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qs, urlsplit

from shared.settings import redis_checks, source_checks
from shared.settings.faults import Faults
from shared.settings.redis_url import SERVER_SCHEMES, by_sentinels, parse_sentinels
from shared.settings.words import either

#: sun_path of Linux is 108 bytes, one of them the final NUL.
MAX_SOCKET_PATH_BYTES = 107
MAX_PORT = 65_535
#: The normalizer takes the next port, the forwarder the one after.
MAX_METRICS_PORT = MAX_PORT - 3

#: What a location may be made of: an event's region, account, log group and log stream.
LOCATION_FIELDS = ("region", "account", "log_group", "log_stream")
MAX_LOCATION_CHARACTERS = 512

_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s/:@]+):(?P<port>[0-9]{1,5})")
_FIELD = re.compile(r"\{(\w+)\}")
_FLOW_LOG_FIELD = re.compile(r"\$\{[a-z][a-z0-9-]{0,63}\}")


def check(values: Mapping[str, object], faults: Faults) -> None:
    """Add a fault for each value, and each pair of values, that cannot work."""
    for key, name, value in _texts(values, ""):
        rule = next((rule for ending, rule in _RULES.items() if name.endswith(ending)), None)
        if (value or name == "location") and rule and (sentence := rule(value)):
            faults.value(key, value, sentence)
    sources = [source for source in _list(values.get("sources")) if isinstance(source, Mapping)]
    _check_names(sources, faults)
    _check_redis_password(values, faults)
    redis_checks.check(values, faults)
    for number, source in enumerate(sources):
        _check_needed(source, f"sources[{number}]", faults)
        source_checks.check(source, f"sources[{number}]", faults)


def _texts(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str, str]]:
    """Yield dotted key, last part of it, and value, of every text."""
    for name, value in table.items():
        if isinstance(value, str):
            yield f"{prefix}{name}", name, value
        elif isinstance(value, Mapping):
            yield from _texts(value, f"{prefix}{name}.")
        for number, item in enumerate(_list(value)):
            if isinstance(item, Mapping):
                yield from _texts(item, f"{prefix}{name}[{number}].")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _check_names(sources: list[Mapping[str, object]], faults: Faults) -> None:
    first: dict[object, int] = {}
    for number, source in enumerate(sources):
        name = source.get("name")
        if name in first:
            faults.value(
                f"sources[{number}].name", name, f"is the name of sources[{first[name]}] too; each needs its own"
            )
        elif name is not None:
            first[name] = number


def _check_needed(source: Mapping[str, object], prefix: str, faults: Faults) -> None:
    for name, needed in (("external_id", "role_arn"), ("discard_field", "discard_regex")):
        if source.get(name) and source.get(needed) == "":
            faults.value(
                f"{prefix}.{name}", source[name], f"has no meaning without {needed}; give that too, or neither"
            )


def _check_redis_password(values: Mapping[str, object], faults: Faults) -> None:
    file, url = values.get("redis_password_file"), values.get("redis_url")
    if not file or not isinstance(url, str):
        return
    if not url:
        faults.value("redis_password_file", file, "has no meaning without redis_url; give that too, or neither")
    elif _has_password(url):
        faults.value("redis_password_file", file, "gives a password, and so does redis_url; keep one")


def _has_password(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.password) or "password" in parse_qs(parts.query)
    except ValueError:
        return False  # a fault of redis_url


def _redis_url(value: str) -> str | None:
    try:
        url = urlsplit(value)
        if by_sentinels(value):
            known = bool(parse_sentinels(value).sentinels)
        else:
            known = value.startswith(SERVER_SCHEMES) and (url.scheme == "unix" or url.port != 0)
    except ValueError:  # a port that is no number; the text of the error would show the password
        known = False
    if known and (url.scheme != "unix" or url.path):
        return None
    if by_sentinels(value):
        return 'must name Sentinels and a service, such as "redis+sentinel://one:26379,two:26379/mymaster/0"'
    return (
        f'must begin {either(list(SERVER_SCHEMES))}, such as "redis://localhost:6379/0" or "unix:///run/redis.sock"; '
        "or, to ask Sentinels, redis+sentinel://"
    )


def _http_url(value: str) -> str | None:
    try:
        url = urlsplit(value)
        known = url.scheme in {"http", "https"} and url.hostname and url.port != 0
    except ValueError:
        known = False
    return None if known else 'must be an http:// or https:// address, such as "https://logs.eu-west-1.amazonaws.com"'


def _metrics_address(value: str) -> str | None:
    parts = _HOST_AND_PORT.fullmatch(value)
    if parts and 1 <= int(parts["port"]) <= MAX_METRICS_PORT:
        return None
    return f'must be host:port with a port from 1 to {MAX_METRICS_PORT}, such as "127.0.0.1:9108"'


def _address(value: str) -> str | None:
    parts = _HOST_AND_PORT.fullmatch(value)
    if parts and 1 <= int(parts["port"]) <= MAX_PORT:
        return None
    return f'must be host:port with a port from 1 to {MAX_PORT}, such as "127.0.0.1:9181"'


def _socket(value: str) -> str | None:
    length = len(value.encode(errors="surrogateescape"))
    if value.startswith("/") and "\0" not in value and length <= MAX_SOCKET_PATH_BYTES:
        return None
    return f"must be an absolute path of at most {MAX_SOCKET_PATH_BYTES} bytes"


def _role_arn(value: str) -> str | None:
    if source_checks.ROLE_ARN.fullmatch(value):
        return None
    return 'must be the ARN of an IAM role, such as "arn:aws:iam::123456789012:role/cwpipe"'


def _location(value: str) -> str | None:
    literal = _FIELD.sub("", value)
    unknown = sorted({name for name in _FIELD.findall(value) if name not in LOCATION_FIELDS})
    if unknown:
        names = either([f"{{{name}}}" for name in LOCATION_FIELDS])
        return f"must not hold {{{unknown[0]}}}; what is filled in is {names}"
    if "{" in literal or "}" in literal:
        return "must have braces around the names of fields only, such as {log_group}"
    if not value.strip():
        return "must not be empty"
    if value.startswith(("[", "(", "{log_stream}")):
        return "must begin with a fixed text, such as Wazuh-AWS: a location that begins with [ or ( speaks for an agent"
    if "->" in value or "|" in value or not literal.isprintable():
        return "must not hold ->, | or control characters, which analysisd reads as more than a name"
    if len(value) > MAX_LOCATION_CHARACTERS:
        return f"must have at most {MAX_LOCATION_CHARACTERS} characters"
    return None


def _stream_prefix(value: str) -> str | None:
    return "must not hold : or *, which no stream's name does" if ":" in value or "*" in value else None


def _proxy_url(value: str) -> str | None:
    return None if _http_url(value) is None else 'must be http:// or https:// and a host, such as "http://proxy:3128"'


def _ca_bundle(value: str) -> str | None:
    try:
        ssl.create_default_context(cafile=value)
    except ssl.SSLError:
        return "must be a file of certificates in PEM form"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else "it is no name of a file"
        return f"must be a file of certificates that can be read: {why}"
    return None


def _flow_log_format(value: str) -> str | None:
    names = value.split()
    wrong = next((name for name in names if not _FLOW_LOG_FIELD.fullmatch(name)), None)
    if wrong is not None:
        return f'must be fields such as ${{account-id}} with spaces between them, as in the flow log; "{wrong}" is none'
    if len(set(names)) < len(names):
        return "must not name a field twice"
    return None if names else "must name at least one field"


def _regex(value: str) -> str | None:
    try:
        re.compile(value)
    except re.error as error:
        return f"must be a regular expression: {error.msg}, at character {(error.pos or 0) + 1}"
    except (OverflowError, RecursionError):
        return "must be a regular expression: this one is too large"
    return None


#: Ending of a key's name -> what it must be, or None if it is that. The first that fits holds.
_RULES: dict[str, Callable[[str], str | None]] = {
    "redis_url": _redis_url,
    "proxy_url": _proxy_url,
    "log_stream_prefix": _stream_prefix,
    "ca_bundle": _ca_bundle,
    "_url": _http_url,
    "metrics_address": _metrics_address,
    "address": _address,
    "_socket": _socket,
    "role_arn": _role_arn,
    "_regex": _regex,
    "location": _location,
    "flow_log_format": _flow_log_format,
}
