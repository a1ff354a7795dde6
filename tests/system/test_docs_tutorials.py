"""docs/tutorials/: every command on stand-ins is run, in its order, and prints what the page says."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests import doc_commands
from tests.doc_commands import ROOT, Step
from tests.eventually import eventually
from tests.system.command import CWPIPE, PATIENCE_SECONDS, clean_environment

TUTORIALS = ROOT / "docs" / "tutorials"
ZERO = "from-zero-to-an-alert.md"
#: They change nothing, so a page may say "a moment later".
LOOKS = ("cwpipe status", "cwpipe audit", "grep", "tail")


class Reader:
    """Somebody who types what the page says into one shell, in the directory of the laboratory."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.directory, self._number = directory, 0
        self._shell = subprocess.Popen(
            ["/bin/bash"],
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def follow(self, steps: list[Step]) -> None:
        """Run each once, and a look at its end again, until what is printed is what the page shows."""
        for step in steps:
            deadline = monotonic() + PATIENCE_SECONDS
            output = self._run(step.script)
            *_, last = step.script.splitlines()
            while not step.is_shown_by(output) and last.startswith(LOOKS) and monotonic() < deadline:
                sleep(0.2)
                output = self._run(last)
            assert step.is_shown_by(output), f"{step.script}\nprints\n{output}\nand not\n" + "\n".join(step.printed)

    def end(self) -> None:
        """End the shell with all that it started."""
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.communicate()

    def _run(self, script: str) -> str:
        """Run a block in the shell, so that its variables and jobs stay; return what it printed."""
        self._number += 1
        text, out, done = (self.directory / f"step-{self._number}.{kind}" for kind in ("sh", "out", "done"))
        text.write_text(script)
        assert self._shell.stdin is not None
        self._shell.stdin.write(f". '{text}' > '{out}' 2>&1; touch '{done}'\n")
        self._shell.stdin.flush()
        deadline = monotonic() + PATIENCE_SECONDS
        while not done.exists():
            assert self._shell.poll() is None, f"{script}\nended the shell"
            assert monotonic() < deadline, f"{script}\ndoes not end: {out.read_text() if out.exists() else ''}"
            sleep(0.02)
        return out.read_text()


@pytest.fixture
def reader(tmp_path: Path, bytecode: Path) -> Iterator[Reader]:
    environment = clean_environment(tmp_path, bytecode)
    environment["PATH"] = f"{Path(CWPIPE).parent}:{environment['PATH']}"
    reader = Reader(tmp_path, environment)
    yield reader
    reader.end()


def page(name: str, *, parts: range = range(100)) -> list[Step]:
    """Return the steps of these numbered parts of a tutorial; the test is in the laboratory's directory already."""
    text, _, _ = (TUTORIALS / name).read_text().partition(doc_commands.NOT_RUN)
    sections = re.split(r"^## (?=\d)", text, flags=re.MULTILINE)[1:]
    found = [
        step for section in sections if int(section.split(".")[0]) in parts for step in doc_commands.steps(section)
    ]
    return [step for step in found if "make .venv/ready" not in step.script]


@pytest.mark.slow
def test_from_zero_to_an_alert_as_far_as_it_needs_nobody(reader: Reader) -> None:
    """The first page that a newcomer follows."""
    reader.follow(page(ZERO, parts=range(1, 5)))
    clean_up = page(ZERO, parts=range(5, 6))
    clean_up[-1].script = clean_up[-1].script.replace("rm -r /tmp/cwpipe-lab", "jobs")
    reader.follow(clean_up)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_lose_a_node(reader: Reader) -> None:
    """Whoever kills everything by the page finds that nothing is missing."""
    *accidents, clean_up = page("lose-a-node.md")
    reader.follow([*page(ZERO, parts=range(1, 5)), *accidents])
    put = json.loads((reader.directory / "loader.log").read_text().splitlines()[-1])

    def all_arrived() -> bool:
        """Both ends agree: ids of events in JSON, which carry one, and all datagrams."""
        received = json.loads((reader.directory / "received.json").read_text())
        distinct = {group: received["distinct"].get(group, 0) for group in put["json"]}
        return put["json"] == distinct and all(received["counts"][group] >= put["put"][group] for group in put["put"])

    eventually(all_arrived, PATIENCE_SECONDS, "all that was put arrived")
    reader.follow([clean_up])


@pytest.mark.slow
def test_scale_out(reader: Reader) -> None:
    """Roles join and leave while events flow."""
    reader.follow([*page(ZERO, parts=range(1, 5)), *page("scale-out.md")])
