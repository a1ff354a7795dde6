"""`cwpipe backfill`, as somebody asks for it beside the service."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.standins.cloudwatch_contents import Paging
from tests.system.command import Done, child
from tests.system.host import Host, numbered, soon

OLD = numbered(900, "old")
LIVE = numbered(200, "live")


@pytest.fixture(scope="module")
def busy(shared_host: Host) -> Iterator[Host]:
    """A host on which the service runs and has delivered all there is of the last hour; before it, there is more."""
    host = shared_host
    host.configure("/app/*", only_logs_after='"1h"', poll_interval='"1s"')
    host.put("/app/shop", OLD, age_seconds=10 * 3_600)
    host.put("/app/shop", LIVE, age_seconds=600)
    host.put("/app/quiet", LIVE[:1], age_seconds=600)
    run = host.start()
    host.wait_delivered("/app/shop", LIVE)
    host.wait_delivered("/app/quiet", LIVE[:1])
    soon(lambda: not host.status()["in_flight"], "all confirmed")
    yield host
    assert 0 == run.end().exit_code


def backfill(host: Host, *arguments: str) -> Done:
    return host.shell.run("backfill", *arguments, "--config", host.config, "--data-dir", host.data_dir)


def ask(host: Host, *options: str, group: str = "/app/shop", begin: str = "12h", end: str = "0s") -> Done:
    return backfill(host, "--group", group, "--from", begin, "--to", end, *options)


def listed(host: Host) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(backfill(host, "list", "--json").out)
    return found


def id_of(done: Done) -> str:
    assert (0, "") == (done.exit_code, done.err), done.text
    return done.out.splitlines()[-1].split()[1].rstrip(":")


def is_in(host: Host, name: str, state: str) -> bool:
    return any((name, state) == (one["id"], one["state"]) for one in listed(host))


def past(host: Host, group: str) -> list[str]:
    """Return the messages that arrived from `group` as past ones."""
    mark = b"1:Wazuh-AWS-backfill|:us-east-1|:%b|:" % group.encode()
    return [text.split(b":")[-1].decode() for text in list(host.receiver.datagrams) if text.startswith(mark)]


def test_the_past_arrives_once_and_marked_while_new_events_go_on(busy: Host) -> None:
    """Asked for up to now; what the tail delivered is clipped, and said to be."""
    done = ask(busy)
    name = id_of(done)
    busy.put("/app/shop", numbered(50, "meanwhile"), age_seconds=1)
    soon(lambda: is_in(busy, name, "done"), "the backfill done")
    busy.wait_delivered("/app/shop", [*OLD, *numbered(50, "meanwhile")])
    (one,) = [one for one in listed(busy) if one["id"] == name]

    assert "clipped" in done.out
    assert "the tail began there" in done.out
    assert sorted(OLD) == sorted(past(busy, "/app/shop"))
    assert sorted([*OLD, *LIVE, *numbered(50, "meanwhile")]) == sorted(busy.delivered("/app/shop"))
    assert (100.0, 900, "", None) == (one["percent"], one["events"], one["fault"], one["estimated_seconds_left"])
    soon(lambda: not busy.status()["in_flight"], "the books balance")
    again = ask(busy)
    assert (0, "") == (again.exit_code, again.err)
    assert "a backfill delivered this before: --again delivers it once more" in again.out or "none" in again.out


def test_a_killed_fetcher_and_a_restart_go_on_where_it_was_and_a_cancelled_one_ends(busy: Host) -> None:
    """Slow pages, so that there is time to look; in the end each event is there once."""
    host = busy
    host.put("/app/quiet", numbered(400, "past"), age_seconds=9 * 3_600)
    host.aws.group_paging["/app/quiet"] = Paging(page_events=20)
    host.aws.delay("FilterLogEvents", 0.4, group="/app/quiet")
    name = id_of(ask(host, group="/app/quiet"))
    soon(lambda: any(one["id"] == name and one["events"] >= 40 for one in listed(host)), "two pages read")
    text = host.shell.run("status", "--config", host.config, "--data-dir", host.data_dir).out
    child(host.shell._running[0].pid, "fetcher").kill()
    soon(lambda: any(one["id"] == name and one["events"] >= 120 for one in listed(host)), "it goes on")
    cancelled = backfill(host, "cancel", name)
    after = backfill(host, "cancel", name)
    host.aws.recover()
    rest = id_of(ask(host, group="/app/quiet"))
    soon(lambda: is_in(host, rest, "done"), "the rest done")
    host.wait_delivered("/app/quiet", numbered(400, "past"))

    assert f"    backfill {name} running, " in text
    assert "an estimate" in text
    assert cancelled.out.startswith(f"backfill {name} is cancelled: ")
    assert (2, f"cwpipe: backfill {name}: it is cancelled already\n") == (after.exit_code, after.err)
    assert sorted(numbered(400, "past")) == sorted(past(host, "/app/quiet"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--group", "/other", "--from", "2h", "--to", "1h"), "--group /other: no source of the settings reads it"),
        (
            ("--group", "/app/no", "--from", "2h", "--to", "1h"),
            "--group /app/no: there is no log group of this name in",
        ),
        (("--group", "/app/shop", "--from", "yesterday", "--to", "1h"), "--from 'yesterday': a start time is a date"),
        (("--group", "/app/shop", "--from", "1h", "--to", "2h"), "--from '1h' --to '2h': the range ends before"),
        (("--group", "/app/shop", "--from", "1h", "--to", "2999-01-01"), "--to '2999-01-01': it is still to come"),
        (("cancel", "abc"), "backfill abc: there is none of this id"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(busy: Host, arguments: tuple[str, ...], said: str) -> None:
    """Each says what is wrong with what was given."""
    done = backfill(busy, *arguments)

    assert (2, "", 1) == (done.exit_code, done.out, done.err.count("\n")), done.text
    assert done.err.startswith(f"cwpipe: {said}")


def test_without_the_range_it_says_what_is_missing(busy: Host) -> None:
    """And what else the command can do."""
    done = backfill(busy, "--group", "/app/shop")

    assert (2, "") == (done.exit_code, done.out)
    assert "--from, --to missing" in done.err


def test_where_nothing_runs_it_says_so(host: Host) -> None:
    """Exit 3, as every command that needs Redis."""
    host.configure("/app/shop")
    for done in (ask(host), backfill(host, "list"), backfill(host, "cancel", "abc")):
        assert (3, "", 1) == (done.exit_code, done.out, done.err.count("\n"))
