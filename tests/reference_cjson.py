"""How cJSON 1.7 and Wazuh's JSON decoder read an object, written from their sources for comparison. Nothing of ours.

More lenient than JSON: every byte up to the space is white space, control characters stand in strings, what follows the
object does not matter, and a string ends at a NUL. Stricter: 63 characters to a number, 1,000 levels.
"""

import re

MAX_LEVELS = 1_000
MAX_NUMBER = 63

_WORDS = {b"null": "null", b"true": "true", b"false": "false"}
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_INSIDE = re.compile(rb'([^"\\\0]*(?:\\[^\0][^"\\\0]*)*)"', re.DOTALL)

#: The keys that lead to a value; None: it is in a list, whose elements are no fields of their own.
Path = tuple[str, ...] | None


class Malformed(Exception):
    """cJSON would return nothing, and Wazuh no field at all."""


def fields_of(text: bytes) -> list[tuple[str, str]] | None:
    """Return the fields that Wazuh makes of `text`, in order: dotted names and values. None: it makes none."""
    try:
        return _Reader(text.split(b"\0", 1)[0]).fields()
    except (Malformed, IndexError):
        return None


class _Reader:
    def __init__(self, text: bytes) -> None:
        self._text = text.removeprefix(b"\xef\xbb\xbf") + b"\0"
        self._at = 0
        self._open: list[tuple[int, Path]] = []  # closing brackets, and where the container is
        self._fields: list[tuple[str, str]] = []

    def fields(self) -> list[tuple[str, str]]:
        self._value(())
        is_first = True
        while self._open:
            closing, path = self._open[-1]
            self._blanks()
            if self._text[self._at] == closing:
                self._at += 1
                self._open.pop()
                is_first = False
                continue
            if not is_first and self._next() != ord(","):
                raise Malformed
            levels = len(self._open)
            if closing == ord("}"):
                self._member(path)
            else:
                self._value(None)
            is_first = len(self._open) > levels
        return self._fields

    def _next(self) -> int:
        self._blanks()
        self._at += 1
        return self._text[self._at - 1]

    def _blanks(self) -> None:
        while 0 < self._text[self._at] <= ord(" "):
            self._at += 1

    def _member(self, parent: Path) -> None:
        if self._next() != ord('"'):
            raise Malformed
        key = self._string()
        if self._next() != ord(":"):
            raise Malformed
        self._value(None if parent is None else (*parent, key))

    def _value(self, path: Path) -> None:
        self._blanks()
        byte = self._text[self._at]
        if byte in b"{[":
            self._at += 1
            self._container(byte, path)
        else:
            self._keep(path, self._scalar(byte))

    def _keep(self, path: Path, value: str) -> None:
        if path:
            self._fields.append((".".join(path), value))

    def _container(self, byte: int, path: Path) -> None:
        if len(self._open) >= MAX_LEVELS:
            raise Malformed
        closing = ord("}") if byte == ord("{") else ord("]")
        if closing == ord("]"):
            self._keep(path, "[...]")
            path = None
        self._open.append((closing, path))

    def _scalar(self, byte: int) -> str:
        for word, value in _WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value
        if byte == ord('"'):
            self._at += 1
            return self._string()
        number = _NUMBER.match(self._text[self._at : self._at + MAX_NUMBER])
        if byte not in b"-0123456789" or not number:
            raise Malformed
        self._at += number.end()
        return number[0].decode()

    def _string(self) -> str:
        inside = _INSIDE.match(self._text, self._at)
        if not inside:
            raise Malformed
        self._at = inside.end()
        return _unescaped(inside[1].decode()).split("\0", 1)[0]


def _unescaped(inside: str) -> str:
    pieces: list[str] = []
    at = 0
    while at < len(inside):
        begin, at = at, inside.find("\\", at)
        if at < 0:
            return "".join([*pieces, inside[begin:]])
        pieces.append(inside[begin:at])
        if inside[at + 1] == "u":
            character, at = _code_point(inside, at)
        else:
            character, at = _ESCAPES.get(inside[at + 1], ""), at + 2
        if not character:
            raise Malformed
        pieces.append(character)
    return "".join(pieces)


def _code_point(inside: str, at: int) -> tuple[str, int]:
    first = _hex(inside[at + 2 : at + 6])
    if not 0xD800 <= first <= 0xDFFF:
        return chr(first), at + 6
    second = _hex(inside[at + 8 : at + 12])
    if first >= 0xDC00 or inside[at + 6 : at + 8] != "\\u" or not 0xDC00 <= second <= 0xDFFF:
        raise Malformed
    return chr(0x10000 + ((first & 0x3FF) << 10 | second & 0x3FF)), at + 12


def _hex(digits: str) -> int:
    if len(digits) < 4:
        raise Malformed
    return int(digits, 16) if re.fullmatch(r"[0-9a-fA-F]{4}", digits) else 0
