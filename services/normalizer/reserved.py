"""The keys that no log line may bring along: `cloudwatch`, our origin, and `integration`, which chooses Wazuh's rules.

They are looked for as analysisd would read them. It compares names of fields without regard to case, makes nested
fields of dotted keys (`cloudwatch.log_group`), and cJSON ends a key at a NUL, so that `"INTEGRATION\\u0000x"` counts.
Only the top level matters: below it, a key is always preceded by those above. With one exception: analysisd chooses its
decoder `json-msgraph` by the bytes `"integration":"ms-graph"` anywhere in a log, and no rule for JSON would fire any more.
"""

import re

import msgspec

WORDS = (b"cloudwatch", b"integration")

_KEY = re.compile(r"(cloudwatch|integration)(?=[.\0]|\Z)", re.IGNORECASE | re.ASCII)
_FIRST_SEGMENT = re.compile(r"[^.\0]*")
_MS_GRAPH = re.compile(rb'"integration":(?="ms-graph")', re.IGNORECASE)
_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"([ \t\r\n]*:)?|[{}\[\]]')
_UNIT = re.compile(rb"\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)


def rename(body: bytes) -> bytes:
    """Return the JSON object `body` with an underscore behind each reserved name that begins a key of its top level.

    More than one underscore, where one would make it a name that another key has already.
    """
    keys = _KEYS.decode(body)
    if not any(map(_KEY.match, keys)):
        return body
    mark = _free_mark(keys)
    pieces = []
    done = 0
    for start, length in _top_level(body):
        end = _end_of_units(body, start + 1, length)
        pieces += [body[done:end], mark]
        done = end
    return b"".join([*pieces, body[done:]])


def spaced(body: bytes) -> bytes:
    """Return the JSON object `body` with a space in what would choose `json-msgraph`; it means the same.

    It is between a key and its value: within a string the quotes would be escaped.
    """
    return _MS_GRAPH.sub(rb"\g<0> ", body)


def _free_mark(keys: dict[str, msgspec.Raw]) -> bytes:
    taken = {_FIRST_SEGMENT.match(key)[0].lower() for key in keys}  # type: ignore[index]  # it matches the empty string
    mark = "_"
    while any(word.decode() + mark in taken for word in WORDS):
        mark += "_"
    return mark.encode()


def _top_level(body: bytes) -> list[tuple[int, int]]:
    """Return where each reserved key of the top level begins, at its quote, and how many characters the word has."""
    found = []
    depth = 0
    for token in _TOKEN.finditer(body):
        first = token[0][0]
        if first == ord('"'):
            if depth == 1 and token[1]:
                word = _KEY.match(_STRING.decode(token[0][: -len(token[1])]))
                if word:
                    found.append((token.start(), len(word[1])))
        elif first in b"{[":
            depth += 1
        else:
            depth -= 1
    return found


def _end_of_units(body: bytes, position: int, characters: int) -> int:
    """Return where that many characters from `position` on end; an escape counts as one."""
    for _ in range(characters):
        position = _UNIT.match(body, position).end()  # type: ignore[union-attr]  # the string is longer
    return position
