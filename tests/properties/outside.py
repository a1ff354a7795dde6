"""Bytes from outside, as an attacker or an accident makes them: random ones, and good ones with something wrong in them."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

#: What breaks parsers: depth, numbers beyond all bounds, text that is none, names that come twice, ends that come early.
_PIECES = (
    *(b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800", b"\\u0000", b"\x1b[2J", b"\n", b"\r\n", b"'"),
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"=", b"<", b">", b"null", b"true", b"{}", b"[]", b'""', b"-1"),
    *(b"[" * 3_000, b'{"a":' * 3_000, b"9" * 5_000, b"1" * 30, b"1e999", b"1e308", b"-1e308", b"NaN", b"Infinity"),
    *(b"18446744073709551616", b"9223372036854775808", b"1.5", b"x" * 3_000),
)


def _spoiled(good: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, piece in edits:
        start = place % (len(good) + 1)
        good = good[:start] + piece + good[start + length :]
    return good


def spoiled(*samples: bytes) -> SearchStrategy[bytes]:
    """Return random bytes, and `samples` with a few pieces cut out or put in."""
    edits = st.lists(
        st.tuples(st.integers(0, 5_000), st.integers(0, 12), st.sampled_from(_PIECES) | st.binary(max_size=6)),
        max_size=4,
    )
    return st.binary(max_size=200) | st.builds(_spoiled, st.sampled_from(samples), edits)


def with_number(*samples: bytes) -> SearchStrategy[bytes]:
    """Return `samples` with one number, or more, replaced by another or by what is none."""
    values = st.sampled_from(_PIECES) | st.integers().map(lambda number: str(number).encode())
    return st.builds(_renumbered, st.sampled_from(samples), st.lists(st.tuples(st.integers(0, 99), values), max_size=3))


def _renumbered(good: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    import re

    for which, value in changes:
        numbers = list(re.finditer(rb"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", good))
        if numbers:
            number = numbers[which % len(numbers)]
            good = good[: number.start()] + value + good[number.end() :]
    return good
