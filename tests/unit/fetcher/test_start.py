"""Where the reading of a new group begins."""

import pytest

from services.fetcher.start import start_of
from shared.aws.logs_api import FoundGroup
from shared.settings.model import Source

MIDNIGHT_MS = 1_800_057_600_000
HOUR_MS = 3_600_000
LATE_MS = 60_000


def start(only_logs_after: str = "", *, created_ms: int = 0, first_start_ms: int = MIDNIGHT_MS + 9 * HOUR_MS) -> int:
    source = Source(
        name="s", regions=("r",), log_groups=("/app",), only_logs_after=only_logs_after, late_window=LATE_MS
    )
    group = FoundGroup(name="/app", account_id="1", log_class="STANDARD", created_ms=created_ms)
    return start_of(source, group, first_start_ms, MIDNIGHT_MS + 50 * HOUR_MS)


@pytest.mark.parametrize("first_start_ms", [MIDNIGHT_MS, MIDNIGHT_MS + 9 * HOUR_MS, MIDNIGHT_MS + 24 * HOUR_MS - 1])
@pytest.mark.parametrize("created_ms", [0, MIDNIGHT_MS - HOUR_MS, MIDNIGHT_MS])
def test_a_group_of_before_is_read_from_the_day_of_the_first_start(first_start_ms: int, created_ms: int) -> None:
    """In UTC; also when it is found days later, because a source was added."""
    assert MIDNIGHT_MS == start(created_ms=created_ms, first_start_ms=first_start_ms)


def test_a_group_made_later_is_read_from_a_late_window_before() -> None:
    """An application collects events, and then makes the group that it sends them to."""
    created_ms = MIDNIGHT_MS + 30 * HOUR_MS

    assert created_ms - LATE_MS == start(created_ms=created_ms)


@pytest.mark.parametrize(
    ("only_logs_after", "start_ms"),
    [
        ("2027-01-15", MIDNIGHT_MS - 24 * HOUR_MS),
        ("2h", MIDNIGHT_MS + 48 * HOUR_MS),
        ("2027-01-16T01:00:00+01:00", MIDNIGHT_MS),
    ],
)
def test_what_the_settings_say_goes_before_both(only_logs_after: str, start_ms: int) -> None:
    """An age is counted from the first sight of the group."""
    assert start_ms == start(only_logs_after, created_ms=MIDNIGHT_MS + 30 * HOUR_MS)
