"""What a plan makes of settings and of what AWS says: calls a minute, shares of quotas, fetchers."""

import pytest

from services.operator.plan import calls as plan_calls
from services.operator.plan.calls import Rate
from services.operator.plan.found import Found, Look, PlannedGroup
from shared.aws.logs_api import FoundGroup
from shared.settings.model import Source

DAY_MS = 86_400_000


def source(**keys: object) -> Source:
    return Source(name="one", regions=("us-east-1",), log_groups=("/*",), **keys)  # type: ignore[arg-type]


def group(owner: Source, name: str = "/a", region: str = "us-east-1", **keys: object) -> PlannedGroup:
    found = FoundGroup(name=name, account_id="123456789012", log_class="STANDARD", created_ms=0)
    return PlannedGroup(found=found, region=region, source=owner, **keys)  # type: ignore[arg-type]


def test_a_quiet_group_costs_a_call_each_max_poll_interval_and_an_awake_one_each_poll_interval() -> None:
    """A max_poll_interval that is shorter means nothing."""
    assert (0.2, 2.0) == plan_calls.polls_a_minute(source(poll_interval=30_000, max_poll_interval=300_000))
    assert (1.0, 1.0) == plan_calls.polls_a_minute(source(poll_interval=60_000, max_poll_interval=1_000))


def test_what_comes_in_is_read_by_tail_and_sweep_and_by_as_many_deep_sweeps_as_there_are() -> None:
    """A day of sweep_window every six hours reads five times what comes in."""
    assert 7.0 == plan_calls.times_read(source(sweep_window=DAY_MS, sweep_interval=DAY_MS // 4))
    assert 2.0 == plan_calls.times_read(source(sweep_interval=0))
    assert 2.0 == plan_calls.times_read(source(late_window=DAY_MS, sweep_window=DAY_MS))


def test_pages_come_on_top_of_polls() -> None:
    """1,440 MiB a day is a page a minute, as often as it is read."""
    owner = source(sweep_interval=0)
    busy = group(owner, bytes_a_day=1440 * 1024**2)
    found = Found(
        groups={"k": busy}, looks=[Look(source=owner, region="us-east-1", account_id="123456789012", calls=3)]
    )

    assert {
        ("123456789012", "us-east-1", "DescribeLogGroups"): Rate(quiet=0.6, awake=0.6, quota=600),
        ("123456789012", "us-east-1", "FilterLogEvents"): Rate(quiet=2.2, awake=4.0, quota=1500),
    } == plan_calls.rates(found)


def test_groups_that_cannot_be_read_cost_nothing() -> None:
    """They are never polled."""
    found = Found(groups={"a": group(source(), readable=False), "b": group(source(), readable=None)})

    assert [2.0] == [rate.awake for rate in plan_calls.rates(found).values()]


def test_each_region_and_account_has_a_quota_of_its_own() -> None:
    """Two Regions are two shares."""
    found = Found(groups={"a": group(source()), "b": group(source(), region="eu-central-1")})

    assert [2 / 300, 2 / 1500] == pytest.approx([rate.share for rate in plan_calls.rates(found).values()])


def test_so_many_fetchers_as_it_takes_threads() -> None:
    """1,500 calls a minute of half a second each keep 12.5 threads busy; what is beyond the quota needs none."""
    place = ("1", "us-east-1", "FilterLogEvents")

    assert 2 == plan_calls.fetchers_wanted({place: Rate(quiet=1, awake=1500, quota=1500)}, 0.5, 8)
    assert 2 == plan_calls.fetchers_wanted({place: Rate(quiet=1, awake=9000, quota=1500)}, 0.5, 8)
    assert 1 == plan_calls.fetchers_wanted({}, 0.5, 8)


def test_half_of_a_quota_is_worth_a_word() -> None:
    """It says where, and what to change."""
    said = plan_calls.advice({("1", "ca-west-1", "FilterLogEvents"): Rate(quiet=1, awake=150, quota=300)})

    assert ["FilterLogEvents in ca-west-1, account 1: 50% of the quota"] == [line.partition(";")[0] for line in said]
    assert "poll_interval" in said[0]
    assert not plan_calls.advice({("1", "ca-west-1", "FilterLogEvents"): Rate(quiet=1, awake=149, quota=300)})
