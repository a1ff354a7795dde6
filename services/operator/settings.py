"""`cwpipe settings`: what is in force, and where each value came from."""

from itertools import groupby
from typing import TextIO

from shared.settings.fields import entries
from shared.settings.load import Loaded
from shared.settings.written import shown

#: A longer value pushes its own comment to the right, not everybody's.
_WIDEST = 48


def show(loaded: Loaded, stream: TextIO) -> None:
    """Print every setting as the file would have it, secrets masked, with its origin as a comment."""
    rows = [(key, shown(key, value, quantity)) for key, value, quantity in entries(loaded.settings)]
    key_width = max(len(_name(key)) for key, _ in rows)
    width = max(len(text) for _, text in rows if len(text) <= _WIDEST)
    for table, members in groupby(rows, key=lambda row: _table(row[0])):
        if table:
            print(f"\n{_heading(table)}", file=stream)
        for key, text in members:
            print(f"{_name(key):{key_width}} = {text:{width}}   # {loaded.origins[key]}", file=stream)


def _name(key: str) -> str:
    return key.rpartition(".")[2]


def _table(key: str) -> str:
    return key.rpartition(".")[0]


def _heading(table: str) -> str:
    name, is_item, _ = table.partition("[")
    return f"[[{name}]]" if is_item else f"[{name}]"
