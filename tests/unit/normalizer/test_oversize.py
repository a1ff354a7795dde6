"""What becomes of an event that is too long for one datagram."""

import json
from typing import Any

import pytest

from services.normalizer.oversize import MAX_NAMED_BYTES, shorten, split
from services.normalizer.predecode import NOWHERE, find_object

MARGIN = MAX_NAMED_BYTES


def shortened(body: str, max_bytes: int) -> tuple[Any, list[str]]:
    """Return the object and the paths; every other expectation is that it fits."""
    result = shorten(body.encode(), max_bytes)
    assert result is not None
    assert sum(map(len, result)) <= max_bytes
    return json.loads(result[0]), json.loads(result[1])


def test_a_text_is_split_behind_markers() -> None:
    """Each part after the first says which event it belongs to, and where."""
    text = b"a" * 100 + b"b" * 67 + b"c"
    expected = [
        b"a" * 100,
        b"cwpipe part 2/3 of event 37: " + b"b" * 67,
        b"cwpipe part 3/3 of event 37: c",
    ]

    assert expected == split(text, 100, b"37")


@pytest.mark.parametrize("character", ["x", "\u00e9", "\u20ac", "\U0001f600"])
def test_no_part_is_too_long_and_none_cuts_a_character(character: str) -> None:
    """Whatever the number of parts, whose digits take room too."""
    text = character.encode() * 20_000
    parts = split(text, 101, b"37")

    assert max(map(len, parts)) <= 101
    assert text == parts[0] + b"".join(part.partition(b": ")[2] for part in parts[1:])
    assert all(part.decode() for part in parts)


def test_no_part_from_the_second_on_is_an_object_or_has_a_header() -> None:
    """analysisd looks for both at the beginning, where the marker is."""
    parts = split(b'{"integration":"aws"}' * 5_000, 1_000, b"37")

    assert {NOWHERE} == set(map(find_object, parts[1:]))


def test_the_longest_string_is_shortened_first() -> None:
    """The others keep every character while that suffices."""
    body = json.dumps({"a": "x" * 500, "b": "y" * 3_000, "n": 1})
    value, paths = shortened(body, 1_500 + MARGIN)

    assert ["b"] == paths
    assert "x" * 500 == value["a"]
    assert "y" * 900 in value["b"]
    assert value["b"].endswith("y\u2026")


def test_long_strings_come_down_to_one_length() -> None:
    """None is sacrificed for another of its length."""
    body = json.dumps({"a": "x" * 5_000, "b": ["y" * 4_000, {"c.d": "z" * 6_000}], "e": "short"})
    value, paths = shortened(body, 3_200 + MARGIN)

    assert ["a", "b.0", "b.1.c.d"] == paths
    assert len(value["a"]) == len(value["b"][0]) == len(value["b"][1]["c.d"]) > 1_000
    assert "short" == value["e"]


def test_keys_are_not_shortened() -> None:
    """Two of them might become one."""
    key = "k" * 400
    value, paths = shortened(json.dumps({key: "x" * 3_000, "b": {key: 1}}), 1_500 + MARGIN)

    assert [key, "b"] == list(value)
    assert [key[:128]] == paths


@pytest.mark.parametrize("unit", [r"\n", r"\"", r"\\", r"\u00e9", r"\ud83d\ude00", "\u20ac", "\U0001f600", r"x\u0000"])
@pytest.mark.parametrize("offset", range(12))
def test_no_string_is_cut_within_a_character(unit: str, offset: int) -> None:
    """An escape, or a pair of them, is one."""
    value, _ = shortened(f'{{"a":"{"x" * offset}{unit * 600}"}}', 500 + MARGIN)

    assert json.loads(f'"{"x" * offset}{unit * 600}"').startswith(value["a"].removesuffix("\u2026"))
    assert 470 - 12 < len(value["a"]) * len(unit.encode())


def test_an_object_whose_strings_do_not_suffice_cannot_keep_its_shape() -> None:
    """Numbers, keys and strings that are short already."""
    numbers = json.dumps({str(number): number for number in range(1_000)})
    strings = json.dumps(["x" * 31] * 1_000)

    assert shorten(numbers.encode(), 5_000) is None
    assert shorten(f'{{"a":{strings}}}'.encode(), 20_000) is None
    assert shorten(b'{"a":"' + b"x" * 90_000 + b'"}', 10) is None


def test_what_is_named_is_bounded_and_the_rest_counted() -> None:
    """An object may have thousands of strings."""
    body = json.dumps({f"key number {number}": "x" * 100 for number in range(1_000)})
    value, paths = shortened(body, 90_000)
    count = sum(string.endswith("\u2026") for string in value.values())

    assert 1_000 == count
    assert f"and {count - len(paths) + 1} more" == paths[-1]
    assert "key number 0" == paths[0]


def test_a_path_is_read_as_json_writes_it() -> None:
    """Keys with escapes, empty keys, lists in lists."""
    _, paths = shortened('{"\\u0061\\n":{"":[[1,"x"],[{},"%s"]]}}' % ("x" * 9_000), 4_000)

    assert ["a\n..1.1"] == paths
