"""What a setting may be, in words."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct, inspect

from shared.settings.fields import kind_of, tables
from shared.settings.quantities import Bytes, Duration, StartTime
from shared.settings.words import allowed, bounds, either


class Inner(Struct):
    """A table."""


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (bool, "true or false"),
        (int, "a whole number"),
        (Annotated[int, Meta(ge=1, le=256)], "a whole number, from 1 to 256"),
        (Annotated[int, Meta(gt=0, lt=10)], "a whole number, from 1 to 9"),
        (float, "a number"),
        (Annotated[float, Meta(ge=0, le=1)], "a number, from 0 to 1"),
        (Annotated[int, Meta(le=3)], "a whole number, at most 3"),
        (Annotated[Bytes, Meta(ge=0)], 'a size such as "64KiB", "256MiB" or "1GiB", at least 0B'),
        (
            Annotated[Duration, Meta(ge=1000, le=86_400_000)],
            'a duration such as "30s", "5m", "2h" or "7d", from 1s to 1d',
        ),
        (Literal["a", "b", "c"], '"a", "b" or "c"'),
        (str, "text"),
        (Annotated[str, Meta(min_length=1)], "text that is not empty"),
        (Annotated[str, Meta(max_length=9)], "text of 0 to 9 characters"),
        (Annotated[str, Meta(pattern="^x$")], "text that matches ^x$"),
        (Annotated[str, Meta(pattern="^x$", extra={"words": "an x"})], "an x"),
        (tuple[str, ...], "a list, each item text"),
        (Annotated[tuple[bool, ...], Meta(min_length=1)], "a list that is not empty, each item true or false"),
        (tuple[Inner, ...], "a list of tables, each headed by its name in [[double brackets]]"),
        (Inner, "a table, headed by its name in [brackets]"),
    ],
)
def test_a_type_says_what_is_allowed(annotation: object, expected: str) -> None:
    """The sentence of a fault follows from the model alone."""
    assert expected == allowed(kind_of(inspect.type_info(annotation)))


def test_the_brief_form_leaves_the_examples_to_the_heading() -> None:
    """In the documents, which explain quantities once."""
    kinds = [kind_of(inspect.type_info(info)) for info in (Annotated[Duration, Meta(ge=1000)], Bytes, StartTime)]

    assert ["a duration, at least 1s", "a size", "a date, a time or an age"] == [
        allowed(kind, brief=True) for kind in kinds
    ]


def test_every_pattern_of_the_model_has_words() -> None:
    """Nobody should have to read an expression to learn what a name may be.

    A new pattern gets them in the model: `Meta(pattern=..., extra={"words": "..."})`.
    """
    sentences = [allowed(kind_of(field.type)) for _, table in tables() for field in table.fields]

    assert [] == [sentence for sentence in sentences if "matches" in sentence]


def test_bounds_are_inclusive() -> None:
    """Whichever of the two ways the model states them in."""
    info = kind_of(inspect.type_info(Annotated[int, Meta(gt=0, lt=10)])).type

    assert isinstance(info, inspect.IntType)
    assert (1, 9) == bounds(info)


def test_choices_are_joined_like_a_sentence() -> None:
    """The last of them after an "or"."""
    assert ["a", "a or b", "a, b or c"] == [either(["a"]), either(["a", "b"]), either(["a", "b", "c"])]
