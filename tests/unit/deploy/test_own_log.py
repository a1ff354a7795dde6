"""The rules on what cwpipe says of itself, from the lines that its log really writes to the alert."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import wazuh_ruleset
from tests.rule_tree import Tree, event_of

ROOT = Path(__file__).parents[3]
_SAY = """
import json, sys, structlog
from shared import logs
logs.set_up("info", "json", "fetcher")
for level, event, fields in json.load(sys.stdin):
    getattr(structlog.get_logger(), level)(event, **fields)
"""
#: Level, text, fields, and the rule it raises.
SAID: list[tuple[str, str, dict[str, Any], int]] = [
    ("error", "a datagram cannot be sent and became a dead letter", {"batch": "b", "why": "w"}, 118201),
    ("error", "a batch cannot be decoded and became a dead letter", {"batch": "b", "why": "w"}, 118201),
    ("error", "an event cannot be shaped", {"group": "/app", "event_id": "3"}, 118201),
    ("error", "fetching pauses: dead letters fill limits.queued_bytes, replay or discard them", {"raw": 1}, 118202),
    ("warning", "fetching pauses until the queues drain: limits.queued_bytes is reached", {"raw": 1}, 118203),
    ("error", "cannot be read", {"what": "group /app, source s, region us-east-1", "why": "denied"}, 118204),
    ("info", "can be read again", {"what": "group /app, source s, region us-east-1"}, 118205),
    ("warning", "a risk to events", {"risk": "late", "group": "/app", "region": "us-east-1", "why": "late"}, 118206),
    (
        "warning",
        "a risk to events",
        {"risk": "expiring", "group": "/app", "region": "us-east-1", "why": "soon"},
        118220,
    ),
    ("warning", "a risk to events", {"risk": "silent", "group": "/app", "region": "us-east-1", "why": "quiet"}, 118221),
    ("warning", "waiting for the receiver", {"why": "it dropped 3 events, ours or an agent's", "seconds": 2}, 118207),
    ("warning", "waiting for the receiver", {"why": "the socket is not there", "seconds": 299}, 118207),
    ("warning", "waiting for the receiver", {"why": "the socket is not there", "seconds": 300}, 118208),
    ("warning", "waiting for the receiver", {"why": "the socket is not there", "seconds": 36000}, 118208),
    ("info", "the receiver reads again", {"seconds": 70}, 118209),
    (
        "warning",
        "no stats socket: events are confirmed when read, and what analysisd drops afterwards is not noticed",
        {"path": "not set"},
        118210,
    ),
    ("error", "this host's clock is not Redis's, so jobs may be run twice: set it right", {"seconds_ahead": 9}, 118211),
    ("warning", "a role ended, starting it again", {"child": "fetcher", "exit_code": 1, "in_seconds": 1}, 118212),
    ("error", "unexpected error", {"what": "group /app"}, 118214),
    ("error", "a job failed and will be tried again", {"job": "j"}, 118214),
    ("warning", "Redis is away, waiting for it", {"error": "refused"}, 118215),
    ("warning", "Redis does not take it, waiting", {"what": "group /app", "error": "OOM"}, 118215),
    ("warning", "Redis is away or refuses, trying again", {"error": "refused"}, 118215),
    ("warning", "wrong user or password", {"client": "198.51.100.7", "times": 1}, 118216),
    ("warning", "the oldest kept originals made room for newer ones", {"dropped": 2}, 118217),
    ("error", "something that no rule knows by name", {}, 118218),
]
#: As a localfile of the formats json and journald sends a line, on the manager and from an agent.
CARRIERS = (
    "1:/var/log/cwpipe/cwpipe.log:{line}",
    "1:journald:Jan  1 00:00:00 web1 cwpipe[716]: {line}",
    "1:[003] (web1) any->/var/log/cwpipe/cwpipe.log:{line}",
)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    said = json.dumps([(level, event, fields) for level, event, fields, _ in SAID])
    run = subprocess.run(
        [sys.executable, "-c", _SAY], cwd=ROOT, input=said, capture_output=True, text=True, check=True, timeout=60
    )
    return run.stderr.splitlines()


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(wazuh_ruleset.rules())


@pytest.mark.parametrize("carrier", CARRIERS)
def test_what_cwpipe_says_raises_its_alert(carrier: str, lines: list[str], tree: Tree) -> None:
    """However the line reaches Wazuh."""
    raised = [tree.last(event_of(carrier.format(line=line).encode())) for line in lines]

    assert [sid for *_, sid in SAID] == raised


def test_what_is_no_news_raises_nothing(tree: Tree) -> None:
    """A line of level info, of which no rule speaks."""
    line = '{"role": "fetcher", "event": "fetcher ready", "level": "info", "timestamp": "2026-01-01T00:00:00Z"}'

    assert tree.last(event_of(f"1:/var/log/cwpipe/cwpipe.log:{line}".encode())) is None


@pytest.mark.parametrize(
    "location", ["Wazuh-AWS|:us-east-1|:/var/log/cwpipe|:journald", "Wazuh-AWS|:r|:/g|:/cwpipe", "/var/log/app.json"]
)
def test_an_application_cannot_speak_for_cwpipe(location: str, lines: list[str], tree: Tree) -> None:
    """Whatever its group and stream are called."""
    raised = {tree.last(event_of(f"1:{location}:{line}".encode())) for line in lines}

    assert raised <= {1002, None}


def test_every_text_that_a_rule_waits_for_is_in_the_code() -> None:
    """Who changes what a program says has to change the rule."""
    code = "".join(file.read_text() for folder in ("services", "shared") for file in (ROOT / folder).rglob("*.py"))
    waited_for = [
        text.removeprefix("^").removesuffix("$").replace("\\.", ".")
        for rule in wazuh_ruleset.rules()
        for part in rule.iterfind("field[@name='event']")
        for text in re.sub(r"\^\(\?:(.*)\)\$", r"\1", part.text or "").split("|")
    ]

    assert len(waited_for) > 15
    assert [] == [text for text in waited_for if not re.search('"' + text.replace("(", r"\("), code)]


def test_every_rule_of_the_own_log_is_raised_here() -> None:
    """But the parent and the one that counts."""
    file = next(file for file in wazuh_ruleset.RULE_FILES if "health" in file.name)
    rules = wazuh_ruleset.elements(file.read_text(), "rule")
    lone = {
        int(rule.attrib["id"]) for rule in rules if rule.get("noalert") != "1" and rule.find("if_matched_sid") is None
    }

    assert lone == {sid for *_, sid in SAID}
