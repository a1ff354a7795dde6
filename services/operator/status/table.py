"""The table of groups: the worst first, each with what is wrong, as many as fit."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from msgspec import Struct
from rich.text import Text

from services.operator.status.figures import age, rate
from services.operator.status.rates import Rates
from services.operator.status.text import fitted, line, named, right
from services.operator.status.trouble import Judged, Word
from shared.visible import visible

_STYLES: dict[Word, str] = {
    **dict.fromkeys(("fault", "expiring"), "bold red"),
    **dict.fromkeys(("behind", "silent", "late", "gone"), "yellow"),
    **dict.fromkeys(("reading", "well"), ""),
}


class _Columns(Struct, frozen=True):
    """Widths in cells, with the space before them; 0: not shown."""

    group: int
    region: int
    read: int
    waiting: int
    fetched: int
    delivered: int


_STATE = 9
#: What is wrong takes no more lines than this, and one where there are few.
WHY_LINES, ROOMY = 3, 16


def lines(groups: Sequence[Judged], rates: Rates, width: int, room: int) -> Iterator[Text]:
    """Yield at most `room` lines: headings, groups, and in the last how many there are besides."""
    if room < 2:
        return
    columns = _columns(width)
    yield _headings(columns, width)
    room -= 1
    shown = _fitting(groups, room, width - _STATE)
    for judged, why in shown:
        yield _row(judged, rates, columns, width)
        for part in why:
            yield line(width, " " * _STATE, (part, _STYLES[judged.word].replace("bold ", "")))
    left = groups[len(shown) :]
    if left:
        wrong = sum(not one.is_well for one in left)
        said = f"and {len(left):,} more" + (f", {wrong:,} of them in trouble" if wrong else "")
        yield line(width, " " * _STATE, (said, "dim"))
    elif not groups:
        yield line(width, ("no group was found so far", "dim"))


def _fitting(groups: Sequence[Judged], room: int, width: int) -> list[tuple[Judged, list[str]]]:
    """Return the groups for which there is room, each with lines that say what is wrong, where there is room for them."""
    shown: list[tuple[Judged, list[str]]] = []
    lines_each, said = WHY_LINES if room >= ROOMY else 1, ""
    for number, judged in enumerate(groups):
        last = 0 if number == len(groups) - 1 else 1  # a line says how many more there are
        if room - last < 1:
            break
        why = _wrapped(judged.why, width, min(lines_each, room - last - 1)) if judged.why != said else []
        said = judged.why
        shown.append((judged, why))
        room -= 1 + len(why)
    return shown


def _wrapped(text: str, width: int, most: int) -> list[str]:
    """Return `text` as at most `most` lines, the last cut where there is more of it."""
    if most < 1:
        return []
    parts = wrap(visible(text), max(10, width), break_on_hyphens=False)
    parts[most - 1 :] = [" ".join(parts[most - 1 :])] if parts[most - 1 :] else []
    return [fitted(part, max(0, width)) for part in parts]


def _columns(width: int) -> _Columns:
    region = 17 if width >= 100 else 0
    fetched = 11 if width >= 76 else 0
    read, waiting, delivered = 11, 10, 11
    group = max(4, width - _STATE - region - read - waiting - fetched - delivered)
    return _Columns(group, region, read, waiting, fetched, delivered)


def _headings(columns: _Columns, width: int) -> Text:
    cells = [fitted("state", _STATE), fitted("log group", columns.group)]
    cells += [fitted("  region", columns.region), right("read up to", columns.read), right("waiting", columns.waiting)]
    cells += [right("fetched", columns.fetched), right("delivered", columns.delivered)]
    return line(width, ("".join(cells), "dim"))


def _row(judged: Judged, rates: Rates, columns: _Columns, width: int) -> Text:
    group = judged.group
    read = "never" if group.read_seconds_ago is None else f"{age(group.read_seconds_ago)} ago"
    fetched, delivered = rates.groups.get((group.account_id, group.region, group.log_group), (None, None))
    return line(
        width,
        (fitted(judged.word, _STATE), _STYLES[judged.word]),
        (named(group.log_group, columns.group), "bold" if not judged.is_well else ""),
        fitted("  " + visible(group.region), columns.region) if columns.region else "",
        right(read, columns.read),
        right(f"{group.books.in_flight:,} ev", columns.waiting),
        right(f"{rate(fetched)} ev/s", columns.fetched) if columns.fetched else "",
        right(f"{rate(delivered)} ev/s", columns.delivered),
    )
