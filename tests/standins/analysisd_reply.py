"""The answer to getstats, as analysisd of Wazuh 4.14.7 gives it."""

import struct
from typing import Any

import msgspec

from tests.standins.analysisd_inside import Inside
from tests.standins.analysisd_setup import Setup

Tree = dict[str, Any]

_MODULES = (
    *("aws", "azure", "ciscat", "command", "docker", "gcp", "github", "office365", "oscap", "osquery", "rootcheck"),
    *("sca", "syscheck", "syscollector", "upgrade", "vulnerability"),
)
_COUNTERS = (
    *("agent", "agentless", "dbsync", "monitor", "remote", "syslog"),
    "integrations_breakdown.virustotal",
    *(f"modules_breakdown.{module}" for module in _MODULES),
    *(f"modules_breakdown.logcollector_breakdown.{kind}" for kind in ("eventchannel", "eventlog", "macos", "others")),
)
#: Queues that stay empty here: what they are for is not played.
_EMPTY = ("firewall", "fts", "stats")


def stats(inside: Inside, setup: Setup, now: float) -> Tree:
    """Return the member `data` of the answer; `now` is the time of day."""
    counters, limit = inside.counters, inside.credits
    metrics: Tree = {"bytes": {"received": counters.received_bytes}}
    if limit.limited:
        metrics["eps"] = {
            "available_credits": max(0, limit.available),
            "available_credits_prev": limit.available_before,
            "events_dropped": counters.eps_dropped,
            "events_dropped_not_eps": counters.dropped_not_eps,
            "seconds_over_limit": limit.seconds_over_limit,
        }
    metrics["events"] = {
        "processed": counters.processed,
        "received": counters.received,
        "received_breakdown": {
            "decoded_breakdown": _tree(counters.decoded),
            "dropped_breakdown": _tree(counters.dropped),
        },
        "written_breakdown": {
            "alerts": inside.alerts.written,
            "archives": inside.archives.written,
            **dict.fromkeys(_EMPTY, 0),
        },
    }
    depths = [(queue.name, queue.size, len(queue.entries)) for queue in inside.queues.values()]
    depths += [("alerts", inside.alerts.size, inside.alerts.depth)]
    depths += [("archives", inside.archives.size, inside.archives.depth)]
    depths += [(name, setup.size, 0) for name in _EMPTY]
    metrics["queues"] = {
        name: {"size": size, "usage": usage(setup, size, depth)} for name, size, depth in sorted(depths)
    }
    return {"uptime": inside.started_at, "timestamp": int(now), "name": "wazuh-analysisd", "metrics": metrics}


def reply(error: int, message: str, data: Tree | None = None) -> bytes:
    """Return an answer as it goes over the stream socket."""
    return framed(msgspec.json.encode({"error": error, "message": message, "data": data or {}}))


def framed(text: bytes) -> bytes:
    """Return `text` behind its length."""
    return struct.pack("<I", len(text)) + text


def usage(setup: Setup, size: int, depth: int) -> float:
    """Return the share of a queue that is in use: a C float, printed with all its digits."""
    places = size - 1 if setup.usage == "4.14" else size
    (share,) = struct.unpack("f", struct.pack("f", depth / places))
    return float(share) if setup.usage_decimals is None else round(share, setup.usage_decimals)


def _tree(counts: dict[str, int]) -> Tree:
    tree: Tree = {}
    for counter in _COUNTERS:
        *branches, leaf = counter.split(".")
        place = tree
        for branch in branches:
            place = place.setdefault(branch, {})
        place[leaf] = counts.get(counter, 0)
    return tree
