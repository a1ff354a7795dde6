"""The whole screen of `status --watch`: as many lines as fit, the worst first, and nothing that moves without cause."""

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct
from rich.text import Text

from services.operator.status import flow, table
from services.operator.status.figures import age, some
from services.operator.status.picture import Picture
from services.operator.status.rates import Rates
from services.operator.status.render import balance
from services.operator.status.text import fitted, line, right
from services.operator.status.trouble import Judged
from shared.visible import visible

#: From so many lines on there is room for empty ones.
ROOMY_LINES = 22


class View(Struct, frozen=True, kw_only=True):
    """What is to be shown, and where."""

    picture: Picture
    rates: Rates
    groups: Sequence[Judged]
    taken: float
    """When the picture was taken, in seconds since 1970."""
    interval: float
    width: int
    height: int
    away: str = ""
    """Why there is no newer picture; empty: there will be."""
    away_seconds: float = 0.0
    charts: bool = True
    """Whether the terminal can show the characters of a chart."""


def screen(view: View) -> list[Text]:
    """Return the lines of the screen, at most `view.height` of at most `view.width` cells."""
    empty = [Text()] if view.height >= ROOMY_LINES else []
    head = [_title(view), _verdict(view), *empty]
    head += flow.lines(view.picture, view.rates, view.width, charts=view.charts)
    head += [*empty, _kept(view), *empty]
    room = view.height - len(head)
    return (head + list(table.lines(view.groups, view.rates, view.width, room)))[: view.height]


def _title(view: View) -> Text:
    clock = datetime.fromtimestamp(view.taken, UTC).strftime("%H:%M:%S UTC")
    rest = f"{clock}, every {view.interval:g} s   q quits"
    name = "cwpipe status" if view.width >= 40 else "cwpipe"
    return line(view.width, (name, "bold"), (right(rest, max(0, view.width - len(name))), "dim"))


def _verdict(view: View) -> Text:
    if view.away:
        said = f"NO NEWS FROM REDIS for {age(view.away_seconds)}: {visible(view.away)}"
        return line(view.width, (fitted(said, view.width), "bold red"))
    parts: list[str | tuple[str, str]] = []
    wrong = sum(not one.is_well for one in view.groups)
    if wrong:
        parts += [(f"{some(wrong, 'groups')} of {len(view.groups):,} in trouble", "bold yellow"), ", "]
    said = balance(view.picture.status).removeprefix("balance   ")
    parts.append((said, "bold red") if said.startswith("DIFFERENCE") else said)
    return line(view.width, *parts)


def _kept(view: View) -> Text:
    """Return what was put aside, and as many of the totals as fit."""
    status = view.picture.status
    letters = some(status.dead_letters, "dead letters")
    parts: list[str | tuple[str, str]] = [(letters, "yellow") if status.dead_letters else (letters, "dim")]
    room = view.width - len(letters)
    for said in (
        f", {some(status.kept_originals, 'originals')} kept",
        f", {status.total.discarded:,} discarded",
        f", {status.total.delivered:,} delivered so far",
    ):
        room -= len(said)
        parts += [(said, "dim")] if room >= 0 else []
    return line(view.width, *parts)
