"""AWS Config: items of the history of a resource, and of snapshots."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from services.normalizer.families.eventbridge import detail_of
from services.normalizer.families.family import Context, Findings, Record
from services.normalizer.families.records import object_of, reshaped, sourced, text_of

#: Wazuh's rules tell a history from a snapshot by the name of the file in which S3 would have the item.
HISTORY = {"log_file": "cloudwatch/ConfigHistory"}
SNAPSHOT = {"log_file": "cloudwatch/ConfigSnapshot"}

#: Lists of a configuration, or one of their elements, that become objects of lists; a bare name is one of the first.
_COLUMNS = {"securityGroups": ("groupId", "groupName"), "availabilityZones": ("zoneName", "subnetId")}
_NAMED = ("state", "iamInstanceProfile")


def config(members: Record, context: Context) -> Findings | None:
    """Shape a changed item, an item by itself, or another notice of Config."""
    notice = detail_of(members, "config") or members
    item = object_of(notice, "configurationItem") or object_of(notice, "configurationItemSummary")
    if not item and text_of(notice, "configurationItemStatus") and text_of(notice, "resourceType"):
        item = notice
    if item:
        record = _item(item)
        # A change tells what has changed; an item of a snapshot has nothing to compare it with.
        record["log_info"] = HISTORY if "configurationItemDiff" in notice or item is notice else SNAPSHOT
        record["aws_account_id"] = text_of(record, "awsAccountId") or context.account_id
    elif notice is not members:
        record = reshaped(notice)
    else:
        return None
    return Findings((sourced("config", record),))


def _item(item: Record) -> Record:
    record = reshaped(item)
    configuration = record.get("configuration")
    if isinstance(configuration, dict):
        record["configuration"] = {key: _configured(key, value) for key, value in configuration.items()}
    return record


def _configured(key: str, value: Any) -> Any:
    if key in _COLUMNS:
        return _in_columns(value, _COLUMNS[key])
    if key in _NAMED and isinstance(value, str):
        return {"name": value}
    if key == "createdTime":
        return _seconds(value)
    if isinstance(value, dict) and isinstance(value.get("Content"), dict):
        return {**value, "Content": list(value["Content"])}
    return value


def _in_columns(value: Any, columns: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return {columns[0]: [value]}
    if isinstance(value, dict):
        return {key: [one] for key, one in value.items()}
    if not isinstance(value, list):
        return value
    lists = {column: [one[column] for one in value if isinstance(one, dict) and column in one] for column in columns}
    return {column: found for column, found in lists.items() if found}


def _seconds(value: Any) -> Any:
    with suppress(ValueError, TypeError, OverflowError):
        if isinstance(value, (int, float)):
            return float(value)
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp() // 1
    return value
