"""The changes that Wazuh's own module makes to a record, as far as rules and dashboards go by them."""

import re
from typing import Any

from services.normalizer.families.family import Record

#: Wazuh reads 256 fields of an event, and the envelope has eight of them.
MAX_FIELDS = 240

_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")


def sourced(source: str, record: Record) -> Record:
    """Return `record` behind its `source`, with small members before large ones: Wazuh reads the first fields only."""
    record = {key: value for key, value in record.items() if key != "source"}
    deep = fields(record) > MAX_FIELDS
    return {"source": source, **_ordered(record, deep=deep)}


def fields(value: Any) -> int:
    """Return how many fields Wazuh makes of `value`: a list is one."""
    return sum(map(fields, value.values())) if isinstance(value, dict) else 1


def _ordered(record: Record, *, deep: bool) -> Record:
    def rank(item: tuple[str, Any]) -> tuple[int, int]:
        return (0, 0) if not isinstance(item[1], (dict, list)) else (1, fields(item[1]) if deep else 0)

    members = sorted(record.items(), key=rank)
    if not deep:
        return dict(members)
    return {key: _ordered(value, deep=True) if isinstance(value, dict) else value for key, value in members}


def without_nulls(record: Record) -> Record:
    """Return `record` without members that are null: Wazuh would read them as the text "null"."""
    return {
        key: without_nulls(value) if isinstance(value, dict) else value
        for key, value in record.items()
        if value is not None
    }


def unlisted(record: Record) -> Record:
    """Return `record` with the element in the place of each list that has one: of a list Wazuh makes a single field."""
    return {key: _unlisted_value(value) for key, value in record.items()}


def _unlisted_value(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    return unlisted(value) if isinstance(value, dict) else value


def reshaped(record: Record) -> Record:
    """Return `record` with what the module does to every one: no nulls, no lists of one, an address, tags as an object."""
    record = unlisted(without_nulls(record))
    address = record.get("sourceIPAddress")
    if isinstance(address, str) and _IPV4.fullmatch(address):
        record["source_ip_address"] = address
    if "tags" in record and not isinstance(record["tags"], dict):
        record["tags"] = {"value": record["tags"]}
    return record


def text_of(record: Record, key: str) -> str:
    """Return the string at `key`; "" if there is none, or something else."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def object_of(record: Record, key: str) -> Record:
    """Return the object at `key`; an empty one if there is none, or something else."""
    value = record.get(key)
    return value if isinstance(value, dict) else {}
