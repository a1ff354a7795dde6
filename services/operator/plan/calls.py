"""What reading takes of AWS's quotas, and of fetchers. Pure.

A group that is quiet costs a call a poll, between poll_interval and max_poll_interval. What comes in is read in pages of a
megabyte: by the tail, again by the sweep when it is late_window old, and again by each deep sweep while it lasts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from services.operator.plan.found import Found, PlannedGroup
from shared.aws.quotas import quota
from shared.settings.model import Source

PAGE_BYTES = 1024**2
MINUTE_MS = 60_000
DAY_MINUTES = 1440
#: Of a quota. Others use it too, and a backlog has to be caught up with in what is left.
HIGH_SHARE = 0.5

Place = tuple[str, str, str]
"""Account, Region, operation: what a quota is kept by."""


class Rate(Struct, frozen=True, kw_only=True):
    """Calls of one operation in one account and Region, a minute."""

    quiet: float
    """While nothing comes: max_poll_interval is reached."""
    awake: float
    """While every group has something new, or had lately: poll_interval holds; with the pages of what is known to come."""
    quota: float

    @property
    def share(self) -> float:
        """Return the part of the quota that the busier of both takes, 1.0 for all."""
        return self.awake / self.quota


def polls_a_minute(source: Source) -> tuple[float, float]:
    """Return the calls a minute that one group costs while it is quiet for long, and while it is awake."""
    return MINUTE_MS / max(source.poll_interval, source.max_poll_interval), MINUTE_MS / source.poll_interval


def times_read(source: Source) -> float:
    """Return how often each byte is read: by the tail, by the sweep, and by deep sweeps."""
    if not source.sweep_interval or source.sweep_window <= source.late_window:
        return 2.0
    return 2.0 + (source.sweep_window + source.sweep_interval) / source.sweep_interval


def pages_a_minute(group: PlannedGroup) -> float:
    """Return the pages a minute that what comes in fills, as often as it is read; 0 where that is not known."""
    return (group.bytes_a_day or 0.0) / PAGE_BYTES / DAY_MINUTES * times_read(group.source)


def rates(found: Found) -> dict[Place, Rate]:
    """Return the calls a minute of each operation in each account and Region."""
    quiet: dict[Place, float] = {}
    awake: dict[Place, float] = {}

    def add(place: Place, least: float, most: float) -> None:
        quiet[place] = quiet.get(place, 0.0) + least
        awake[place] = awake.get(place, 0.0) + most

    for look in found.looks:
        calls = look.calls * MINUTE_MS / look.source.discovery_interval
        add((look.account_id, look.region, "DescribeLogGroups"), calls, calls)
    for group in readable(found.groups.values()):
        least, most = polls_a_minute(group.source)
        pages = pages_a_minute(group)
        add((group.found.account_id, group.region, "FilterLogEvents"), least + pages, most + pages)
    return {
        place: Rate(quiet=quiet[place], awake=awake[place], quota=quota(place[2], place[1]) * 60)
        for place in sorted(quiet)
    }


def readable(groups: Iterable[PlannedGroup]) -> list[PlannedGroup]:
    """Return the groups that are read: all but those known not to be readable."""
    return [group for group in groups if group.readable is not False]


def fetchers_wanted(calls: Mapping[Place, Rate], seconds_a_call: float, threads: int) -> int:
    """Return how many fetchers of so many threads keep up, when a call takes so long as those that were just made."""
    a_second = sum(min(rate.awake, rate.quota) for rate in calls.values()) / 60
    return max(1, math.ceil(a_second * seconds_a_call / threads))


def advice(calls: Mapping[Place, Rate]) -> Sequence[str]:
    """Return what is to be done where a quota is too small for these settings."""
    lines = []
    for (account, region, operation), rate in calls.items():
        if rate.share >= HIGH_SHARE:
            setting = "poll_interval and max_poll_interval" if operation == "FilterLogEvents" else "discovery_interval"
            lines.append(
                f"{operation} in {region}, account {account or 'not known'}: {rate.share:.0%} of the quota; "
                f"make {setting} longer, or read fewer groups: nothing is lost, but it comes late"
            )
    return lines
