"""How late events are, for the operator."""

import pytest

from services.fetcher import lateness
from shared.messages import Checkpoint

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
PERIOD_MS = 6 * HOUR_MS


def noted(checkpoint: Checkpoint, *late_ms: int, now_ms: int = NOW_MS) -> Checkpoint:
    return lateness.noted(checkpoint, late_ms, now_ms, PERIOD_MS)


def a_checkpoint() -> Checkpoint:
    return Checkpoint(watermark_ms=NOW_MS, swept_ms=NOW_MS, latest_since_ms=NOW_MS)


def test_it_is_the_longest_of_this_period_and_the_one_before() -> None:
    """A straggler is told of as long as a sweep finds others, and is forgotten afterwards."""
    checkpoint = noted(a_checkpoint(), 5000, 3 * HOUR_MS)
    found = [lateness.latest(checkpoint)]
    for periods in (1, 2, 3):
        checkpoint = noted(checkpoint, 1000, now_ms=NOW_MS + periods * PERIOD_MS)
        found.append(lateness.latest(checkpoint))

    assert [3 * HOUR_MS, 3 * HOUR_MS, 1000, 1000] == found


@pytest.mark.parametrize("late_ms", [-1, -2 * HOUR_MS, 15 * 24 * HOUR_MS, NOW_MS])
def test_what_cannot_be_late_is_not(late_ms: int) -> None:
    """A timestamp ahead of its time, or one that CloudWatch would not have taken."""
    assert 0 == lateness.latest(noted(a_checkpoint(), late_ms))


def test_a_clock_set_back_keeps_no_lateness_for_ever() -> None:
    checkpoint = noted(a_checkpoint(), HOUR_MS)
    for hours in (20, 13):
        checkpoint = noted(checkpoint, 1000, now_ms=NOW_MS - hours * HOUR_MS)

    assert 1000 == lateness.latest(checkpoint)
