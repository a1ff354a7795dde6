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

#: No object that is deeper is as short, with a bracket at both ends of each level.
SHALLOW_BYTES = 2 * MAX_DEPTH
_BACKSLASH = ord("\\")

#: What cJSON skips before a value: every byte up to the space, and a byte order mark.
BLANKS = bytes(range(0x21)) + b"\xef\xbb\xbf"
# What analysisd's decoder `json` takes: `{`, spaces, `"`. Its `json-msgraph` hands on anything that cJSON can begin to
# read, and for cJSON every byte up to the space is white space.
_OBJECT = re.compile(rb'(?:\xef\xbb\xbf)?[\x00-\x20]*(\{[\x00-\x20]*(?:"|\}[\x00-\x20]*\Z))')


#: What is there where a member is not.
ABSENT = msgspec.Raw()


class Members(msgspec.Struct, gc=False):
    """An object with whatever members: msgspec checks and skips them, which is the cheapest way to validate.

    The two by which an object can be told to hold a line of text are found on the way.
    """

    log: msgspec.Raw = ABSENT
    message: msgspec.Raw = msgspec.field(default=ABSENT, name="MESSAGE")


#: Raises msgspec.DecodeError or RecursionError for what is no object.
VALIDATE = msgspec.json.Decoder(Members).decode

# Whether a body may hold a reserved word in any case, or a number that is too long, is asked of one translated copy.
# It holds one letter for every two at the same place of the two words, so that one search finds both of them, and 0 for
# what numbers consist of, but for the `e`.
_FOLD = bytes(range(256)).lower()
for _one, _other in zip(*reserved.WORDS, strict=False):
    _FOLD = _FOLD.replace(_FOLD[_one : _one + 1], _FOLD[_other : _other + 1])
_FOLD = bytes(ord("0") if byte in b"0123456789+-." else letter for byte, letter in enumerate(_FOLD))
_FOLDED_WORD = reserved.WORDS[0].translate(_FOLD)
# cJSON takes 63 characters of a number and then expects it to end; of 64 characters, at least 31 in a row are no `e`.
_FOLDED_NUMBER = b"0" * 31
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
    return None if members_of(body) is None else guarded(body)


def members_of(body: bytes) -> Members | None:
    """Return what tells an object that holds a line of text. None: `body` is no object."""
    try:
        return VALIDATE(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def guarded(body: bytes) -> bytes | None:
    """Return the object `body`, which is valid, its reserved keys renamed. None: cJSON is not sure to read it."""
    folded = body.translate(_FOLD)
    if folded.find(_FOLDED_NUMBER) >= 0 and _LONG_NUMBER.search(_STRING.sub(b"", body)):
        return None
    if len(body) > SHALLOW_BYTES and _depth(body) > MAX_DEPTH:
        return None
    if folded.find(_FOLDED_WORD) >= 0:
        return reserved.rename(reserved.spaced(body))
    # An escape may spell a letter of a word. One byte is found much faster than two, and most bodies have no backslash.
    if _BACKSLASH in body and body.find(b"\\u") >= 0:
        return reserved.rename(body)
    return body


def needs_no_guard(bodies: bytes) -> bool:
    """Say whether `guarded` surely returns as it is each object in `bodies`, apart from those longer than SHALLOW_BYTES."""
    if _BACKSLASH in bodies:
        return False
    folded = bodies.translate(_FOLD)
    return folded.find(_FOLDED_WORD) < 0 and folded.find(_FOLDED_NUMBER) < 0


def wrapped(text: bytes) -> bytes:
    """Return the object `{"message": text}`. `text` is valid UTF-8 without NUL."""
    return b'{"message":%b}' % msgspec.json.encode(text.decode())


def _depth(body: bytes) -> int:
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return 0
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)))
