"""A plan, and the same as one JSON object."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from services.operator.plan import calls as plan_calls
from services.operator.plan.calls import Rate
from services.operator.plan.found import Found, PlannedGroup

COST = (
    "AWS lists no price for FilterLogEvents and Describe calls. What leaves AWS for a host elsewhere is data transfer, at "
    "your rate."
)


class Plan(Struct, frozen=True, kw_only=True):
    """What was found out about the settings."""

    found: Found
    calls: Mapping[plan_calls.Place, Rate]
    fetchers: int
    threads: int
    seconds_a_call: float
    advice: Sequence[str]

    @property
    def bytes_a_day(self) -> float | None:
        """Return what comes in a day in all groups whose volume is known; None if none is."""
        known = [group.bytes_a_day for group in self.found.groups.values() if group.bytes_a_day is not None]
        return sum(known) if known else None

    @property
    def read_a_day(self) -> float | None:
        """Return the bytes that AWS sends a day for that, with those read again."""
        known = [
            group.bytes_a_day * plan_calls.times_read(group.source)
            for group in plan_calls.readable(self.found.groups.values())
            if group.bytes_a_day is not None
        ]
        return sum(known) if known else None


def show_json(plan: Plan) -> None:
    """Print one JSON object."""
    print(json.dumps(as_json(plan)))


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain data."""
    return {
        "groups": [_group_json(group) for group in plan.found.groups.values()],
        "unmatched": [
            {"account_id": account, "region": region, "log_group": name}
            for account, region, name in plan.found.unmatched
        ],
        "calls": [
            {
                "account_id": account,
                "region": region,
                "operation": operation,
                "per_minute_quiet": round(rate.quiet, 3),
                "per_minute": round(rate.awake, 3),
                "quota_per_minute": rate.quota,
                "share": round(rate.share, 4),
            }
            for (account, region, operation), rate in plan.calls.items()
        ],
        "fetchers": plan.fetchers,
        "fetch_threads": plan.threads,
        "seconds_a_call": round(plan.seconds_a_call, 3),
        "bytes_a_day": plan.bytes_a_day,
        "bytes_read_a_day": plan.read_a_day,
        "cost": COST,
        "advice": list(plan.advice),
        "notes": plan.found.notes,
        "faults": plan.found.faults,
    }


def _group_json(group: PlannedGroup) -> dict[str, Any]:
    quiet, awake = plan_calls.polls_a_minute(group.source) if group.readable is not False else (0.0, 0.0)
    return {
        "log_group": group.found.name,
        "account_id": group.found.account_id,
        "region": group.region,
        "source": group.source.name,
        "other_sources": group.others,
        "class": group.found.log_class,
        "retention_days": group.found.retention_days or None,
        "readable": group.readable,
        "why": group.why,
        "polls_per_minute_quiet": round(quiet, 3),
        "polls_per_minute": round(awake, 3),
        "bytes_a_day": group.bytes_a_day,
    }
