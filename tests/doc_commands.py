"""Documents as tests see them: fenced blocks, the commands in them, and what they are said to print."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: What stands behind this line of a document needs something that no test has.
NOT_RUN = "<!-- not run by the tests: from here on -->"
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:\A|(?<=\n\n))((?:    [^\n]*\n?|\n(?=    ))+)")
_PROMPT = re.compile(r"^\$ ")


@dataclass
class Step:
    """A block of commands, and the lines it prints; none: nobody says what."""

    script: str
    printed: list[str]

    def is_shown_by(self, output: str) -> bool:
        """Tell whether the lines are there, in this order: numbers may differ, `...` stands for anything."""
        lines = iter(_plain(line) for line in output.splitlines())
        return all(any(_pattern(shown).search(line) for line in lines) for shown in self.printed)


def documents() -> list[Path]:
    """Return the documents of docs/ and those that stand elsewhere."""
    root = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/wazuh/README.md", "tests/benchmarks/README.md")
    return [*(ROOT / name for name in root), *sorted((ROOT / "docs").rglob("*.md"))]


def steps(text: str) -> list[Step]:
    """Return the blocks of `sh` up to NOT_RUN, each with the block of `text` that follows it at once."""
    found: list[Step] = []
    end_of_last = -1
    run, _, _ = text.partition(NOT_RUN)
    for block in _FENCE.finditer(run):
        if block[1] == "sh":
            found.append(Step(block[2], []))
            end_of_last = block.end()
        elif block[1] == "text" and not run[end_of_last : block.start()].strip():
            found[-1].printed = block[2].splitlines()
    return found


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command line of a document: of blocks of `sh`, of indented ones, of `code` in the text."""
    for line in _lines(text):
        yield from _words(_PROMPT.sub("", line.strip()))


def _lines(text: str) -> Iterator[str]:
    prose = text
    for block in _FENCE.finditer(text):
        prose = prose.replace(block[0], "")
        if block[1] in ("sh", "console"):
            yield from _unfolded(block[2])
    for block in _INDENTED.finditer(prose):
        yield from _unfolded(block[1])
        prose = prose.replace(block[1], "")
    for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose):
        yield " ".join(code.split())


def _unfolded(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


def _words(line: str) -> Iterator[list[str]]:
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:  # a quotation that goes on in the next line: no command of ours
        return
    command: list[str] = []
    for word in [*words, ";"]:
        if set(word) <= set("|&;()"):
            if command:
                yield command
            command = []
        else:
            command.append(word)


def _plain(line: str) -> str:
    return " ".join(re.sub(r"\d[\d,.]*", "0", line).split())


def _pattern(shown: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part.strip()) for part in _plain(shown).split("...")))
