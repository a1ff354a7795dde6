"""What analysisd of Wazuh 4.14 sees in a datagram as far as its counters go: which queue takes it, who it counts for.

A message is `<queue byte><any byte><location>:<log>`. In the location `|` escapes, so that `|:` is a colon of its own.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

#: So much of a datagram is read; what is longer is cut without a word.
MAX_BYTES = 65_535
#: Shorter ones are an error and lost, before anything counts them.
MIN_BYTES = 4

#: The counters, as paths into `decoded_breakdown` and `dropped_breakdown`.
OTHERS = "modules_breakdown.logcollector_breakdown.others"
AWS = "modules_breakdown.aws"
#: What no counter counts.
UNCOUNTED = ""

Fate = Literal["rules", "ignored", "decoder"]
"""How far an event comes: through the rules; to a rule thread that lets it go before it counts it (a firewall line that
lacks a field); or no further than its decoder."""


@dataclass(frozen=True, slots=True)
class Route:
    """A queue of its own for one kind of message."""

    queue: str
    counter: str
    """Its counter, decoded and dropped."""
    fate: Fate


#: By queue byte. Every other byte falls to the queue `others`.
ROUTES = {
    ord("3"): Route("hostinfo", OTHERS, "rules"),
    ord("5"): Route("dbsync", "dbsync", "decoder"),
    ord("8"): Route("syscheck", "modules_breakdown.syscheck", "decoder"),
    ord("9"): Route("rootcheck", "modules_breakdown.rootcheck", "rules"),
    ord("d"): Route("syscollector", "modules_breakdown.syscollector", "decoder"),
    ord("f"): Route("eventchannel", "modules_breakdown.logcollector_breakdown.eventchannel", "rules"),
    ord("p"): Route("sca", "modules_breakdown.sca", "rules"),
    ord("u"): Route("upgrade", "modules_breakdown.upgrade", "decoder"),
}
_FILE, _SYSLOG, _CISCAT = b"1", b"2", b"e"
_CISCAT_COUNTER = "modules_breakdown.ciscat"

_MODULES = {
    b"wazuh-agent": "agent",
    b"wazuh-agentlessd": "agentless",
    b"wazuh-monitord": "monitor",
    b"wazuh-remoted": "remote",
    b"virustotal": "integrations_breakdown.virustotal",
    b"macos": "modules_breakdown.logcollector_breakdown.macos",
    b"WinEvtLog": "modules_breakdown.logcollector_breakdown.eventlog",
    # Counted by the daemon, and left out of its answer.
    b"ms-graph": "modules_breakdown.ms_graph",
} | {
    location: f"modules_breakdown.{module}"
    for module, locations in {
        "aws": (b"aws-s3", b"Wazuh-AWS"),
        "azure": (b"azure-logs", b"Azure"),
        "ciscat": (b"cis-cat", b"wodle_cis-cat"),
        "command": (b"command",),
        "docker": (b"docker-listener", b"Wazuh-Docker"),
        "gcp": (b"gcp-pubsub", b"gcp-bucket", b"Wazuh-GCloud"),
        "github": (b"github",),
        "office365": (b"office365",),
        "oscap": (b"open-scap", b"wodle_open-scap"),
        "osquery": (b"osquery",),
        "rootcheck": (b"rootcheck",),
        "sca": (b"sca",),
        "syscheck": (b"syscheck",),
        "syscollector": (b"syscollector",),
        "upgrade": (b"agent-upgrade",),
        "vulnerability": (b"vulnerability-detector",),
    }.items()
    for location in locations
}
_LOCATION = re.compile(rb"..([^:|]*(?:\|.[^:|]*)*):", re.DOTALL)
_ESCAPED = re.compile(rb"\|(.)", re.DOTALL)


class Malformed(Exception):
    """The decoder cannot take the message apart: an error in the daemon's log, and the event is lost."""


@dataclass(frozen=True, slots=True)
class FromAgents:
    """An event of somebody else, made inside the stand-in: it has counters, a way to go, and no text."""

    dropped_as: str
    decoded_as: str
    fate: Fate


Entry = bytes | FromAgents


def decoded_as(message: bytes) -> tuple[str, Fate]:
    """Return the counter of an event that is taken from the queue `others`, and how far it comes. Raises Malformed."""
    found = _LOCATION.match(message)
    if found is None:
        raise Malformed
    counter = _counter_of_location(found[1])
    if message.startswith(_FILE):
        return counter, "rules"
    if message.startswith(_CISCAT):
        return _CISCAT_COUNTER, "decoder"
    return "syslog" if message.startswith(_SYSLOG) else UNCOUNTED, "rules"


def dropped_as(message: bytes) -> str:
    """Return the counter of an event that finds the queue `others` full.

    The daemon looks less closely here: at what stands before the first colon, escaped or not.
    """
    kind = message[:1]
    if kind != _FILE:
        return {_SYSLOG: "syslog", _CISCAT: _CISCAT_COUNTER}.get(kind, UNCOUNTED)
    start = 2
    if message[2:3] == b"[":
        start = message.find(b"->") + 2
        if start < 2:
            return UNCOUNTED
    end = message.find(b":", start)
    return UNCOUNTED if end < 0 else _counter_of(message[start:end])


@lru_cache(maxsize=10_000)
def _counter_of_location(escaped: bytes) -> str:
    location = _ESCAPED.sub(rb"\1", escaped)
    if location.startswith(b"["):
        _, bracket, location = location.partition(b"]")
        if not bracket:
            raise Malformed
    _, arrow, behind = location.partition(b"->")
    return _counter_of(behind if arrow else location)


def _counter_of(name: bytes) -> str:
    return _MODULES.get(b"command" if name.startswith(b"command_") else name, OTHERS)
