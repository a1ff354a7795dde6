"""What `run --once` shows."""

import io
import json
import logging
import os
import re

import pytest

from services.supervisor import report
from services.supervisor.report import ProgressBar, Summary
from shared.books import Account, GroupState
from shared.messages import GroupRef


class TerminalIO(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def state(name: str, region: str = "eu-west-1") -> GroupState:
    return GroupState(group=GroupRef(account_id="123456789012", region=region, log_group=name), source="production")


ROWS = [
    (state("/app/[bold]"), Account(fetched=1_200, delivered=1_000, duplicates=200)),
    (state("/app/b"), Account(fetched=7, delivered=4, discarded=2, dead_lettered=1)),
]
SUMMARY = Summary(
    fetched=1_207, delivered=1_004, dead_lettered=1, duplicates_suppressed=200, api_calls=9, seconds=1.234
)


def shown(rows: list[tuple[GroupState, Account]], out: io.StringIO) -> list[str]:
    report.show_table(rows, SUMMARY, out)
    return out.getvalue().splitlines()


def test_a_run_is_what_the_books_gained() -> None:
    """They hold all runs since the first; groups that are new count whole, and the order is that of region and name."""
    before = {"b": (state("b"), Account(fetched=10, delivered=10))}
    after = {
        "b": (state("b"), Account(fetched=15, delivered=14, duplicates=1)),
        "c": (state("a", "us-east-1"), Account(fetched=1, delivered=1)),
        "a": (state("a"), Account(fetched=2)),
    }
    gained = report.difference(before, after)
    assert [("eu-west-1", "a"), ("eu-west-1", "b"), ("us-east-1", "a")] == [
        (row.group.region, row.group.log_group) for row, _ in gained
    ]
    assert [Account(fetched=2), Account(fetched=5, delivered=4, duplicates=1), Account(fetched=1, delivered=1)] == [
        account for _, account in gained
    ]


def test_json_is_one_line_with_the_documented_keys_in_their_order() -> None:
    """The contract with scripts."""
    out = io.StringIO()
    report.show_json(SUMMARY, out)
    line, end = out.getvalue().split("\n")
    assert "" == end
    assert ["fetched", "delivered", "dead_lettered", "duplicates_suppressed", "api_calls", "seconds"] == list(
        json.loads(line)
    )


def test_a_pipe_gets_a_line_for_each_group_and_one_for_all() -> None:
    """Counts that are 0 are left out, except what was fetched and delivered."""
    assert [
        "eu-west-1  /app/[bold]  1200 fetched, 1000 delivered, 200 read before",
        "eu-west-1  /app/b  7 fetched, 4 delivered, 2 discarded by rule, 1 dead letters",
        "1207 fetched, 1004 delivered, 200 read before, 2 discarded by rule, 1 dead letters; 9 calls to AWS, 1.2 s; "
        "the books balance",
    ] == shown(ROWS, io.StringIO())


def cells(lines: list[str]) -> list[list[str]]:
    plain = (re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines)
    return [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in plain if re.search("[│┃]", line)]


def test_a_terminal_gets_a_table_with_a_total(monkeypatch: pytest.MonkeyPatch) -> None:
    """With names as they are: a group may be called like a mark-up."""
    monkeypatch.setenv("COLUMNS", "120")
    assert [
        ["region", "log group", "fetched", "delivered", "read before", "discarded", "dead letters"],
        ["eu-west-1", "/app/[bold]", "1,200", "1,000", "200", "0", "0"],
        ["eu-west-1", "/app/b", "7", "4", "0", "2", "1"],
        ["total", "", "1,207", "1,004", "200", "2", "1"],
    ] == cells(shown(ROWS, TerminalIO()))


def test_a_table_spares_columns_that_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In most runs nothing was discarded and nothing is dead; a narrow terminal needs the room for the names."""
    monkeypatch.setenv("COLUMNS", "80")
    name = "/aws/lambda/production-orders-handler"
    assert ["eu-west-1", name, "7", "7"] in cells(shown([(state(name), Account(fetched=7, delivered=7))], TerminalIO()))


def test_without_any_group_there_is_no_empty_table() -> None:
    """A run that was stopped at once, or found nothing, has one line to say."""
    assert 1 == len(shown([], TerminalIO()))


def test_books_that_do_not_balance_are_not_called_balanced() -> None:
    """After an interruption some events are still queued."""
    assert shown([(state("a"), Account(fetched=5, delivered=2))], io.StringIO())[-1].endswith(
        "; 3 events are still on their way"
    )


def test_log_lines_pass_above_the_bar_and_none_is_lost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the roles, through the pipe; our own; and one without its end, of a role that was killed."""
    log = logging.getLogger("test_report")
    handler = logging.StreamHandler()
    original = handler.stream
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])  # others' may write to what was closed since
    with ProgressBar() as bar:
        os.write(bar.write_end, b"[bold]of a role\n")
        bar.show(Account(fetched=10, delivered=5), reading=True)
        log.warning("of our own")
        os.write(bar.write_end, b"and cut o")
    said = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert ["[bold]of a role", "of our own", "and cut o"] == [line for line in said if line and "event" not in line]
    assert original is handler.stream
