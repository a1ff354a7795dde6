"""Which events a source keeps."""

import pytest

from services.normalizer.rules import Rules
from shared.errors import SettingsError
from tests.unit.normalizer.factories import a_source


def keeps(message: str, **rules: str) -> bool:
    return Rules(a_source(**rules)).keep(message)


def test_a_source_without_rules_keeps_everything() -> None:
    """And can say so, to spare the look at every event."""
    assert keeps("anything")
    assert not Rules(a_source()).exist
    assert Rules(a_source(keep_regex="x")).exist
    assert Rules(a_source(discard_regex="x")).exist


@pytest.mark.parametrize(
    ("expected", "message"), [(False, "GET /health 200"), (False, "/health"), (True, "GET /healt"), (True, "")]
)
def test_what_the_discard_rule_finds_is_discarded(expected: bool, message: str) -> None:
    """Anywhere in the message."""
    assert expected is keeps(message, discard_regex="/health")


@pytest.mark.parametrize(
    ("expected", "message"), [(True, "an ERROR here"), (False, "all is well"), (True, "line\nERROR"), (False, "")]
)
def test_only_what_the_keep_rule_finds_is_kept(expected: bool, message: str) -> None:
    """Anywhere in the message."""
    assert expected is keeps(message, keep_regex="ERROR")


def test_an_event_must_pass_both_rules() -> None:
    """To keep is not to be safe from being discarded."""
    assert not keeps("ERROR /health", keep_regex="ERROR", discard_regex="/health")
    assert keeps("ERROR", keep_regex="ERROR", discard_regex="/health")


@pytest.mark.parametrize(
    "message",
    [
        '{"a":{"b":"DEBUG"}}',
        ' \n{"a": {"b" : "x DEBUG y"}}',
        '{"a.b":"DEBUG"}',
        '{"a":{"\\u0062":"D\\u0045BUG"}}',
        '{"a":[{"c":1},{"b":"DEBUG"}]}',
        '{"a":{"b":["INFO","DEBUG"]}}',
    ],
)
def test_a_discard_rule_with_a_field_looks_at_its_value(message: str) -> None:
    """At the end of a dotted path, through lists, in whatever spelling."""
    assert not keeps(message, discard_regex="DEBUG", discard_field="a.b")


@pytest.mark.parametrize(
    "message",
    [
        '{"a":{"b":"INFO"},"c":"DEBUG"}',
        '{"a":"DEBUG"}',
        '{"a":{"b":{"c":1}},"b":"DEBUG"}',
        '{"b":"DEBUG"}',
        '["DEBUG"]',
        '[{"a":{"b":"DEBUG"}}]',
        "DEBUG",
        "",
        '{"a":{"b":"DEBUG"}',
        '{"a":{"b":"DEBUG\ud800"}}',
        '{"a":' * 5_000,
        '{"a":' + "[" * 5_000 + "]" * 5_000 + "}",
    ],
)
def test_an_event_without_the_field_is_kept(message: str) -> None:
    """Text, other objects, and what is no JSON."""
    assert keeps(message, discard_regex="DEBUG", discard_field="a.b")


@pytest.mark.parametrize(
    ("regex", "value"),
    [
        ("^404$", "404"),
        (r"^1\.50$", "1.50"),
        ("^true$", "true"),
        ("^null$", "null"),
        ("^12345678901234567890$", "12345678901234567890"),
    ],
)
def test_other_values_are_looked_at_as_json_text(regex: str, value: str) -> None:
    """Digit by digit as they were logged."""
    assert not keeps(f'{{"status": {value} }}', discard_regex=regex, discard_field="status")


def test_a_regular_expression_that_is_none_is_a_fault_of_the_settings() -> None:
    """It names the source and the key."""
    with pytest.raises(SettingsError, match=r"source production: keep_regex: missing"):
        Rules(a_source(keep_regex="(", discard_regex="x"))
