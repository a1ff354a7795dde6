"""`cwpipe explain` from a shell: with no settings, no Redis, no AWS and no receiver."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.command import CWPIPE, Done, Shell, clean_environment

FINDING = json.dumps({"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": {"severity": 8}})
CONFIG = """
[[sources]]
name = "production"
regions = ["eu-west-1"]
log_groups = ["/app/*"]
discard_regex = "^GET /health"

[[sources]]
name = "security"
regions = ["us-east-1"]
log_groups = ["/findings"]
format = "guardduty"
"""


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with Shell(tmp_path, clean_environment(tmp_path, tmp_path / "bytecode")) as shell:
        yield shell


def explained(shell: Shell, message: str, *arguments: str | Path) -> Done:
    file = shell.directory / "message"
    file.write_text(message)
    return shell.run("explain", "--message", file, *arguments)


def test_an_event_is_explained_where_there_are_no_settings(shell: Shell) -> None:
    """The first thing somebody may try."""
    done = explained(shell, FINDING)

    assert (0, "") == (done.exit_code, done.err)
    assert "looks like  guardduty, which nothing permits here" in done.out
    assert "datagram    1 of 1, " in done.out


def test_the_settings_of_the_source_that_has_the_group_apply(shell: Shell) -> None:
    """The first that has it, as in the service, or the one that is named."""
    config = shell.directory / "cwpipe.toml"
    config.write_text(CONFIG)
    found = explained(shell, "GET /health", "--config", config, "--log-group", "/app/pay")
    other = explained(shell, FINDING, "--config", config, "--log-group", "/findings", "--json")
    named = explained(shell, FINDING, "--config", config, "--log-group", "/app/pay", "--source", "security", "--json")

    assert "/app/pay in eu-west-1" in found.out
    assert "discard_regex of the source matches it" in found.out
    assert "datagram" not in found.out
    assert ("security", "guardduty") == (json.loads(other.out)["source"], json.loads(other.out)["family"])
    assert ("security", "guardduty") == (json.loads(named.out)["source"], json.loads(named.out)["family"])


def test_each_line_can_be_an_event_and_standard_input_the_file(shell: Shell) -> None:
    """A file ends with a line end, which is no event of its own."""
    arguments = ("explain", "--message", "-", "--lines", "--json", "--log-stream", "web-1", "--account", "123456789012")
    done = subprocess.run(
        [CWPIPE, *arguments],
        cwd=shell.directory,
        env=shell.environment,
        input=b"a\n\n{}\n",
        capture_output=True,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]

    assert ["a line of text", "a line of text", "an object with `cloudwatch`"] == [answer["form"] for answer in answers]
    assert {"web-1"} == {answer["log_stream"] for answer in answers}
    assert [{"text": "1:Wazuh-AWS|:us-east-1|:example|:web-1:a"}] == answers[0]["datagrams"]


@pytest.mark.parametrize(
    ("message", "arguments", "told"),
    [
        (b"x", ("--source", "nowhere"), "--source nowhere: there is no source of this name, only: none"),
        (b"x\xff", (), "is not UTF-8 from byte 2, and CloudWatch Logs holds nothing else"),
        (None, (), "cannot be read: No such file or directory"),
    ],
)
def test_a_mistake_is_one_line(shell: Shell, message: bytes | None, arguments: tuple[str, ...], told: str) -> None:
    """What, where, and no traceback."""
    if message is not None:
        (shell.directory / "message").write_bytes(message)
    done = shell.run("explain", "--message", "message", *arguments)

    assert (2, "") == (done.exit_code, done.out)
    assert [told] == [line[-len(told) :] for line in done.err.splitlines()]


def test_what_the_document_shows_is_what_happens(shell: Shell) -> None:
    """But for the times: an event that is only explained happens now."""
    document = (Path(__file__).parents[2] / "docs" / "wazuh.md").read_text()
    shown = re.findall(r"```text\n\$ (echo .*?\|\n *cwpipe explain [^\n]*)\n(.*?)```", document, re.DOTALL)
    time = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
    environment = shell.environment | {"PATH": f"{Path(CWPIPE).parent}:{shell.environment['PATH']}"}

    assert 2 == len(shown)
    for command, output in shown:
        done = subprocess.run(
            ["sh", "-c", command], cwd=shell.directory, env=environment, capture_output=True, check=True
        )
        assert time.sub("", output) == time.sub("", done.stdout.decode())
