"""The demo's stand-in for analysisd."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

from services.demo.receiver import Received
from tests.eventually import eventually

MARKED = b'{"cloudwatch":{"account_id":"1","event_id":"%d"},"level":"INFO"}'


def taken(*datagrams: bytes) -> Received:
    received = Received()
    for datagram in datagrams:
        received.take(datagram)
    return received


def test_datagrams_are_counted_by_region_and_group() -> None:
    """As the location names them; the colons inside it are escaped."""
    received = taken(
        b"1:Wazuh-AWS|:us-east-1|:/demo/a|:stream:log: with colons",
        b"1:Wazuh-AWS|:us-east-1|:/demo/a|:other:log",
        b"1:Wazuh-AWS|:eu-west-1|:/demo/a|:stream:log",
    )
    assert {"us-east-1 /demo/a": 2, "eu-west-1 /demo/a": 1} == received.counts
    assert "1:Wazuh-AWS|:us-east-1|:/demo/a|:stream:log: with colons" == received.samples["us-east-1 /demo/a"]


def test_a_probe_counts_for_nothing() -> None:
    """The forwarder sends a zero-length datagram to see whether the rest was read."""
    assert {} == taken(b"").counts


def test_what_is_not_marked_is_not_hidden() -> None:
    """The demo would then say that something arrived which nobody put."""
    assert {"unmarked": 2} == taken(b"1:Wazuh-AWS:plain", b"\xff no header").counts


def test_events_in_json_are_told_apart_by_their_id() -> None:
    """So that an event sent again after a crash does not look like another one."""
    header = b"1:Wazuh-AWS|:us-east-1|:/demo/a|:s:"
    received = taken(header + MARKED % 1, header + MARKED % 1, header + MARKED % 2, header + b"text")
    assert ({"us-east-1 /demo/a": 4}, {"us-east-1 /demo/a": 2}) == (received.counts, received.distinct)


def test_as_a_process_it_reads_its_socket_and_leaves_a_report(tmp_path: Path) -> None:
    """Everything sent before SIGTERM is in it."""
    path, report = tmp_path / "queue", tmp_path / "report.json"
    path.touch()  # of a receiver before it
    with subprocess.Popen([sys.executable, "-m", "services.demo.receiver", path, "--report", report]) as process:
        eventually(path.is_socket)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(path))
            for _ in range(2_000):
                sender.send(b"1:Wazuh-AWS|:us-east-1|:/demo/a|:s:" + b"x" * 1_000)
        eventually(lambda: report.exists() and 2_000 == json.loads(report.read_text())["counts"]["us-east-1 /demo/a"])
        process.send_signal(signal.SIGTERM)
    assert 0 == process.returncode
    assert {"us-east-1 /demo/a": 2_000} == json.loads(report.read_text())["counts"]
