"""Text as analysisd can take it."""

import pytest

from services.normalizer.text import clean, cut, fit, visible


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (b"line", "line"),
        (b"line", "line\n"),
        (b"line", "line\r\n\0\n"),
        (b" a\n b ", " a\n b "),
        (b"", ""),
        (b"", "\n\n"),
        ("a\u2400b".encode(), "a\0b\0"),
        ("a\ufffdb".encode(), "a\ud800b"),
        ("\ufffd\u2400\ufffd".encode(), "\udc00\0\ud800\n"),
        ("\u00e9\u20ac\U0001f600".encode(), "\u00e9\u20ac\U0001f600"),
    ],
)
def test_a_message_loses_its_end_of_line_and_nothing_else(expected: bytes, message: str) -> None:
    """analysisd would end an event at a NUL, and give a trailing newline to its last field."""
    assert expected == clean(message)


def test_what_cannot_be_sent_stays_visible() -> None:
    """A character in its place, not a gap."""
    assert "\u2400\ufffd\ufffdx" == visible("\0\ud800\udfffx")


@pytest.mark.parametrize(
    ("expected", "max_bytes"), [(0, 0), (1, 1), (1, 2), (3, 3), (3, 4), (3, 5), (6, 6), (6, 9), (10, 10), (10, 99)]
)
def test_text_is_cut_between_characters(expected: int, max_bytes: int) -> None:
    """One, two, three and four bytes long."""
    assert expected == cut("a\u00e9\u20ac\U0001f600".encode(), max_bytes)


def test_a_name_that_fits_is_left_alone() -> None:
    """To the last byte."""
    assert "\u00e9\u00e9" == fit("\u00e9\u00e9", 4)


def test_long_names_stay_distinct() -> None:
    """They may differ only in what is cut off."""
    one, other = fit("x" * 100 + "1", 40), fit("x" * 100 + "2", 40)

    assert one != other
    assert 40 == len(one) == len(other)
    assert one.startswith("x" * 27 + "~")
    assert fit("x" * 100 + "1", 40) == one
