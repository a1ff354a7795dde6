"""Text as analysisd can take it: valid UTF-8 without NUL and without trailing newlines."""

import re
from hashlib import blake2b

#: Stands for a NUL, at which analysisd would end the event: the letter for it that Unicode has.
NUL_SYMBOL = "\u2400"

_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGEST_BYTES = 6


def visible(text: str) -> str:
    """Return `text` with each NUL as U+2400 and each lone surrogate, which has no UTF-8, as U+FFFD."""
    return _SURROGATE.sub("\ufffd", text).replace("\0", NUL_SYMBOL)


def clean(message: str) -> bytes:
    """Return `message` as UTF-8, without trailing CR, LF and NUL: a newline would end up in Wazuh's last field.

    Newlines within stay: one event is one event.
    """
    message = message.rstrip("\r\n\0")
    try:
        body = message.encode()
    except UnicodeEncodeError:
        return visible(message).encode()
    return body if "\0" not in message else visible(message).encode()


def cut(data: bytes, max_bytes: int) -> int:
    """Return the greatest length, `max_bytes` at most, at which valid UTF-8 can be cut between two characters."""
    if len(data) <= max_bytes:
        return len(data)
    while max_bytes > 0 and data[max_bytes] & 0xC0 == 0x80:
        max_bytes -= 1
    return max_bytes


def fit(name: str, max_bytes: int) -> str:
    """Return `name` in `max_bytes` of UTF-8; a longer one ends in `~` and a digest of the whole, to stay distinct."""
    data = name.encode()
    if len(data) <= max_bytes:
        return name
    digest = "~" + blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
    return data[: cut(data, max_bytes - len(digest))].decode() + digest
