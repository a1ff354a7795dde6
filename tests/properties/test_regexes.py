"""No text from outside keeps a regular expression of ours busy: each is found in the modules, and meets texts made against it.

A text is one that the expression nearly matches, with a piece of it repeated some thousand times: what takes a time that
grows with the square of the length, or faster, takes far longer than is allowed here.
"""

import importlib
import pkgutil
import re
import time
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

import services
import shared
from services.normalizer.rules import Rules
from shared.settings.model import Source

ROOT = Path(__file__).parents[2]

#: Of processor time, for one search of one text. The longest seen takes a hundredth of it.
MOST_SECONDS = 2.0
LENGTH = 20_000
TEXTS = 24
_PIECES = (" ", "a", "0", "\\", '"', "[", "<a ", ":", "-", "1.", "a-", "\\u", "=")


def _expressions() -> dict[str, re.Pattern[Any]]:
    found: dict[str, re.Pattern[Any]] = {}
    for package in (services, shared):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and ".demo" not in module.name:
                for name, value in vars(importlib.import_module(module.name)).items():
                    for number, pattern in enumerate(_patterns(value)):
                        found[f"{module.name}.{name}.{number}"] = pattern
    return found


def _patterns(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _patterns(one)
    elif isinstance(value, dict):
        yield from _patterns(tuple(value.values()))


EXPRESSIONS = _expressions()


def test_the_expressions_are_found() -> None:
    """The list is made from the modules."""
    modules = {name.rpartition(".")[0].rpartition(".")[0] for name in EXPRESSIONS}

    assert {"services.normalizer.predecode", "services.operator.import_ossec.xml", "shared.aws.denials"} <= modules


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_no_text_keeps_an_expression_busy(name: str) -> None:
    """Log lines come from anybody, and one that takes minutes stops the others."""
    expression = EXPRESSIONS[name]
    uses = _uses(name)
    for text in _against(expression):
        for use in uses:
            began = time.thread_time()
            _use(expression, use, text)
            assert time.thread_time() - began < MOST_SECONDS, (use, text[:100])


def _uses(name: str) -> set[str]:
    """Return how the code uses an expression; at the start of a text, where that cannot be seen."""
    module, variable, _ = name.rsplit(".", 2)
    sources = [Path(str(importlib.import_module(module).__file__)).read_text()]
    if not variable.startswith("_"):
        sources += [path.read_text() for path in (ROOT / module.split(".")[0]).rglob("*.py")]
    uses = {
        use for text in sources for use in re.findall(rf"\b{variable}\.(match|search|fullmatch|sub|finditer)\b", text)
    }
    return uses or {"match"}


def _use(expression: re.Pattern[Any], use: str, text: Any) -> None:
    if use == "sub":
        expression.sub(type(text)(), text)
    elif use == "finditer":
        deque(expression.finditer(text), maxlen=0)
    else:
        getattr(expression, use)(text)


def _against(expression: re.Pattern[Any]) -> list[Any]:
    """Return texts, or bytes, that nearly match, with a piece of them repeated."""
    nearly: list[Any] = []

    @settings(
        max_examples=TEXTS,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.from_regex(re.compile(expression.pattern, expression.flags & ~re.IGNORECASE)))
    def collect(text: Any) -> None:
        nearly.append(text)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(InvalidArgument):  # Hypothesis makes no half of a surrogate pair
            collect()
    nearly += [expression.pattern[:0]] * (TEXTS - len(nearly))
    random = Random(repr(expression.pattern))
    return [_pumped(text, random) for text in nearly]


def _pumped(text: Any, random: Random) -> Any:
    pieces = [piece.encode() if isinstance(text, bytes) else piece for piece in _PIECES]
    if text:
        start = random.randrange(len(text))
        pieces += [text[start : start + random.randint(1, 12)] for _ in range(len(pieces))]
    piece = random.choice(pieces)
    place = random.randrange(len(text) + 1)
    return text[:place] + piece * (LENGTH // len(piece)) + ("\x00\n" if isinstance(text, str) else b"\x00\n")


@given(
    st.text(max_size=60)
    | st.sampled_from(['{"a":' * 3_000, '{"a":[' + "[" * 3_000, '{"a":"\\ud800"}', "{" + '"a":1,' * 999])
)
def test_any_message_is_kept_or_discarded(message: str) -> None:
    """A rule about a field looks into what is, or is not, JSON."""
    rules = Rules(Source(name="s", regions=("us-east-1",), log_groups=("*",), discard_regex="^x", discard_field="a.b"))

    assert rules.keep(message) in {True, False}
