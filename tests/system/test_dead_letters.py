"""`cwpipe dead-letters`, as an operator uses it: a fault makes letters, an upgrade mends it, and they are delivered."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from tests.system.command import CWPIPE, Done, Shell
from tests.system.host import Host, NewHost, numbered, soon
from tests.system.terminal import Terminal

GOOD = numbered(40)
BAD = [f"unlucky {number} \x1b[2Jclear" for number in range(25)]
LONG = "long " * 30_000

#: A release with a fault, for the processes that find it on their path: some messages cannot be shaped.
FAULT = """
from services.normalizer.shape import Shaper

shape = Shaper.shape

def faulty(self, event):
    if event.message.startswith("unlucky"):
        raise ValueError("bad luck with " + event.event_id[-3:])
    return shape(self, event)

Shaper.shape = faulty
Shaper._fast_path = lambda self: None
"""


@dataclass(frozen=True)
class Letters:
    """A host on which the mended service runs, and what the faulty one has left there."""

    host: Host

    def __call__(self, command: str, *arguments: str, env: dict[str, str] | None = None) -> Done:
        """Run `cwpipe dead-letters` here."""
        where = ("--config", self.host.config, "--data-dir", self.host.data_dir)
        return self.host.shell.run("dead-letters", command, *where, *arguments, env=env)

    def listed(self, *arguments: str) -> list[dict[str, str]]:
        """Return the entries that a list as JSON has."""
        done = self("list", "--json", *arguments)
        assert (0, "") == (done.exit_code, done.err)
        rows = map(json.loads, done.out.splitlines())
        return [row for row in rows if row["kind"] in {"dead_letter", "kept_original"}]


def faulty_environment(shell: Shell) -> dict[str, str]:
    """Return the environment of the release with the fault."""
    path = shell.directory / "faulty"
    path.mkdir()
    (path / "sitecustomize.py").write_text(FAULT)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(path), shell.environment.get("PYTHONPATH")]))}


@pytest.fixture(scope="module")
def letters(new_host: NewHost) -> Iterator[Letters]:
    """A host with letters of three groups, and a kept original of the first. Each test has a group of its own."""
    with new_host("letters") as host:
        host.configure("/app/*", format='"raw"', poll_interval='"5s"')
        host.put("/app/shop", [*GOOD, *BAD], age_seconds=60)
        host.put("/app/other", BAD[:5], age_seconds=60)
        host.put("/app/third", [*BAD[:4], LONG], age_seconds=60)
        faulty = host.run_once("--json", **faulty_environment(host.shell))
        assert 4 == faulty.exit_code, faulty.text
        assert "34 events became dead letters" in faulty.err
        summary = json.loads(faulty.out)
        assert (75, 41, 34) == tuple(summary[name] for name in ("fetched", "delivered", "dead_lettered"))
        run = host.start()
        soon(lambda: "running " in run.err, "the server answers")
        yield Letters(host)
        assert 0 == run.end().exit_code


def arrived(host: Host) -> list[str]:
    """Return the messages of the letters that arrived."""
    texts = (text.decode().partition("unlucky")[2] for text in list(host.receiver.datagrams))
    return [f"unlucky{text}" for text in texts if text]


def books(host: Host, group: str) -> dict[str, int]:
    """Return the books of a group, and what is in flight of it."""
    (found,) = [one["books"] for one in host.status()["groups"] if one["log_group"] == group]
    ends = ("delivered", "duplicates", "discarded", "dead_lettered")
    return {**found, "in_flight": found["fetched"] - sum(found[end] for end in ends)}


def test_a_list_counts_and_shows_the_newest(letters: Letters) -> None:
    """For people, and for programs."""
    listing = letters("list", "--limit", "3", "--group", "/app/third")
    assert (0, "") == (listing.exit_code, listing.err)
    lines = listing.out.splitlines()
    assert re.match(r"4 dead letters of 4 events, ", lines[0])
    assert 3 == len([line for line in lines if re.match(r"\d{4}-\S+  \S+-n\d+  us-east-1  /app/third  ", line)])
    assert {"/app/third"} == {entry["log_group"] for entry in letters.listed("--group", "/app/th*", "--since", "1h")}
    assert [] == letters.listed("--until", "1h")
    assert [] == letters.listed("--reason", "good luck")


def test_letters_are_shown_exported_and_replayed_once_the_fault_is_mended(letters: Letters) -> None:
    """The whole way; each is delivered once, and the books know."""
    host = letters.host
    shop = letters.listed("--group", "/app/shop", "--reason", "BAD LUCK")
    assert 25 == len(shop)
    assert (25, 0) == tuple(books(host, "/app/shop")[name] for name in ("dead_lettered", "in_flight"))
    one = shop[0]["id"]
    shown = letters("show", one)
    assert 0 == shown.exit_code
    assert "\x1b" not in shown.text
    assert "\\x1b[2Jclear" in shown.out
    exact = json.loads(letters("show", one, "--json").out)
    assert exact["event"]["message"] in BAD
    assert exact["event"]["message"] == letters("show", one, "--raw").out

    replayed = letters("replay", one)
    assert (0, "replayed 1 dead letters of 1 events: 1 on raw\n") == (replayed.exit_code, replayed.out)
    soon(lambda: arrived(host), "one delivered")
    assert [exact["event"]["message"]] == arrived(host)
    assert "replayed 24 dead letters" in letters("replay", "--group", "/app/shop").out
    soon(lambda: not books(host, "/app/shop")["in_flight"], "all confirmed")
    assert sorted(BAD) == sorted(arrived(host))
    assert (65, 0) == tuple(books(host, "/app/shop")[name] for name in ("delivered", "dead_lettered"))


def test_letters_that_are_discarded_stay_in_the_books(letters: Letters) -> None:
    """They were read and not delivered: that does not change."""
    refused = letters("discard", "--group", "/app/other")
    assert (2, "cwpipe: nobody can be asked here, and nothing was discarded: add --yes\n") == (
        refused.exit_code,
        refused.err,
    )
    assert 5 == len(letters.listed("--group", "/app/other"))
    gone = letters("discard", "--group", "/app/other", "--yes")
    assert (0, "discarded 5 dead letters") == (gone.exit_code, gone.out.splitlines()[-1])
    left = letters("list", "--group", "/app/other")

    assert (0, "0 dead letters, 0 bytes in Redis\n") == (left.exit_code, left.out)
    assert (5, 0) == tuple(books(letters.host, "/app/other")[name] for name in ("dead_lettered", "in_flight"))


def test_a_kept_original_is_exported_and_given_up(letters: Letters) -> None:
    """It is in no books, and there is nothing to replay: what was made of it was delivered."""
    before = books(letters.host, "/app/third")
    (original,) = letters.listed("--kept-originals")
    assert LONG == letters("show", original["id"], "--raw").out
    assert 2 == letters("replay", original["id"]).exit_code
    assert 0 == letters("discard", "--kept-originals", "--all", "--yes").exit_code
    assert [] == letters.listed("--kept-originals")
    after = books(letters.host, "/app/third")
    assert [before[name] for name in ("delivered", "dead_lettered", "in_flight")] == [
        after[name] for name in ("delivered", "dead_lettered", "in_flight")
    ]


def test_what_cannot_be_done_is_said_in_one_line(letters: Letters) -> None:
    """Exit code 2, and nothing has changed."""
    before = letters.listed()
    for arguments, words in (
        (("show", "g-1-0-n0"), "there is no dead letter or kept original 'g-1-0-n0': see `cwpipe dead-letters list`"),
        (("replay", "g-1-0-n0"), "there is no dead letter 'g-1-0-n0'"),
        (("replay",), "say which: IDs, a selection (--reason, --group, --since, --until), or --all"),
        (("replay", "x", "--all"), "say only one"),
        (("replay", "--group", "/app/typo"), "no dead letter is selected"),
        (("replay", "--since", "yesterday"), "--since 'yesterday': a start time is a date"),
        (("discard", "--yes"), "say which"),
        (("discard", "--group", "/app/typo", "--yes"), "none of the dead letters is selected"),
        (("discard", "--all"), "add --yes"),
        (("list", "--kept-originals", "--reason", "x"), "kept originals have none"),
    ):
        done = letters(arguments[0], *arguments[1:])
        assert (2, 1) == (done.exit_code, done.err.count("\n")), done.text
        assert words in done.err
        assert done.err.startswith("cwpipe: ")
    assert before == letters.listed()


def asks(terminal: Terminal) -> bool:
    """Tell whether the question is on the screen."""
    return "Discard them for good? [y/N]" in terminal.text


def test_on_a_terminal_a_discard_asks_and_control_characters_stay_away(letters: Letters) -> None:
    """A slip of the hand must not cost events, nor a log line the screen."""
    shell = letters.host.shell
    options = ("--config", letters.host.config, "--data-dir", letters.host.data_dir)
    one, *_ = letters.listed("--group", "/app/third")
    with Terminal(
        "dead-letters", "show", *options, one["id"], "--raw", cwd=shell.directory, env=shell.environment
    ) as terminal:
        assert 2 == terminal.wait()
        assert "control characters: send --raw to a file" in terminal.text
        assert "\x1b[2J" not in terminal.raw
    for answer, left in (("n", 4), ("y", 3)):
        with Terminal(
            "dead-letters", "discard", *options, one["id"], cwd=shell.directory, env=shell.environment
        ) as terminal:
            soon(partial(asks, terminal), "the question")
            assert "1 dead letters of 1 events" in terminal.text
            os.write(terminal._keyboard, f"{answer}\n".encode())
            assert 0 == terminal.wait()
            assert "\x1b[2J" not in terminal.raw
        assert left == len(letters.listed("--group", "/app/third"))


def test_where_nothing_runs_it_is_said_how_to_be_answered(host: Host) -> None:
    """Exit code 3, as `status` says it."""
    host.configure("/app/shop")
    done = Letters(host)("list")

    assert (3, "") == (done.exit_code, done.out)
    assert f"cwpipe: nothing runs on {host.data_dir}, and no redis_url is set: start `cwpipe run`" in done.err


@pytest.mark.parametrize("command", ["", "list", "show", "replay", "discard"])
def test_each_command_explains_itself(command: str) -> None:
    """In a terminal of 80 columns, with a whole sentence for each option."""
    words = ["dead-letters", *command.split(), "--help"]
    asked = subprocess.run([CWPIPE, *words], capture_output=True, text=True, check=True)
    options = asked.stdout.partition("Options:\n")[2]

    assert asked.stdout.startswith(f"Usage: cwpipe {' '.join(words[:-1])} ")
    assert [] == [line for line in asked.stdout.splitlines() if len(line) > 80]
    assert [] == [line for line in options.splitlines() if line.strip().startswith("-") and line.endswith("  ")]
