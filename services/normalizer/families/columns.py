"""Lines of columns between spaces, of which some are in quotes or brackets."""

import re

#: No log of AWS has as many columns.
MAX_COLUMNS = 64

_COLUMN = re.compile(r'(?:"([^"]*)"|\[([^\]]*)\]|([^ ]+))(?: |\Z)')


def columns_of(log: bytes) -> list[str]:
    """Return the columns of the line `log`, valid UTF-8; empty if it is not made of columns, or of too many."""
    line = log.decode()
    columns: list[str] = []
    place = 0
    while place < len(line):
        column = _COLUMN.match(line, place)
        if not column or len(columns) == MAX_COLUMNS:
            return []
        columns.append(column[column.lastindex or 0])
        place = column.end()
    return columns


def named(names: tuple[str, ...], columns: list[str]) -> dict[str, str]:
    """Return columns by name; those that a later version of a format may add are one member, `other`."""
    record = dict(zip(names, columns, strict=False))
    if len(columns) > len(names):
        record["other"] = " ".join(columns[len(names) :])
    return record
