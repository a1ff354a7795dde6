"""How a value is written."""

import tomllib
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.settings.written import key_part, shortened, shown, written


@pytest.mark.parametrize(
    ("value", "quantity", "expected"),
    [
        (True, "", "true"),
        (8, "", "8"),
        (30_000, "duration", '"30s"'),
        (65_536, "bytes", '"64KiB"'),
        ("info", "", '"info"'),
        (r"\d+", "", r"'\d+'"),
        (r"it's \d", "", r'"it' + r"'s \\d" + '"'),
        (("a", "b"), "", '["a", "b"]'),
        (date(2026, 11, 1), "", "2026-11-01"),
        (datetime(2026, 11, 1, tzinfo=UTC), "", "2026-11-01T00:00:00+00:00"),
        ({"a": 1}, "", "a table"),
    ],
)
def test_a_value_is_written_as_in_the_file(value: object, quantity: str, expected: str) -> None:
    """In its own unit, and expressions without doubled backslashes where that can be."""
    assert expected == written(value, quantity)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_toml_reads_back_every_text(text: str) -> None:
    """What `cwpipe settings` prints can be put into a file."""
    assert {"a": text} == tomllib.loads(f"a = {written(text)}")


def test_nothing_reaches_a_terminal_as_a_control_character() -> None:
    """Neither escape sequences nor bytes of the environment that are no text, which could not be printed at all."""
    assert r'"\u001b[31m\u009b\udcff"' == written("\x1b[31m\x9b\udcff")


def test_secrets_are_masked_wherever_they_stand() -> None:
    """In lists, and where a secret has the wrong type."""
    assert '["redis://a:***@b", "c"]' == shown("redis_url", ["redis://a:secret@b", "c"])
    assert '"***"' == shown("sources[0].external_id", 12345)


def test_a_long_value_loses_its_middle() -> None:
    """A fault stays a line that can be read."""
    assert "short" == shortened("short")
    assert 200 > len(shortened("x" * 10_000))


def test_a_key_is_quoted_where_toml_asks_for_it() -> None:
    """A key may be any text, and a fault is one line."""
    assert ["log_groups", r'"a b\n"'] == [key_part("log_groups"), key_part("a b\n")]
