"""A plan as tables for people, or as one JSON object."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.operator import plan_calls
from services.operator.plan_calls import Rate
from services.operator.plan_groups import Found, PlannedGroup

#: Groups without a source that the text names; the JSON object has all of them.
SHOWN_UNMATCHED = 20
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


def show_text(plan: Plan) -> None:
    """Print tables on a terminal, the same without colours elsewhere."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(_groups_table(plan))
    console.print(_calls_table(plan))
    for line in _lines(plan):
        console.print(escape(_printable(line)), soft_wrap=True)


def _groups_table(plan: Plan) -> Table:
    table = Table(title="Log groups", title_justify="left", expand=False)
    for heading in ("log group", "region", "account", "source", "class", "kept", "readable", "MB a day"):
        table.add_column(heading, justify="right" if heading in {"kept", "MB a day"} else "left", overflow="fold")
    readable = {True: "yes", False: "NO", None: "not tried"}
    for group in plan.found.groups.values():
        others = f" (not {', '.join(group.others)})" if group.others else ""
        days = group.found.retention_days
        cells = [
            group.found.name,
            group.region,
            group.found.account_id,
            f"{group.source.name}{others}",
            group.found.log_class,
            f"{days} days" if days else "for ever",
            readable[group.readable],
            "?" if group.bytes_a_day is None else f"{group.bytes_a_day / 1e6:,.1f}",
        ]
        table.add_row(*(escape(_printable(cell)) for cell in cells))
    return table


def _calls_table(plan: Plan) -> Table:
    table = Table(title="Calls to AWS a minute", title_justify="left", expand=False)
    for heading in ("operation", "region", "account"):
        table.add_column(heading)
    for heading in ("while quiet", "at most", "quota", "share"):
        table.add_column(heading, justify="right")
    for (account, region, operation), rate in plan.calls.items():
        figures = (f"{rate.quiet:,.1f}", f"{rate.awake:,.1f}", f"{rate.quota:,.0f}", f"{rate.share:.1%}")
        table.add_row(operation, region, account or "not known", *figures)
    return table


def _lines(plan: Plan) -> list[str]:
    found = plan.found
    lines = [
        f"fetchers   {plan.fetchers} of {plan.threads} threads, at {plan.seconds_a_call * 1000:.0f} ms a call as seen just now"
    ]
    if plan.bytes_a_day is not None:
        lines.append(
            f"volume     {plan.bytes_a_day / 1e6:,.1f} MB come in a day; {(plan.read_a_day or 0) / 1e6:,.1f} MB are read, "
            "with what is read again for late events"
        )
    lines.append(f"cost       {COST}")
    lines += [
        f"twice      group {group.found.name}, region {group.region}: source {group.source.name} owns it, "
        f"{', '.join(group.others)} leave it alone"
        for group in found.groups.values()
        if group.others
    ]
    lines += [
        f"no source  {region} {name}, account {account}" for account, region, name in found.unmatched[:SHOWN_UNMATCHED]
    ]
    if len(found.unmatched) > SHOWN_UNMATCHED:
        lines.append(f"no source  {len(found.unmatched) - SHOWN_UNMATCHED} more groups: --json names them")
    lines += [f"advice     {line}" for line in plan.advice]
    lines += [f"note       {line}" for line in found.notes]
    return lines + [f"FAIL       {line}" for line in found.faults]


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
