"""docs/questions.md: every command in it is run as it stands there, and its answer has the shape that is shown."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.command import CWPIPE, PATIENCE_SECONDS
from tests.system.host import Host, NewHost, numbered, soon

DOCUMENT = Path(__file__).parents[2] / "docs" / "questions.md"
_QUESTION = re.compile(
    r"^## (?P<asked>.*\?)\n\n```sh\n(?P<command>.*)\n```\n\n```text\n(?P<answer>[^`]*(?:`\w+`[^`]*)*)\n```", re.M
)
#: Something of the pipeline is at fault on purpose, and these say so.
_INCOMPLETE = {"cwpipe check", "cwpipe plan --without-metrics"}
#: A release with a fault, as somebody may have run yesterday.
FAULT = """
from services.normalizer.shape import Shaper

shape = Shaper.shape

def faulty(self, event):
    if event.message.startswith("unlucky"):
        raise ValueError("bad luck")
    return shape(self, event)

Shaper.shape = faulty
Shaper._fast_path = lambda self: None
"""


@dataclass(frozen=True)
class Question:
    """A question of the document, the command, and the shape of its answer."""

    asked: str
    command: str
    answer: list[str]


def questions() -> list[Question]:
    found = _QUESTION.finditer(DOCUMENT.read_text())
    return [Question(one["asked"], one["command"], one["answer"].splitlines()) for one in found]


@pytest.fixture(scope="module")
def running(new_host: NewHost) -> Iterator[Host]:
    """A pipeline at work at the usual places; a group cannot be read, two events are dead letters, one was discarded."""
    with new_host("asked") as host:
        sts = f'"{host.aws.endpoint_url}"'
        host.configure("/app/shop", "/app/denied", discard_regex='"healthcheck"', sts_endpoint_url=sts)
        host.aws.create_group("us-east-1", "/app/denied")
        host.aws.fail("FilterLogEvents", "AccessDeniedException", group="/app/denied")
        messages = [*numbered(100), "GET healthcheck", "unlucky 1", "unlucky 2"]
        host.put("/app/shop", messages, age_seconds=3_600)
        faulty = host.shell.directory / "faulty"
        faulty.mkdir()
        (faulty / "sitecustomize.py").write_text(FAULT)
        path = os.pathsep.join(filter(None, [str(faulty), host.shell.environment.get("PYTHONPATH")]))
        once = host.shell.run("run", "--once", env={"CWPIPE_CONFIG": str(host.config), "PYTHONPATH": path})
        assert 4 == once.exit_code, once.text
        run = host.shell.start("run", env={"CWPIPE_CONFIG": str(host.config)})
        soon(lambda: "cannot be read" in run.err, "the bad group noticed")
        yield host
        assert 0 == run.end().exit_code


def asked(host: Host, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command by the shell, as an operator does."""
    places = os.pathsep.join([str(Path(CWPIPE).parent), host.shell.environment["PATH"]])
    environment = {**host.shell.environment, "PATH": places, "CWPIPE_CONFIG": str(host.config), "COLUMNS": "120"}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=host.shell.directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
        stdin=subprocess.DEVNULL,
    )


def pattern(line: str) -> re.Pattern[str]:
    """Return what a line of an answer matches: figures may be others, and anything may stand for the dots."""
    spaced = re.sub(r" +", " ", line).strip()
    parts = [re.sub(r"\d[\d,.]*", r"[\\d,.]+", re.escape(part).replace(r"\ ", " ")) for part in spaced.split("...")]
    return re.compile(".*".join(parts))


def test_there_are_ten() -> None:
    """One command each, and an answer."""
    assert 10 == len(questions())
    assert 10 == DOCUMENT.read_text().count("\n## ")
    assert all("cwpipe " in one.command and one.answer for one in questions())


@pytest.mark.parametrize("question", questions(), ids=lambda one: one.asked)
def test_the_command_answers_the_question(running: Host, question: Question) -> None:
    """Each line that is shown is in the answer, in that order."""
    done = asked(running, question.command)
    assert (4 if question.command in _INCOMPLETE else 0) == done.returncode, done.stdout + done.stderr
    said = iter([re.sub(r" +", " ", line).strip() for line in done.stdout.splitlines()])
    for line in question.answer:
        wanted = pattern(line)
        assert any(wanted.search(one) for one in said), f"no {line!r}, or not in this place, in:\n{done.stdout}"


def test_replayed_letters_arrive(running: Host) -> None:
    """The last of the questions is not asked in vain."""
    asked(running, questions()[-1].command)  # it may have been asked before
    running.wait_delivered("/app/shop", ["unlucky 1", "unlucky 2"])


def test_a_group_that_is_not_read_is_named_as_unknown(running: Host) -> None:
    """Exit code 2, and where to look instead."""
    done = asked(running, "cwpipe status --group '/app/sh'")
    assert (2, "") == (done.returncode, done.stdout)
    assert "cwpipe: --group /app/sh: of the 2 groups that were read so far none matches" in done.stderr


def test_an_identity_that_aws_does_not_tell_is_said(running: Host) -> None:
    """Exit code 4, with why."""
    done = asked(running, "AWS_ACCESS_KEY_ID= AWS_SECRET_ACCESS_KEY= cwpipe identity")
    assert 4 == done.returncode, done.stdout + done.stderr
    assert done.stdout.startswith("FAIL  source production, region us-east-1: ")
