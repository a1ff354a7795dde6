"""What the service says while it works: for an operator who reads it, and for rules that wait for it."""

import json
from typing import Any

import pytest

from tests.system.command import Running
from tests.system.host import Host, numbered, soon

JSON = '\n[log]\nformat = "json"\n'


def said(run: Running) -> list[dict[str, Any]]:
    """Return the lines said so far; each has to be an object."""
    return [json.loads(line) for line in run.err.splitlines(keepends=True) if line.endswith("\n")]


def of(run: Running, code: str) -> list[dict[str, Any]]:
    return [line for line in said(run) if line["code"] == code]


def test_a_line_about_a_batch_says_which_one_and_why_it_waits(host: Host) -> None:
    """Batch and group, a word for machines, a sentence for people."""
    host.configure("/app/shop")
    host.config.write_text(host.config.read_text() + JSON)
    run = host.start()
    soon(lambda: of(run, "fetcher-ready"), "it runs")
    host.receiver.pause()
    host.put("/app/shop", numbered(3_000))
    soon(lambda: of(run, "receiver-waiting"), "the forwarder waits")
    host.receiver.resume()
    soon(lambda: of(run, "receiver-reads"), "it goes on")
    host.wait_delivered("/app/shop", numbered(3_000))
    assert 0 == run.end().exit_code

    (waits, *_) = of(run, "receiver-waiting")
    assert ("forwarder", "/app/shop", "warning", "stalled") == tuple(
        waits[name] for name in ("role", "group", "level", "reason")
    )
    assert waits["batch"]
    assert waits["why"].startswith(f"the receiver at {host.receiver.path} does not read")
    assert waits["batch"] == of(run, "receiver-reads")[0]["batch"]


def test_every_line_has_role_and_code_also_those_of_threads(host: Host) -> None:
    """A rule of Wazuh looks at the role before anything else."""
    host.configure("/app/shop", "/app/denied")
    host.config.write_text(host.config.read_text() + JSON)
    host.aws.create_group("us-east-1", "/app/denied")
    host.aws.fail("FilterLogEvents", "AccessDeniedException", group="/app/denied")
    run = host.start()
    roles = {"run", "fetcher", "normalizer", "forwarder"}
    soon(lambda: of(run, "source-unreadable"), "the bad group noticed")
    soon(lambda: roles <= {line["role"] for line in said(run)}, "every role has said something")
    assert 0 == run.end().exit_code

    assert [] == [line for line in said(run) if not line.get("role") or line["code"] in ("", "other")]
    assert {"fetcher"} == {line["role"] for line in of(run, "source-unreadable")}
    assert roles == {line["role"] for line in said(run)}


def test_a_host_that_does_well_says_no_more_for_more_events(host: Host) -> None:
    """At level info nothing is said for each event, page or batch."""
    host.configure("/app/shop")
    host.config.write_text(host.config.read_text() + JSON)
    lines = []
    for count in (10, 30_000):
        host.put("/app/shop", numbered(count, f"of {count}"))
        run = host.start("--once")
        assert 0 == run.wait().exit_code
        lines.append(sorted(line["code"] for line in map(json.loads, filter(_is_json, run.err.splitlines()))))
    assert lines[0] == lines[1]


def _is_json(line: str) -> bool:
    return line.startswith("{")


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_password_of_redis_is_said(host: Host, form: str) -> None:
    """Neither when it cannot be reached, nor when it goes away."""
    host.configure("/app/shop", top='redis_url = "redis://me:hunter2-is-secret@127.0.0.1:1/0"')
    host.config.write_text(host.config.read_text() + JSON.replace("json", form))
    for role in ("fetcher", "normalizer", "forwarder"):
        done = host.shell.run(role, "--config", host.config)
        assert 3 == done.exit_code
        assert "hunter2" not in done.text
