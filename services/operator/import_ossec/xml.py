r"""ossec.conf as Wazuh reads it, which is not XML: several roots, raw `&`, `\<` for a `<`, and `<! ... !>` is a comment too.

Entities are not decoded, nothing is included, and what is written between the children of an element is dropped.
"""

import re
from pathlib import Path

from msgspec import Struct, field

from shared.errors import SettingsError

MAX_BYTES = 1024**2
MAX_DEPTH = 64

_TEXT = re.compile(r"(?:[^<\\]++|\\.|\\\Z)*+", re.DOTALL)
_COMMENT_END = re.compile(r"!>|-->")
_NAME = re.compile(r"[^>\s]*")
_ATTRIBUTE = re.compile(r"""\s*+([^\s=/>]++)\s*+=\s*+("[^"]*"|'[^']*')""")
_TAG_END = re.compile(r"\s*+(/?+)\s*+>")


class Element(Struct):
    """One element: its text if it has no children."""

    name: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, name: str) -> list["Element"]:
        """Return the children of this name, in order."""
        return [child for child in self.children if child.name == name]

    def said(self, name: str) -> str:
        """Return the text of the last child of this name, as Wazuh takes it, or nothing."""
        return next((child.text for child in reversed(self.children) if child.name == name), "")


def read(file: Path) -> list[Element]:
    """Return the roots of a file; SettingsError when there is none to read, or what it holds is no such thing."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError([f"{file}: cannot be read: {error.strerror}"]) from None
    except ValueError as error:  # a NUL in the name
        raise SettingsError([f"{file!s}: cannot be read: {error}"]) from None
    if len(content) > MAX_BYTES:
        raise SettingsError([f"{file}: is larger than {MAX_BYTES // 1024**2} MiB, so it is no ossec.conf"])
    return _Reader(file, content.decode("utf-8-sig", "replace")).roots()


class _Reader:
    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._text = text
        self._at = 0
        self._counted_to, self._line = 0, 1
        self._texts: list[list[str]] = []

    def roots(self) -> list[Element]:
        top = Element("", {}, 1)
        open_elements = [top]
        self._texts = [[]]
        while self._at < len(self._text):
            start = self._at
            self._at = _TEXT.match(self._text, start).end()  # type: ignore[union-attr] # it matches nothing, too
            self._texts[-1].append(self._text[start : self._at])
            if self._at < len(self._text):
                self._markup(open_elements)
        if len(open_elements) > 1:
            self._refuse(f"<{shown(open_elements[-1].name)}> of line {open_elements[-1].line} is never closed")
        return top.children

    def _markup(self, open_elements: list[Element]) -> None:
        """Take what begins with `<`: a comment, an instruction, an end or a beginning."""
        if self._text.startswith("<!", self._at):
            self._skip(_COMMENT_END, "a comment that begins here is never closed")
        elif self._text.startswith("<?", self._at):
            self._skip(re.compile(r"\?>"), "<? that begins here is never closed")
        elif self._text.startswith("</", self._at):
            self._close(open_elements)
        else:
            self._open(open_elements)

    def _skip(self, end: re.Pattern[str], fault: str) -> None:
        found = end.search(self._text, self._at + 2)
        if found is None:
            self._refuse(fault)
        else:
            self._at = found.end()

    def _close(self, open_elements: list[Element]) -> None:
        end = self._text.find(">", self._at)
        name = self._text[self._at + 2 : end].strip()
        if end < 0 or len(open_elements) == 1 or name != open_elements[-1].name:
            inside = f", within <{shown(open_elements[-1].name)}>" if len(open_elements) > 1 else ""
            self._refuse(f"</{shown(name)}> closes nothing that is open{inside}")
        closed = open_elements.pop()
        text = "".join(self._texts.pop()).strip()
        closed.text = "" if closed.children else text
        self._at = end + 1

    def _open(self, open_elements: list[Element]) -> None:
        line = self._line_here()
        name = self._matched(_NAME, self._at + 1)[0]
        if name.endswith("/") and self._text.startswith(">", self._at):
            name, self._at = name[:-1], self._at - 1
        attributes = {}
        while found := _ATTRIBUTE.match(self._text, self._at):
            attributes[found[1]] = found[2][1:-1]
            self._at = found.end()
        end = _TAG_END.match(self._text, self._at)
        if end is None or not name:
            self._refuse(f"<{shown(name)} is no element: a `<` that means itself is written \\<")
            return
        self._at = end.end()
        element = Element(name, attributes, line)
        open_elements[-1].children.append(element)
        if not end[1]:
            open_elements.append(element)
            self._texts.append([])
            if len(open_elements) > MAX_DEPTH:
                self._refuse(f"elements are nested more than {MAX_DEPTH} deep")

    def _matched(self, pattern: re.Pattern[str], at: int) -> re.Match[str]:
        found = pattern.match(self._text, at)
        assert found is not None  # the pattern matches nothing, too
        self._at = found.end()
        return found

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = max(self._counted_to, self._at)
        return self._line

    def _refuse(self, fault: str) -> None:
        raise SettingsError(
            [f"{self._file}: line {self._line_here()}: {fault}; Wazuh does not read such a file either"]
        )


def shown(text: str, length: int = 80) -> str:
    """Return the beginning of a text, fit for a line on a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:length])
