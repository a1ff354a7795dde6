"""docs/operations.md is found by what an operator reads on the screen: so it quotes what cwpipe says, to the letter."""

import re
from collections.abc import Iterator

from tests.doc_commands import ROOT

GUIDE = (ROOT / "docs/operations.md").read_text()
#: Redis's own words, and the kernel's.
FOREIGN = {"No space left on device", "No such file", "OOM command not allowed"}
COMMANDS = ("cwpipe ", "docker ", "kubectl ", "journalctl ", "aws ")
#: Where a message is put together of what stands in the source at several places: numbers, paths, labels.
JOINTS = re.compile(
    r"\.\.\.|\b[NM]\b|\d[\d.]*(?: h\b|m\b)?|/[\w/]+|[\[\]]|at risk: |cwpipe: |, receiver|late_window is"
)


def test_what_the_guide_quotes_is_what_cwpipe_says() -> None:
    """A message that was reworded is not found by those who search for it."""
    sources = (path.read_text() for part in ("services", "shared") for path in (ROOT / part).rglob("*.py"))
    said = " ".join(re.sub(r'"\s*\n\s*f?"', "", source) for source in sources)

    assert [] == [quote for quote in quotes() if quote not in said]
    assert len(list(quotes())) > 20


def test_the_guide_has_what_goes_wrong_beside_the_alerts() -> None:
    """By the anchors that others link to."""
    wanted = (
        *("Exit codes", "The disk of Redis is full", "Redis is lost", "Redis came back from a copy", "Memory"),
        *("The clock is wrong", "Wrong permissions on the socket", "Wazuh is restarted or upgraded"),
        *(
            "A group was deleted and made again",
            "Duplicates are seen",
            "Events are missing",
            "Nothing arrives in Wazuh",
        ),
    )

    assert [] == [heading for heading in wanted if f"\n## {heading}\n" not in GUIDE]


def quotes() -> Iterator[str]:
    """Yield the pieces of messages that the guide quotes, of two words or more."""
    for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", GUIDE):
        text = " ".join(code.split())
        if len(text.split()) < 3 or text.startswith(COMMANDS):
            continue
        for piece in JOINTS.split(text):
            words = piece.strip(" ,:()")
            if len(words.split()) > 1 and words not in FOREIGN and words != "at level processed":
                yield words
