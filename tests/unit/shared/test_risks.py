"""What is about to go wrong with a group, said in time."""

from typing import Any

import pytest

from shared.books import GroupState
from shared.messages import GroupRef
from shared.risks import by_kind, enough, expiring, late, pointless, risks, silent
from shared.settings.model import Source
from shared.settings.quantities import parse_duration

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def a_state(**changes: Any) -> GroupState:
    usual: dict[str, Any] = {
        "group": GroupRef(account_id="1", region="eu-west-1", log_group="/app"),
        "source": "production",
        "unread_ms": NOW_MS,
        "late_window_ms": 900_000,
        "sweep_window_ms": DAY_MS,
        "retention_days": 7,
    }
    return GroupState(**(usual | changes))


def test_a_group_that_does_well_is_at_no_risk() -> None:
    assert [] == risks(a_state(lateness_ms=900_000), NOW_MS)


def test_events_later_than_the_late_window_name_the_one_to_set() -> None:
    text = late(a_state(lateness_ms=3 * HOUR_MS))

    assert "up to 3.0 h after their timestamp, late_window is 15m: such events are found by a deep sweep only" in text
    assert 'set late_window = "4h" for source production' in text
    assert "not looked for" in late(a_state(lateness_ms=3 * HOUR_MS, sweep_window_ms=0))


@pytest.mark.parametrize(
    ("late", "advised"), [("15m", "16m"), ("59m", "1h"), ("61m", "2h"), ("5h", "6h"), ("14d", "14d")]
)
def test_the_one_to_set_is_enough_and_allowed(late: str, advised: str) -> None:
    assert parse_duration(advised) == enough(parse_duration(late))


@pytest.mark.parametrize(
    ("lag_ms", "said"),
    [
        (DAY_MS * 7 // 2 - 1, ""),
        (DAY_MS * 7 // 2, "in 84 hours"),
        (7 * DAY_MS - HOUR_MS, "in 1 hours"),
        (7 * DAY_MS - 1, "in less than an hour"),
        (8 * DAY_MS, "not read yet now"),
    ],
)
def test_a_lag_of_half_the_retention_is_said_with_the_hours_left(lag_ms: int, said: str) -> None:
    text = expiring(a_state(unread_ms=NOW_MS - lag_ms), NOW_MS)

    assert said in text
    assert bool(said) == bool(text)


@pytest.mark.parametrize("changes", [{"retention_days": 0}, {"unread_ms": 0}, {"gone": True}])
def test_nothing_is_about_to_be_deleted_where_nobody_says_so(changes: dict[str, int]) -> None:
    """No retention; a first read that has found nothing yet; a group that is gone."""
    assert [] == risks(a_state(**({"unread_ms": NOW_MS - 90 * DAY_MS} | changes)), NOW_MS)


@pytest.mark.parametrize(
    ("late_window", "sweep_window", "sweep_interval", "days", "said"),
    [
        (900_000, DAY_MS, HOUR_MS, 1, ""),
        (900_000, 14 * DAY_MS, HOUR_MS, 0, ""),
        (900_000, 14 * DAY_MS, 0, 3, ""),
        (900_000, 14 * DAY_MS, HOUR_MS, 3, "sweep_window 14d: more than the 3 days"),
        (5 * DAY_MS, 14 * DAY_MS, HOUR_MS, 3, "late_window 5d and sweep_window 14d: more than the 3 days"),
    ],
)
def test_looking_further_back_than_events_are_kept_is_pointless(
    late_window: int, sweep_window: int, sweep_interval: int, days: int, said: str
) -> None:
    source = Source(
        name="s",
        regions=("eu-west-1",),
        log_groups=("/app",),
        late_window=late_window,
        sweep_window=sweep_window,
        sweep_interval=sweep_interval,
    )

    assert pointless(source, days).startswith(said)
    assert bool(said) == bool(pointless(source, days))


def test_a_group_that_is_silent_for_too_long_is_said_where_its_source_wants_to_know() -> None:
    """Many groups are quiet by nature: nobody is told unasked."""
    quiet = {"came_ms": NOW_MS - 2 * HOUR_MS}

    assert "nothing new has come for 2h or longer" in silent(a_state(**quiet, silent_after_ms=2 * HOUR_MS), NOW_MS)
    assert "" == silent(a_state(**quiet, silent_after_ms=2 * HOUR_MS + 1), NOW_MS)
    assert "" == silent(a_state(**quiet), NOW_MS)
    assert "" == silent(a_state(silent_after_ms=1), NOW_MS)


def test_each_risk_has_a_word_that_rules_can_wait_for() -> None:
    assert {"late", "expiring", "silent"} == set(by_kind(a_state(), NOW_MS))
