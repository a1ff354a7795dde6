"""When a group is looked at again."""

from itertools import pairwise

import pytest

from services.fetcher.polling import FEW_GROUPS, JITTER, Cost, Pace, first_delay
from shared.settings.model import Source


def a_source(poll_interval: int = 30_000, max_poll_interval: int = 300_000) -> Source:
    return Source(
        name="s",
        regions=("eu-west-1",),
        log_groups=("*",),
        poll_interval=poll_interval,
        max_poll_interval=max_poll_interval,
    )


def looks(pace: Pace, start: float, seconds: float) -> list[float]:
    """Return when a group that stays quiet is looked at, each round lasting no time."""
    times, now = [], start
    while now < start + seconds:
        pace.begin(now)
        times.append(now)
        now += pace.end(now, brought_new=False)
    return times


def test_a_group_that_stays_quiet_is_looked_at_less_and_less_up_to_the_longest_time() -> None:
    """The calls of a day: a tenth of those of a fixed interval."""
    times = looks(Pace(a_source(), 0.0), 0.0, 86_400)
    gaps = [later - earlier for earlier, later in pairwise(times)]

    assert gaps[0] <= 30
    assert all(30 * (1 - JITTER) <= gap <= 300 for gap in gaps)
    assert all(gap >= 300 * (1 - JITTER) for gap in gaps[-100:])
    assert len(times) < 86_400 / 30 / 8


def test_it_is_looked_at_within_a_quarter_of_the_time_for_which_nothing_came() -> None:
    """So what begins again after a minute's silence is not waited for longer than after an hour's."""
    times = looks(Pace(a_source(poll_interval=1000), 0.0), 0.0, 600)

    assert all(later - earlier <= max(1.0, earlier / 4) for earlier, later in pairwise(times))


def test_whatever_comes_brings_back_the_shortest_time() -> None:
    """At once, not step by step."""
    pace = Pace(a_source(), 0.0)
    end = looks(pace, 0.0, 10_000)[-1] + 300
    pace.begin(end)

    assert 30 * (1 - JITTER) <= pace.end(end, brought_new=True) <= 30


def test_a_round_that_took_longer_than_the_interval_is_followed_at_once() -> None:
    """There is a backlog of its own making."""
    pace = Pace(a_source(), 0.0)
    pace.begin(100.0)
    pace.begin(120.0)  # the same round goes on

    assert 0.0 == pace.end(131.0, brought_new=True)


def test_a_deep_sweep_under_way_is_gone_on_with_soon_and_is_no_news() -> None:
    """It may take hundreds of rounds; when it is over, the group is as quiet as before."""
    pace = Pace(a_source(), 0.0)
    pace.begin(5_000.0)
    sweeping = pace.end(5_000.0, brought_new=False, is_sweeping=True)
    pace.begin(5_030.0)

    assert 27 <= sweeping <= 30
    assert 270 <= pace.end(5_030.0, brought_new=False) <= 300


def test_a_longest_time_below_the_shortest_means_the_shortest() -> None:
    """Two settings that contradict each other."""
    pace = Pace(a_source(60_000, 30_000), 0.0)
    pace.begin(5_000.0)

    assert 54 <= pace.end(5_000.0, brought_new=False) <= 60


def test_groups_that_begin_together_do_not_stay_together() -> None:
    """A thousand due at one moment would be a herd."""
    delays = set()
    for _ in range(100):
        pace = Pace(a_source(), 0.0)
        pace.begin(0.0)
        delays.add(round(pace.end(0.0, brought_new=True), 3))

    assert len(delays) > 50


def test_few_groups_begin_at_once_and_many_spread_over_the_interval() -> None:
    """An operator who tries it out waits for nothing."""
    spread = [first_delay(a_source(), FEW_GROUPS + 1) for _ in range(200)]

    assert 0.0 == first_delay(a_source(), FEW_GROUPS)
    assert 0 <= min(spread) < 10
    assert 20 < max(spread) <= 30
    assert first_delay(a_source(86_400_000, 86_400_000), 1_000) <= 60


def test_what_a_group_costs_follows_what_it_cost_lately() -> None:
    """Within a quarter of an hour, up and down."""
    cost, calls_a_minute = Cost(0.0), 0.0
    for second in range(900):
        calls_a_minute = cost.add(1, float(second))

    assert calls_a_minute == pytest.approx(60, rel=0.1)
    assert cost.add(0, 1_800.0) < 5
