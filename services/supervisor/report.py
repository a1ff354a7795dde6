"""What `run --once` shows: while it runs, a progress bar on a terminal; at the end a table, plain lines, or JSON."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TextIO

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from shared.books import Account, GroupState

Books = Mapping[str, tuple[GroupState, Account]]

#: Entries of the books, and what they are called in the heading of a table.
_COLUMNS = {
    "fetched": "fetched",
    "delivered": "delivered",
    "duplicates": "read before",
    "discarded": "discarded",
    "dead_lettered": "dead letters",
}


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The line that `--json` ends with: events and calls of this run alone."""

    fetched: int
    """Read from AWS, duplicates included."""
    delivered: int
    dead_lettered: int
    duplicates_suppressed: int
    api_calls: int
    seconds: float


class ProgressBar:
    """Delivered events against those that are to be delivered, on standard error. Log lines, ours too, pass above it."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._rest = b""
        self._own_log = open(self.write_end, "w", buffering=1, closefd=False)  # noqa: SIM115 - closed by __exit__
        self._diverted: list[logging.StreamHandler[TextIO]] = []
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("events"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("reading", total=None)

    def __enter__(self) -> "ProgressBar":
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
                handler.setStream(self._own_log)
                self._diverted.append(handler)
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pass_on()
        if self._rest:
            self._say(self._rest)
        self._progress.stop()
        for handler in self._diverted:
            handler.setStream(sys.stderr)
        self._own_log.close()
        os.close(self._read_end)
        os.close(self.write_end)

    def show(self, account: Account, *, reading: bool) -> None:
        """Show how far it is. While reading goes on, the total is what is known so far."""
        self._progress.update(
            self._task,
            description="reading and delivering" if reading else "delivering",
            completed=account.delivered,
            total=account.fetched - account.duplicates - account.discarded - account.dead_lettered or None,
        )
        self.pass_on()

    def pass_on(self) -> None:
        """Write what the roles logged."""
        try:
            self._rest += os.read(self._read_end, 1 << 20)
        except BlockingIOError:
            return
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            self._say(line)

    def _say(self, line: bytes) -> None:
        self._progress.console.out(line.decode(errors="replace"), highlight=False)


def difference(before: Books, after: Books) -> list[tuple[GroupState, Account]]:
    """Return what each group's books gained, the groups in order of region and name."""
    nothing = Account()
    rows = [
        (state, account - (before[key][1] if key in before else nothing)) for key, (state, account) in after.items()
    ]
    return sorted(rows, key=lambda row: (row[0].group.region, row[0].group.log_group))


def show_json(summary: Summary, out: TextIO = sys.stdout) -> None:
    """Write the summary as one JSON line."""
    print(json.dumps(msgspec.structs.asdict(summary)), file=out, flush=True)


def show_table(rows: list[tuple[GroupState, Account]], summary: Summary, out: TextIO = sys.stdout) -> None:
    """Write what became of the events, by group: a table on a terminal, else a line a group."""
    total = sum((account for _, account in rows), Account())
    if rows and out.isatty():
        Console(file=out, markup=False).print(_table(rows, total))
    else:
        for state, account in rows:
            print(f"{state.group.region}  {state.group.log_group}  {_words(account)}", file=out)
    balance = "the books balance" if not total.in_flight else f"{total.in_flight} events are still on their way"
    print(
        f"{_words(total)}; {summary.api_calls} calls to AWS, {summary.seconds:.1f} s; {balance}", file=out, flush=True
    )


def _words(account: Account) -> str:
    parts = [
        (account.fetched, "fetched"),
        (account.delivered, "delivered"),
        (account.duplicates, "read before"),
        (account.discarded, "discarded by rule"),
        (account.dead_lettered, "dead letters"),
    ]
    return ", ".join(f"{count} {what}" for count, what in parts if count or what in ("fetched", "delivered"))


def _table(rows: list[tuple[GroupState, Account]], total: Account) -> Table:
    """Return the table, without the columns that would be all 0: names of groups are long, and terminals narrow."""
    table = Table(show_footer=True)
    table.add_column("region", footer="total")
    table.add_column("log group", overflow="fold")
    entries = [name for name in _COLUMNS if getattr(total, name) or name in ("fetched", "delivered")]
    for name in entries:
        table.add_column(_COLUMNS[name], justify="right", footer=f"{getattr(total, name):,}")
    for state, account in rows:
        counts = (f"{getattr(account, name):,}" for name in entries)
        table.add_row(state.group.region, state.group.log_group, *counts)
    return table
