"""Lines as the decoders know them."""

import pytest

from services.normalizer.restore.lines import restored

SSHD = b"Jan  1 00:00:00 web1 sshd[2]: Invalid user oracle"


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        (SSHD, b"2026-01-01T00:00:00Z web1 sshd[2]: Invalid user oracle"),
        (SSHD, b"2026-01-01T00:00:00.123456Z web1 sshd[2]: Invalid user oracle"),
        (SSHD, b"2026-01-01T00:00:00.123456789+01:00 web1 sshd[2]: Invalid user oracle"),
        (SSHD, b"2026-01-01T00:00:00 web1 sshd[2]: Invalid user oracle"),
        (SSHD, b"<38>Jan  1 00:00:00 web1 sshd[2]: Invalid user oracle"),
        (SSHD, b"<38>1 2026-01-01T00:00:00.1Z web1 sshd 2 - - Invalid user oracle"),
        (SSHD, b'<38>1 2026-01-01T00:00:00+00:00 web1 sshd 2 ID47 [a@1 b="c\\]"][d] \xef\xbb\xbfInvalid user oracle'),
        (b"Dec 31 23:59:59 h cron: x", b"<1>1 2026-12-31T23:59:59Z h cron - - - x"),
        (SSHD, b"2026-01-01T00:00:00.123456789Z stderr F " + SSHD),
        (SSHD, b"2026-01-01T00:00:00.1+00:00 stdout P 2026-01-01T00:00:00Z web1 sshd[2]: Invalid user oracle"),
        (SSHD, b"\x1b[1;31m" + SSHD[:20] + b"\x1b[0m" + SSHD[20:] + b"\x1b[K"),
    ],
)
def test_a_header_that_is_misread_is_written_anew(expected: bytes, line: bytes) -> None:
    """The time is kept as it was written; a header has no place for its zone and fraction."""
    assert expected == restored(line)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        SSHD,
        b"2026-01-01T00:00:00+00:00 web1 sshd[2]: Invalid user oracle",
        b"2026-01-01T00:00:00.123456+00:00 web1 sshd[2]: Invalid user oracle",
        b"2026-01-01T00:00:00.000Z 2a555ffa-cadd-0040-d38d-cd82ec365d95 Task timed out after 3.00 seconds",
        b"2026-01-01T00:00:00.000Z\t2a555ffa\tERROR\tInvoke Error",
        b"2026-13-01T00:00:00Z web1 sshd[2]: month",
        b"2026-01-01T00:00:00Z we:b1 sshd[2]: host",
        b"<38>1 2026-13-01T00:00:00Z h app - - - month",
        b"<html>",
        b"\x1b no colour",
    ],
)
def test_any_other_line_stays(line: bytes) -> None:
    """Not a byte of it is touched."""
    assert line == restored(line)


@pytest.mark.parametrize(
    "line", [b"\x1b[" * 500_000, b"<1>1 2026-01-01T00:00:00Z h a - - " + b"[\\" * 500_000, b"\x1b[0" * 300_000]
)
def test_a_line_of_a_megabyte_takes_no_time(line: bytes) -> None:
    """The time limit is the test's own."""
    assert len(restored(line)) <= len(line)
