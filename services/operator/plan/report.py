"""A plan as tables for people."""

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.operator.plan.json import COST, Plan

#: Groups without a source that the text names; the JSON object has all of them.
SHOWN_UNMATCHED = 20


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
