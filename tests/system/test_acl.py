"""Redis with a user who may do no more than docs/redis.md says: everything works, and a right that is missing is named."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import redis

from tests.system.host import REGION, Host, numbered, soon
from tests.unit.operator.letters import a_letter, add
from tests.valkey import Valkey, free_port

SECRET = "s3cr3t-p4ssw0rd"
DOCUMENT = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
(DOCUMENTED,) = re.findall(r"^ *(ACL SETUSER cwpipe .+)$", DOCUMENT, re.MULTILINE)


def make_user(server: Valkey, line: str) -> None:
    """Give a server the user of a line of the documentation; nobody else is let in any more."""
    with server.client() as client:
        client.execute_command(*line.replace("<password>", SECRET).split())
        client.execute_command("ACL", "SETUSER", "admin", "on", ">admin", "~*", "&*", "+@all")
        client.execute_command("ACL", "SETUSER", "default", "off")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "valkey") as server:
        yield server


def named(host: Host, server: Valkey) -> str:
    """Return the settings that name the server: the user in the URL, the password in a file."""
    (host.shell.directory / "password").write_text(f"{SECRET}\n")
    return (
        f'redis_url = "redis://cwpipe@127.0.0.1:{server.port}/0"\n'
        f'redis_password_file = "{host.shell.directory / "password"}"'
    )


def refused(server: Valkey) -> list[str]:
    """Return what the server has refused so far."""
    with redis.Redis(port=server.port, username="admin", password="admin") as client:
        log: Any = client.acl_log()
        return [f"{entry['reason']}: {entry['object']}" for entry in log]


def page_of(address: str) -> bytes:
    """Return what is served there, to the dashboard's user; urlopen raises for what is refused."""
    logged_in = base64.b64encode(f"cwpipe:{SECRET}".encode()).decode()
    request = Request(address, headers={"Authorization": f"Basic {logged_in}"})  # noqa: S310 - it is ours
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        return bytes(answer.read())


def test_the_documented_user_may_do_all_that_is_done(host: Host, server: Valkey) -> None:
    """One run and all commands, and a service whose dashboard is looked at: the server refuses nothing, ever."""
    make_user(server, DOCUMENTED)
    host.configure("/app/shop", top=named(host, server))
    host.put("/app/shop", [*numbered(300), "x" * 200_000], age_seconds=7_200)
    config = ("--config", host.config)
    done = host.run_once("--json")
    assert (0, 301) == (done.exit_code, json.loads(done.out)["delivered"]), done.text
    assert 0 == host.shell.run("check", *config).exit_code
    span = ("--group", "/app/shop", "--from", "3h", "--to", "1h")
    with redis.Redis(port=server.port, username="admin", password="admin") as client:
        add(client, {f"x-1-0-n{number}": a_letter(number) for number in range(2)})
    for command in (
        ("status", "--json"),
        ("audit", *span),
        ("dead-letters", "list"),
        ("dead-letters", "list", "--kept-originals"),
        ("dead-letters", "discard", "x-1-0-n0", "--yes"),
        ("dead-letters", "replay", "--all"),
        ("dead-letters", "discard", "--kept-originals", "--all", "--yes"),
        ("backfill", *span, "--again"),
        ("backfill", "list"),
    ):
        done = host.shell.run(*command, *config)
        assert "NOPERM" not in done.text
        assert "refuses" not in done.text
        assert done.exit_code in (0, 2, 4), done.text
    run = host.start()
    host.put("/app/shop", ["after"], age_seconds=1)
    host.wait_delivered("/app/shop", ["after"])
    state = host.shell.start("metrics", *config, env={"CWPIPE_METRICS_ADDRESS": f"127.0.0.1:{free_port()}"})
    soon(lambda: "metrics ready" in state.err, "the state served")
    address = state.err.partition(" address=")[2].split()[0]
    assert b"\ncwpipe_redis_up 1.0\n" in page_of(f"http://{address}/metrics")
    password = host.shell.directory / "dashboard-password"
    password.write_text(f"{SECRET}\n")
    place = f"127.0.0.1:{free_port()}"
    options = {"CWPIPE_DASHBOARD_ADDRESS": place, "CWPIPE_DASHBOARD_PASSWORD_FILE": str(password)}
    dashboard = host.shell.start("dashboard", *config, env=options)
    soon(lambda: "dashboard ready" in dashboard.err, "the dashboard is ready")
    for page in ("/", "/0/view/workers", "/0/data/queues.json", "/0/data/jobs/raw/finished/8/asc/1.json"):
        assert b"raw" in page_of(f"http://{place}{page}"), page
    assert [] == refused(server)
    assert 0 == state.end().exit_code, state.err
    assert 0 == dashboard.end().exit_code, dashboard.err
    assert 0 == run.end().exit_code, run.err
    assert [] == refused(server)


@pytest.mark.parametrize("missing", ["hincrby", "evalsha", "exec", "client|setname", "blmove"])
def test_a_command_that_is_not_permitted_is_named_before_anything_is_done(
    host: Host, server: Valkey, missing: str
) -> None:
    """Found out in the middle of the work, it would keep everything waiting."""
    make_user(server, DOCUMENTED.replace(f" +{missing} ", " "))
    host.configure("/app/shop", top=named(host, server))
    host.put("/app/shop", numbered(3))
    done = host.run_once()

    assert 3 == done.exit_code, done.text
    assert re.search(r"NOPERM|no permissions", done.err)
    assert missing in done.err
    assert "docs/redis.md" in done.err
    assert SECRET not in done.text
    assert "Traceback" not in done.text
    assert 0 == len(host.aws.calls)


def test_keys_that_are_not_permitted_are_named(host: Host, server: Valkey) -> None:
    """RQ's keys have names of their own: a user for cwpipe:* alone is soon made."""
    make_user(server, DOCUMENTED.replace(" ~rq:*", ""))
    host.configure("/app/shop", top=named(host, server), regions=f'["{REGION}"]')
    done = host.run_once()

    assert 3 == done.exit_code
    assert "may not use rq:*" in done.err


def test_the_user_may_do_nothing_else(server: Valkey) -> None:
    """Nor look at what others keep there, nor at how the server is set up."""
    make_user(server, DOCUMENTED)
    with redis.Redis(port=server.port, username="cwpipe", password=SECRET) as client:
        for command in (("GET", "other"), ("CONFIG", "GET", "*"), ("FLUSHALL",), ("KEYS", "*"), ("SCAN", "0"),
                        ("SUBSCRIBE", "x"), ("ACL", "LIST"), ("SHUTDOWN",)):  # fmt: skip
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)
