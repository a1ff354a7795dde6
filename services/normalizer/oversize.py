"""What becomes of an event that is too long for one datagram. Nothing is cut in silence.

Text travels in parts, each from the second on behind a marker. A JSON object keeps its shape: its longest strings are
shortened, and named in `cloudwatch.truncated`.
"""

import re
from collections.abc import Iterator

import msgspec

from services.normalizer.text import cut

#: Ends a string that was shortened.
ELLIPSIS = "\u2026".encode()
#: Strings are not shortened below this many bytes; where that does not suffice the object cannot keep its shape.
MIN_STRING_BYTES = 32
#: Bytes of `truncated` as JSON, at most: the names beyond it are counted.
MAX_NAMED_BYTES = 2_048
_MAX_PATH_CHARACTERS = 128

_STRING = rb'"([^"\\]*(?:\\.[^"\\]*)*)"([ \t\r\n]*:)?'  # the second group tells a key
_STRINGS = re.compile(_STRING)
_TOKENS = re.compile(_STRING + rb"|[{}\[\],]")
_WHOLE_UNITS = re.compile(rb"(?:[^\\]+|\\[^u]|\\u[dD][89abAB]..\\u....|\\u(?![dD][89abAB])....)*", re.DOTALL)


def split(text: bytes, max_bytes: int, event_id: bytes) -> list[bytes]:
    """Return `text` in parts of at most `max_bytes`, cut between characters.

    From the second on a part begins `cwpipe part 2/3 of event <id>: `, as no line does that Wazuh has a decoder for.
    """
    digits = len(str(len(text)))
    room = max_bytes - len(_marker(b"", b"", event_id)) - 2 * digits
    done = cut(text, max_bytes)
    parts = [text[:done]]
    while done < len(text):
        length = cut(text[done : done + room + 1], room)
        parts.append(text[done : done + length])
        done += length
    total = b"%d" % len(parts)
    return [parts[0], *(_marker(b"%d" % number, total, event_id) + part for number, part in enumerate(parts[1:], 2))]


def _marker(number: bytes, total: bytes, event_id: bytes) -> bytes:
    return b"cwpipe part %b/%b of event %b: " % (number, total, event_id)


def shorten(body: bytes, max_bytes: int) -> tuple[bytes, bytes] | None:
    """Return the JSON object `body` with its longest strings shortened, and the JSON list of the paths of those.

    The two together take `max_bytes` at most. None: not even every string shortened would do.
    """
    longest = _longest(body, len(body) + MAX_NAMED_BYTES - max_bytes)
    if longest < MIN_STRING_BYTES:
        return None
    pieces = []
    done = 0
    for string in _STRINGS.finditer(body):
        begin, end = string.span(1)
        if end - begin > longest and not string[2]:
            pieces += [body[done : begin + _cut_inside(string[1], longest - len(ELLIPSIS))], ELLIPSIS]
            done = end
    return b"".join([*pieces, body[done:]]), _named(_paths(body, longest), len(pieces) // 2)


def _longest(body: bytes, excess: int) -> int:
    """Return the length to cut longer strings down to for `excess` bytes to go; negative: there are not as many."""
    lengths = sorted((len(string[1]) for string in _STRINGS.finditer(body) if not string[2]), reverse=True)
    lengths.append(0)
    for count in range(1, len(lengths)):
        gain = count * (lengths[count - 1] - lengths[count])
        if gain >= excess:
            return lengths[count - 1] - -(-excess // count)
        excess -= gain
    return -1


def _cut_inside(string: bytes, max_bytes: int) -> int:
    """Return the greatest length at which the inside of a JSON string can be cut without halving an escape."""
    whole = _WHOLE_UNITS.match(string, 0, cut(string, max_bytes))
    return whole.end() if whole else 0


def _paths(body: bytes, longest: int) -> Iterator[str]:
    """Yield the dotted path of each string of `body` that is longer: keys, and places in lists from 0."""
    path: list[bytes | int] = []
    for token in _TOKENS.finditer(body):
        first = token[0][0]
        if first == ord('"'):
            if token[2]:
                path[-1] = token[1]
            elif len(token[1]) > longest:
                yield ".".join(map(_segment, path))[:_MAX_PATH_CHARACTERS]
        elif first == ord("{"):
            path.append(b"")
        elif first == ord("["):
            path.append(0)
        elif first == ord(","):
            if isinstance(path[-1], int):
                path[-1] += 1
        else:
            path.pop()


def _segment(segment: bytes | int) -> str:
    return str(segment) if isinstance(segment, int) else msgspec.json.decode(b'"%b"' % segment, type=str)


def _named(paths: Iterator[str], total: int) -> bytes:
    """Return the JSON list of `paths`, `total` in number; those beyond MAX_NAMED_BYTES are only counted."""
    names: list[str] = []
    room = MAX_NAMED_BYTES - len(f'["and {total} more"]')
    for path in paths:
        room -= len(msgspec.json.encode(path)) + len(",")
        if room < 0:
            names.append(f"and {total - len(names)} more")
            break
        names.append(path)
    return msgspec.json.encode(names)
