"""Network Firewall: records of Suricata inside an object that names the firewall."""

import msgspec

from services.normalizer.families.family import Context, Line, Record
from services.normalizer.families.records import object_of, text_of


def networkfirewall(members: Record, _context: Context) -> Line | None:
    """Hoist the record, before what is beside it: rules for Suricata read `timestamp` and `event_type` at the top level."""
    event = object_of(members, "event")
    if not text_of(members, "firewall_name") or not text_of(event, "event_type") or not text_of(event, "timestamp"):
        return None
    beside = {key: value for key, value in members.items() if key != "event" and key not in event}
    return Line(msgspec.json.encode({**event, **beside}))
