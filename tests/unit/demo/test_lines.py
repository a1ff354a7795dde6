"""Log lines to show."""

import gzip
import json
import re
import stat
from itertools import islice
from pathlib import Path

import pytest

from services.demo import lines


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no logs yet, and no journal."""
    monkeypatch.setattr(lines, "SOURCES", (f"{tmp_path}/*.log*",))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_a_machine_without_logs_has_no_lines(logs: Path) -> None:
    """As in a container; the demo then shows made-up ones."""
    assert [] == lines.of_this_machine()


def test_lines_of_plain_and_compressed_files_are_found(logs: Path) -> None:
    """Empty lines are none: CloudWatch takes no empty message. Bytes that are no UTF-8 are replaced."""
    (logs / "a.log").write_bytes(b"one\n\ntwo \xff\n")
    (logs / "a.log.1.gz").write_bytes(gzip.compress(b"three\nfour"))
    assert ["one", "two \ufffd", "three", "four"] == lines.of_this_machine()


def test_what_cannot_be_read_does_not_keep_the_others_from_being_read(logs: Path) -> None:
    """A directory, a file that is no gzip, one cut short, and one damaged in the middle."""
    whole = gzip.compress(b"\n".join(b"%d" % number for number in range(5_000)))
    (logs / "a.log").mkdir()
    (logs / "b.log.gz").write_bytes(b"no gzip at all")
    (logs / "c.log.gz").write_bytes(whole[:-9])
    (logs / "d.log.gz").write_bytes(whole[:12] + b"\xff" * 64 + whole[76:])
    (logs / "e.log").write_text("good\n")
    assert "good" == lines.of_this_machine()[-1]


def test_no_file_drowns_the_others(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy host has millions of lines in one of them."""
    monkeypatch.setattr(lines, "LINES_A_FILE", 3)
    (logs / "a.log").write_text("a\n" * 10)
    (logs / "b.log").write_text("b\n")
    assert ["a", "a", "a", "b"] == lines.of_this_machine()


def test_the_journal_counts_too(logs: Path) -> None:
    """Debian 12 has no syslog file any more."""
    journalctl = logs / "journalctl"
    journalctl.write_text("#!/bin/sh\necho 'Jan  1 00:00:00 host su[1]: session opened'\necho\n")
    journalctl.chmod(journalctl.stat().st_mode | stat.S_IXUSR)
    assert ["Jan  1 00:00:00 host su[1]: session opened"] == lines.of_this_machine()


def test_a_journal_that_does_not_answer_is_done_without(logs: Path) -> None:
    """A broken one must not end the demo."""
    journalctl = logs / "journalctl"
    journalctl.write_text("no program\n")
    journalctl.chmod(journalctl.stat().st_mode | stat.S_IXUSR)
    assert [] == lines.of_this_machine()


def test_made_up_lines_are_the_same_for_the_same_seed() -> None:
    """Whoever looks twice sees the same."""
    for source in (lines.of_sshd, lines.of_an_application):
        assert list(islice(source(1), 50)) == list(islice(source(1), 50))
        assert list(islice(source(1), 50)) != list(islice(source(2), 50))


def test_lines_of_sshd_are_as_syslog_writes_them() -> None:
    """Wazuh's decoders know them by time, host and program."""
    syslog = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d web-\d\d sshd\[\d+\]: \S")
    assert [] == [line for line in islice(lines.of_sshd(1), 200) if not syslog.match(line)]


def test_lines_of_an_application_are_json_objects() -> None:
    """With nesting, and levels that fit their status."""
    events = [json.loads(line) for line in islice(lines.of_an_application(1), 200)]
    assert {"INFO", "ERROR"} == {event["level"] for event in events}
    assert all(isinstance(event["client"], dict) for event in events)
