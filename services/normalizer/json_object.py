"""Which messages analysisd may take for a JSON object, and what is then sent in their place.

A valid object is sent as it is, with the origin spliced in behind its first `{` and its reserved keys renamed.
Whatever else could be read as JSON is wrapped: it becomes the member `message` of an object of ours.
"""

import re
from itertools import accumulate

import msgspec

from services.normalizer import reserved

#: cJSON gives up, and analysisd loses all fields, beyond 1,000 levels. Other parsers on the way stop earlier.
MAX_DEPTH = 900

#: What cJSON skips before a value: every byte up to the space, and a byte order mark.
BLANKS = bytes(range(0x21)) + b"\xef\xbb\xbf"
# What analysisd's decoder `json` takes: `{`, spaces, `"`. Its `json-msgraph` hands on anything that cJSON can begin to
# read, and for cJSON every byte up to the space is white space.
_OBJECT = re.compile(rb'(?:\xef\xbb\xbf)?[\x00-\x20]*(\{[\x00-\x20]*(?:"|\}[\x00-\x20]*\Z))')


class _Anything(msgspec.Struct):
    """An object with whatever members: msgspec checks and skips them, which is the cheapest way to validate."""


_VALIDATE = msgspec.json.Decoder(_Anything).decode

# cJSON copies 63 characters of a number and then expects it to end. One translated copy of a body answers whether it
# may hold a longer one, and whether it may hold a reserved word in any case.
_FOLD = bytes(ord("0") if byte in b"0123456789+-.eE" else byte for byte in bytes(range(256)).lower())
_FOLDED_NUMBER = b"0" * 64
_FOLDED_WORDS = tuple(word.translate(_FOLD) for word in reserved.WORDS)
_CLOUDWATCH, _INTEGRATION = _FOLDED_WORDS
_LONG_NUMBER = re.compile(rb"[0-9+\-.eE]{64}")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{[]}")
_STEP = tuple(1 if byte in b"{[" else -1 for byte in range(256))


def start(log: bytes, position: int = 0) -> int:
    """Return where at `position` or behind white space an object begins as far as analysisd is concerned, else -1."""
    found = _OBJECT.match(log, position)
    return found.start(1) if found else -1


def protected(body: bytes) -> bytes | None:
    """Return the object `body`, its reserved keys renamed. None: it is no object, or none that cJSON is sure to read."""
    try:
        _VALIDATE(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    folded = body.translate(_FOLD)
    if folded.find(_FOLDED_NUMBER) >= 0 and _LONG_NUMBER.search(_STRING.sub(b"", body)):
        return None
    if len(body) > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        return None
    if folded.find(_CLOUDWATCH) < 0 and folded.find(_INTEGRATION) < 0 and not _has_unicode_escape(body):
        return body
    return reserved.rename(body)


def wrapped(text: bytes) -> bytes:
    """Return the object `{"message": text}`. `text` is valid UTF-8 without NUL."""
    return b'{"message":%b}' % msgspec.json.encode(text.decode())


def spliced(opening: bytes, body: bytes) -> bytes:
    """Return the object `body` with what `opening` opens as its first member."""
    is_empty = body[1] != ord('"') and body.find(b'"') < 0
    return b"".join((opening, b"" if is_empty else b",", body[1:]))


def _has_unicode_escape(body: bytes) -> bool:
    # Bodies without any backslash are the rule, and one byte is found several times faster than two.
    return body.find(b"\\") >= 0 and body.find(b"\\u") >= 0


def _depth(body: bytes) -> int:
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return 0
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)))
