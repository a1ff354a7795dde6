"""Values of the file -> values of the model."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Literal, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, inspect

from shared.settings.checks import check
from shared.settings.convert import Given, convert
from shared.settings.faults import Faults
from shared.settings.fields import tables
from shared.settings.model import Settings
from shared.settings.quantities import Bytes, Duration, StartTime


class Inner(Struct, frozen=True):
    """A table of every type there is."""

    number: Annotated[int, Meta(ge=1, le=9)] = 1
    flag: bool = False
    choice: Literal["a", "b"] = "a"
    text: Annotated[str, Meta(max_length=3, pattern="^x*$")] = ""
    loose: Annotated[str, Meta(pattern="y")] = "y"
    pause: Annotated[Duration, Meta(ge=1000)] = 1000
    size: Annotated[Bytes, Meta(ge=1024)] = 1024
    since: StartTime = ""
    rate: Annotated[float, Meta(ge=0, le=1)] = 0.5
    unforeseen: bytes = b""
    names: Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1)] = ("n",)


class Item(Struct, frozen=True):
    """A table of a list."""

    name: str


class Outer(Struct, frozen=True):
    """Two levels, and a list of tables."""

    inner: Inner = Inner()
    items: tuple[Item, ...] = ()


MODEL = cast("inspect.StructType", inspect.type_info(Outer))


def converted(raw: dict[str, object]) -> tuple[dict[str, object], Faults]:
    faults = Faults(Path("/f"))
    return convert(raw, faults, MODEL), faults


@pytest.mark.parametrize(
    ("key", "raw", "value"),
    [
        ("number", 9, 9),
        ("number", Given("9", "V"), 9),
        ("flag", True, True),
        ("flag", Given("true", "V"), True),
        ("choice", "b", "b"),
        ("text", "xx", "xx"),
        ("loose", "xyz", "xyz"),
        ("pause", "5m", 300_000),
        ("pause", Given("5m", "V"), 300_000),
        ("size", "64KiB", 65_536),
        ("size", 2048, 2048),
        ("size", Given("2048", "V"), 2048),
        ("since", "2h", "2h"),
        ("since", "", ""),
        ("since", date(2026, 11, 1), "2026-11-01"),
        ("since", datetime(2026, 11, 1, tzinfo=UTC), "2026-11-01T00:00:00+00:00"),
        ("rate", 0.25, 0.25),
        ("rate", 1, 1),
        ("rate", Given("0.25", "V"), 0.25),
        ("unforeseen", "left to msgspec", "left to msgspec"),
        ("names", ["a", "b"], ["a", "b"]),
    ],
)
def test_a_value_that_fits_is_taken(key: str, raw: object, value: object) -> None:
    """In the form of the file, of the environment, or as TOML's own date and time."""
    values, faults = converted({"inner": {key: raw}})

    assert [] == faults.lines
    assert value == cast("dict[str, object]", values["inner"])[key]


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("number", 0),
        ("number", 10),
        ("number", "5"),
        ("number", True),
        ("number", 5.0),
        ("number", Given("five", "V")),
        ("flag", 1),
        ("flag", Given("yes", "V")),
        ("choice", "A"),
        ("choice", ["a"]),
        ("text", "xxxx"),
        ("text", "y"),
        ("text", "x\n"),
        ("text", 3),
        ("loose", "x"),
        ("pause", 5000),
        ("pause", "5"),
        ("pause", "999ms"),
        ("size", 1),
        ("size", True),
        ("size", 2.5),
        ("rate", 1.01),
        ("rate", -0.1),
        ("rate", float("nan")),
        ("rate", True),
        ("rate", "0.5"),
        ("rate", Given("half", "V")),
        ("since", 3),
        ("since", datetime(2026, 11, 1)),  # noqa: DTZ001 - without a zone, which is the point
        ("since", time(10)),
        ("names", "a"),
        ("names", []),
        ("names", ["a", ""]),
        ("names", [["a"]]),
    ],
)
def test_a_value_that_does_not_fit_is_one_fault(key: str, raw: object) -> None:
    """It names the key, or the variable, and what is allowed."""
    _, faults = converted({"inner": {key: raw}})

    (line,) = faults.lines
    assert line.startswith("V = " if isinstance(raw, Given) else f"/f: inner.{key}")
    assert "must be" in line


def test_faulty_values_are_left_out_and_the_rest_goes_on() -> None:
    """So that checks between keys can still find the faults of others."""
    values, faults = converted({"inner": {"number": 0, "names": ["", "b"]}, "items": [{}, 3]})

    inner = cast("dict[str, object]", values["inner"])
    assert "number" not in inner
    assert "a" == inner["choice"]
    assert [UNSET, "b"] == inner["names"]
    assert [{}, UNSET] == values["items"]
    assert 4 == len(faults.lines)


def test_a_table_that_is_none_is_a_fault() -> None:
    """As are double brackets where there is one table, and single ones where there are many."""
    assert 2 == len(converted({"inner": 3, "items": {"name": "a"}})[1].lines)
    assert 1 == len(converted({"inner": [{}]})[1].lines)


SCALARS = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.dates(), st.datetimes(), st.times(),
    st.sampled_from(["production", "us-east-1", "30s", "redis://", "(", "2h"]),
)  # fmt: skip
NAMES = st.sampled_from([field.encode_name for _, table in tables() for field in table.fields])


def tables_of(values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(NAMES | st.text(max_size=3), values, max_size=6)


@settings(deadline=None)
@given(tables_of(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | tables_of(inner), max_leaves=8)))
def test_no_file_is_so_wrong_that_it_raises(raw: dict[str, object]) -> None:
    """Whatever TOML can say becomes settings that msgspec takes, or faults of one line each."""
    faults = Faults(Path("/f"))
    values = convert(raw, faults)
    check(values, faults)

    assert not [line for line in faults.lines if "\n" in line]
    if not faults.lines:
        msgspec.convert(values, Settings)


def test_every_key_has_an_origin() -> None:
    """Defaults included: `cwpipe settings` shows them all."""
    _, faults = converted({"inner": {"number": 2, "flag": Given("true", "V")}, "items": [{"name": "a"}]})

    assert "file /f" == faults.origins["inner.number"]
    assert "environment V" == faults.origins["inner.flag"]
    assert "default" == faults.origins["inner.choice"]
    assert "file /f" == faults.origins["items[0].name"]
