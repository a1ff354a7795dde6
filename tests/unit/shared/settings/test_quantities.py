"""Durations, sizes and start times."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.settings.quantities import format_bytes, format_duration, parse_bytes, parse_duration, start_ms

NOW_MS = 1_800_000_000_000
LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "ms"),
    [("500ms", 500), ("0s", 0), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("7d", 604_800_000)],
)
def test_a_duration_is_a_whole_number_and_a_unit(text: str, ms: int) -> None:
    """Every unit that the documents name is read, in milliseconds."""
    assert ms == parse_duration(text)


@pytest.mark.parametrize(
    "text", ["", "30", "s", "1.5h", "-1s", " 30s", "30s\n", "30 s", "30S", "1w", "٣s", "1KiB", "9" * 5000 + "s"]
)
def test_what_is_no_duration_is_refused_with_what_one_is(text: str) -> None:
    """A number without a unit above all: nobody can know whether seconds were meant."""
    with pytest.raises(ValueError, match='a whole number and ms, s, m, h or d, such as "30s"'):
        parse_duration(text)


@pytest.mark.parametrize(
    ("size", "number"),
    [
        ("1000B", 1000),
        ("64KiB", 65_536),
        ("256MiB", 268_435_456),
        ("1GiB", 1_073_741_824),
        (1000, 1000),
        ("1000", 1000),
    ],
)
def test_a_size_is_a_whole_number_with_or_without_a_unit(size: str | int, number: int) -> None:
    """Sizes count in bytes where no unit says otherwise."""
    assert number == parse_bytes(size)


@pytest.mark.parametrize("size", ["", "1KB", "64kib", "1.5GiB", "-1", -1, "8589934592GiB", 2**63])
def test_what_is_no_size_is_refused_with_what_one_is(size: str | int) -> None:
    """KB means 1000 to some and 1024 to others, and Redis counts to 2^63 - 1."""
    with pytest.raises(ValueError, match='a whole number and B, KiB, MiB or GiB, such as "64KiB"'):
        parse_bytes(size)


@settings(deadline=None)
@given(st.integers(0, 10**17))
def test_a_duration_survives_being_written_and_read(ms: int) -> None:
    """Documents and `cwpipe settings` show what the file would have to say."""
    assert ms == parse_duration(format_duration(ms))


@settings(deadline=None)
@given(st.integers(0, 10**17))
def test_a_size_survives_being_written_and_read(size: int) -> None:
    """Documents and `cwpipe settings` show what the file would have to say."""
    assert size == parse_bytes(format_bytes(size))


def test_quantities_are_written_in_the_largest_unit_that_fits() -> None:
    """An operator reads "1d", not 86400000."""
    assert ["0s", "1500ms", "90s", "2h", "1d"] == [
        format_duration(ms) for ms in (0, 1500, 90_000, 7_200_000, 86_400_000)
    ]
    assert ["0B", "1000B", "64KiB", "1GiB"] == [format_bytes(size) for size in (0, 1000, 65_536, 1024**3)]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-01", 1_793_491_200_000),
        ("2026-11-01T00:00:00Z", 1_793_491_200_000),
        ("2026-11-01t00:00:00.123456789z", 1_793_491_200_123),
        ("2026-11-01 01:00:00+01:00", 1_793_491_200_000),
        ("2h", NOW_MS - 7_200_000),
        ("0s", NOW_MS),
        ("1960-01-01", 0),
        ("36500d", 0),
    ],
)
def test_a_start_time_is_a_date_a_time_or_an_age(text: str, ms: int) -> None:
    """Nothing begins before 1970: CloudWatch Logs has no such time."""
    assert ms == start_ms(text, NOW_MS)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "2026-W01", "20261101", "2026-11-01T00:00:00", "2026-11-01T25:00:00Z", "2"]
)
def test_what_is_no_start_time_is_refused_with_what_one_is(text: str) -> None:
    """A time without a zone is refused: it would mean another moment on another machine."""
    with pytest.raises(ValueError, match=r"a date .*, an RFC 3339 time with its zone .* or an age"):
        start_ms(text, NOW_MS)
