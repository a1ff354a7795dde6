"""The commands that only look: `status`, `settings`, `--help`, `--version`."""

import json
import re
import subprocess

import pytest

from tests.system.command import CWPIPE, Done
from tests.system.host import Host, numbered, soon

COMMANDS = (
    *("audit", "backfill", "check", "dead-letters", "demo", "explain", "fetcher", "forwarder", "identity"),
    *("normalizer", "run"),
    "settings",
    "status",
)
SECRET = "hunter2-is-secret"


def status(host: Host, *arguments: str) -> Done:
    return host.shell.run("status", "--config", host.config, "--data-dir", host.data_dir, *arguments)


def test_status_as_json_has_queues_groups_and_books(idle: Host) -> None:
    """For a script or a dashboard: one object, everything in it."""
    answer = json.loads(status(idle, "--json").out)
    assert [("raw", 0, 1), ("enriched", 0, 1)] == [
        (queue["name"], queue["batches"], queue["workers"]) for queue in answer["queues"]
    ]
    groups = {group["log_group"]: group for group in answer["groups"]}
    assert {"/app/shop", "/app/denied"} == set(groups)
    assert ("us-east-1", "production", "") == tuple(groups["/app/shop"][key] for key in ("region", "source", "fault"))
    assert "AccessDeniedException" in groups["/app/denied"]["fault"]
    assert 1_500 == answer["total"]["delivered"]
    assert (0, 0) == (answer["in_flight"], answer["dead_letters"])


def test_status_as_text_shows_what_an_operator_asks_first(idle: Host) -> None:
    """Is anything queued, does somebody work, does each group get on, is anything lost; a group in trouble comes first."""
    done = status(idle)
    assert (0, "") == (done.exit_code, done.err)
    lines = done.out.splitlines()
    assert ["queue      batches      bytes    oldest  workers", "raw              0         0B         -        1"] == (
        lines[:2]
    )
    groups = [line.split()[1] for line in lines if line.startswith("us-east-1")]
    assert ["/app/denied", "/app/shop"] == groups
    assert "    cannot be read: group /app/denied" in done.out
    assert "1,500 of 1,500 events delivered" in done.out
    assert "balance   every event is accounted for\n" in done.out


def test_status_shows_what_waits_while_the_receiver_does_not_read(idle: Host) -> None:
    """Work in progress: a batch, its age, and the events on their way."""
    idle.receiver.pause()
    idle.put("/app/shop", numbered(700, "more"), age_seconds=2)
    soon(lambda: idle.status()["in_flight"], "more was read")
    answer, text = idle.status(), status(idle).out
    idle.receiver.resume()
    idle.wait_delivered("/app/shop", numbered(700, "more"))
    assert (1, 700) == (sum(queue["batches"] for queue in answer["queues"]), answer["in_flight"])
    assert "balance   700 events are on their way\n" in text


def test_status_where_nothing_runs_says_so(host: Host) -> None:
    """Exit code 3, and how to be answered."""
    host.configure("/app/shop")
    done = status(host)
    assert (3, "") == (done.exit_code, done.out)
    assert f"cwpipe: nothing runs on {host.data_dir}, and no redis_url is set: start `cwpipe run`" in done.err


def test_status_is_not_misled_by_the_address_that_a_killed_run_left(host: Host) -> None:
    """The file stays behind; nobody should be told to correct a redis_url that was never set."""
    host.configure("/app/shop")
    host.data_dir.mkdir()
    (host.data_dir / "lock").touch()
    (host.data_dir / "redis_url").write_text(f"unix://{host.data_dir}/valkey.sock")
    done = status(host)
    assert 3 == done.exit_code
    assert "cwpipe: nothing runs on " in done.err


def test_settings_shows_each_value_and_its_origin_but_no_secret(host: Host) -> None:
    """What is in force comes from three places; the passwords among it are masked."""
    host.configure("/app/shop", external_id=f'"{SECRET}"', role_arn='"arn:aws:iam::123456789012:role/reader"')
    env = {"REDIS_URL": f"redis://:{SECRET}@redis/0", "CWPIPE_LOG_LEVEL": "error"}
    done = host.shell.run("settings", "--config", host.config, env=env)
    assert (0, "") == (done.exit_code, done.err)
    lines = [line.split() for line in done.out.splitlines()]
    assert ["level", "=", '"error"', "#", "environment", "CWPIPE_LOG_LEVEL"] in lines
    assert ["poll_interval", "=", '"1s"', "#", "file", str(host.config)] in lines
    assert ["confirm", "="] in [line[:2] for line in lines if line[-1:] == ["default"]]
    assert "redis://:***@redis/0" in done.out
    assert SECRET not in done.text


def test_help_lists_every_command_with_a_whole_sentence() -> None:
    """In a terminal of 80 columns no sentence is cut off and no line is too long."""
    asked = subprocess.run([CWPIPE, "--help"], capture_output=True, text=True, check=True)
    listing = asked.stdout.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert set(COMMANDS) <= {line.split()[0] for line in listing}
    assert [] == [line for line in listing if line.split()[0] in COMMANDS and not re.search(r"[^.]\.$", line)]
    assert [] == [line for line in asked.stdout.splitlines() if len(line) > 80]
    for code, meaning in ((0, "done"), (1, "crash"), (2, "bad usage"), (3, "cannot be reached"), (4, "incomplete")):
        assert [line for line in asked.stdout.splitlines() if line.strip().startswith(f"{code}  ") and meaning in line]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_and_its_options(command: str) -> None:
    """What it does, and a sentence for each option."""
    asked = subprocess.run([CWPIPE, command, "-h"], capture_output=True, text=True, check=True)
    assert asked.stdout.startswith(f"Usage: cwpipe {command} [OPTIONS]")
    assert [] == [line for line in asked.stdout.splitlines() if len(line) > 80]
    options = asked.stdout.partition("Options:\n")[2]
    assert [] == [line for line in options.splitlines() if line.strip().startswith("-") and line.endswith("  ")]


def test_version_is_that_of_the_package() -> None:
    """What a bug report begins with."""
    asked = subprocess.run([CWPIPE, "--version"], capture_output=True, text=True, check=True)
    assert "cwpipe, version " == asked.stdout[:16]
