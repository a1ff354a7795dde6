"""What of a value may be printed."""

import re

MASK = "***"

#: The name of a file that holds a secret is none.
_SECRET = re.compile(r"external_id|(password|secret|token)(?!_file)")
_PASSWORD_PARAMETER = re.compile(r"(?<=password=)[^&]*")


def redacted(key: str, value: str) -> str:
    """Return `value` as it may be printed: the password of a URL, or all of a secret such as external_id, masked."""
    if value and is_secret(key):
        return MASK
    if "://" in value or _name(key).endswith("url"):
        return _without_password(value)
    return value


def is_secret(key: str) -> bool:
    """Tell whether nothing of the values of a dotted key may be printed."""
    return bool(_SECRET.search(_name(key)))


def _name(key: str) -> str:
    """Return the last part of a dotted key, without an index."""
    return key.rpartition(".")[2].partition("[")[0]


def _without_password(url: str) -> str:
    """Mask all from the first colon of the user part to the last `@`: a password may hold `@`, `/` or `#` unescaped."""
    before, at, host = url.rpartition("@")
    scheme, separator, user = before.partition("://") if "://" in before else ("", "", before)
    name, colon, _ = user.partition(":")
    if at and colon:
        url = f"{scheme}{separator}{name}:{MASK}@{host}"
    return _PASSWORD_PARAMETER.sub(MASK, url)
