"""Lines inside JSON objects."""

import json
from typing import Any

import pytest

from services.normalizer.restore.wrappers import opened

AT_MS = 1_767_225_600_123


@pytest.mark.parametrize(
    "beside",
    [
        {"container_name": "/web"},
        {"container_id": "0a1b", "source": "stdout", "ecs_cluster": "prod"},
        {"stream": "stdout", "time": "2026-01-01T00:00:00Z"},
        {"stream": "stderr", "logtag": "F", "time": "x"},
        {"kubernetes": {"pod_name": "web-1"}, "stream": "stdout"},
        {"log_processed": {"a": 1}, "anything": 1},
    ],
)
def test_the_line_of_a_container_is_taken_out(beside: dict[str, Any]) -> None:
    """What its runtime or router puts beside it tells it; its line ending goes."""
    assert b"GET \xe2\x90\x80/" == opened(json.dumps({**beside, "log": "GET \0/\r\n"}).encode(), AT_MS)


@pytest.mark.parametrize(
    "members",
    [
        {"log": "a"},
        {"log": "a", "level": "info", "stream": "orders"},
        {"log": {"a": 1}, "container_name": "/web"},
        {"log": None, "stream": "stdout"},
        {"MESSAGE": "a", "level": "info"},
        {"MESSAGE": [104, 105], "_HOSTNAME": "h", "_COMM": "x"},
        {"MESSAGE": "a", "_HOSTNAME": "two words", "_COMM": "x"},
        {"MESSAGE": "a", "_HOSTNAME": "h"},
        {"MESSAGE": "a", "_HOSTNAME": "h", "_COMM": "sshd[1]: x"},
    ],
)
def test_an_applications_own_object_keeps_its_shape(members: dict[str, Any]) -> None:
    """As does an entry whose header would not be one."""
    assert opened(json.dumps(members).encode(), AT_MS) is None


@pytest.mark.parametrize(
    ("expected", "members"),
    [
        (b"Jan  1 00:00:00 h sshd[2]: a", {"SYSLOG_IDENTIFIER": "sshd", "SYSLOG_PID": "2", "_PID": "3", "_COMM": "x"}),
        (b"Jan  1 00:00:00 h x[3]: a", {"_PID": "3", "_COMM": "x"}),
        (b"Jan  2 00:00:01 h x: a", {"_COMM": "x", "__REALTIME_TIMESTAMP": "1767312001000000"}),
        (b"Dec 31 23:59:59 h x: a", {"_COMM": "x", "__REALTIME_TIMESTAMP": "9" * 16, "_PID": "x"}),
    ],
)
def test_an_entry_of_journald_becomes_a_line_of_syslog(expected: bytes, members: dict[str, Any]) -> None:
    """Dated by itself, or by CloudWatch."""
    body = json.dumps({**members, "_HOSTNAME": "h", "MESSAGE": "a"}).encode()
    if b"9999" in body:  # beyond the year 9999
        assert (opened(body, AT_MS) or b"").endswith(b" h x: a")
    else:
        assert expected == opened(body, AT_MS)
