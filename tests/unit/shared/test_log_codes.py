"""The list of log lines, held to the calls in the code and to the document made of it."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.forwarder.reasons import reason
from shared import receiver
from shared.log_codes import LIBRARY, LINES, OTHER, REASONS
from shared.log_document import MARKDOWN, logs_markdown

ROOT = Path(__file__).parents[3]
_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log", "msg", "warn", "fatal"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield where each call of a logger is, and the call."""
    for path in sorted(file for folder in ("services", "shared") for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=method)) if method in _METHODS:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def said() -> Iterator[tuple[str, str, str]]:
    """Yield where each line is said, its level, and its text; a text that is not written there is empty."""
    for where, call in calls():
        assert isinstance(call.func, ast.Attribute)
        first = call.args[0] if call.args else None
        text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
        yield where, {"exception": "error"}.get(call.func.attr, call.func.attr), text


def test_every_line_that_is_said_is_listed_with_its_level() -> None:
    """A line without a code, or one that is put together where it is said, could not be waited for."""
    listed = {(line.level, line.event) for line in LINES}
    assert 50 < sum(1 for _ in said())
    assert [] == [(where, level, text) for where, level, text in said() if (level, text) not in listed]


def test_every_listed_line_is_said_somewhere() -> None:
    """An operator who reads of it would wait in vain."""
    texts = {text for _, _, text in said()}
    assert [] == [line.event for line in LINES if line.event not in texts]


def test_no_other_logger_is_used() -> None:
    """The two tests above look at what is called `log`."""
    made = re.compile(r"^(\w+)(?:: \w+)? = structlog\.get_logger\(", re.MULTILINE)
    names = Counter(
        name
        for folder in ("services", "shared")
        for file in (ROOT / folder).rglob("*.py")
        for name in made.findall(file.read_text())
    )
    assert {"log"} == set(names)


def test_codes_are_one_for_each_line_and_of_one_form() -> None:
    """Words of letters, joined by hyphens."""
    codes = [line.code for line in LINES] + [LIBRARY, OTHER]
    assert [] == [code for code, times in Counter(codes).items() if times > 1]
    assert [] == [code for code in codes if not re.fullmatch(r"[a-z]+(-[a-z]+)*", code)]
    assert len(LINES) == len({line.event for line in LINES})


def test_a_line_that_asks_for_a_hand_says_for_which() -> None:
    """Level error means that somebody has to do something."""
    assert [] == [line.code for line in LINES if line.level == "error" and line.action == "Nothing."]


def test_fields_that_a_line_is_counted_by_are_given_where_it_is_said() -> None:
    """By a field that is not there, all would be one."""
    by_event = {line.event: line.counted_by for line in LINES}
    for where, call in calls():
        assert isinstance(call.args[0], ast.Constant)
        given = {keyword.arg for keyword in call.keywords}
        assert set(by_event[str(call.args[0].value)] or ()) <= given, where


def test_the_document_is_not_stale() -> None:
    """`make docs` writes it anew."""
    assert logs_markdown() == MARKDOWN.read_text(encoding="utf-8")


def _sentences() -> Iterator[str]:
    """Yield what the forwarder may say of its receiver, as it is written there."""
    for file in (ROOT / "services/forwarder").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="SinkBusy" | "SinkUnavailable"), args=[ast.JoinedStr() as sentence]):
                    yield ast.unparse(sentence)
    for number in (2, 13, 88, 91, 111):
        yield receiver.explain("/q", OSError(number, "what"))


def test_every_sentence_about_the_receiver_has_its_reason() -> None:
    """A new one would be `other`, of which no machine knows what to make."""
    found = {sentence: reason(sentence) for sentence in _sentences()}
    assert 12 < len(found)
    assert [] == [sentence for sentence, word in found.items() if word == "other"]
    assert set(found.values()) <= set(REASONS)


@pytest.mark.parametrize(
    ("why", "word"),
    [
        ("there is no socket at /q: start Wazuh, or correct wazuh.queue_socket", "no-socket"),
        ("the receiver at /q is full: its own queues have no room for more", "full"),
        ("the receiver's statistics cannot be had, so nothing is sent: there is no socket at /s", "no-statistics"),
        ("the agent at /q is not connected to its manager", "agent-disconnected"),
        ("the agent at /q has 400 events in its buffer, which it has to send on first", "agent-full"),
        ("the moon is in the way", "other"),
    ],
)
def test_a_reason_is_a_word_for_machines(why: str, word: str) -> None:
    """It stays when the sentence is improved."""
    assert word == reason(why)
    assert word in REASONS
