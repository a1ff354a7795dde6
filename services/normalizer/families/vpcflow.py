"""VPC flow logs, of the default format or of the one that the flow log was given."""

import re

from services.normalizer.families.columns import named
from services.normalizer.families.family import Context, Findings
from services.normalizer.families.records import sourced
from services.normalizer.restore import stamps

DEFAULT = (
    *("version", "account_id", "interface_id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets"),
    *("bytes", "start", "end", "action", "log_status"),
)
_ACTIONS = frozenset(("ACCEPT", "REJECT"))
_STATUSES = frozenset(("OK", "NODATA", "SKIPDATA"))
_TIMES = ("start", "end")
_NUMBER = re.compile(r"-|[0-9]{1,12}")


def vpcflow(log: bytes, context: Context) -> Findings | None:
    """Shape a line. Of a format that is not known, only what rules read, and the line as it is."""
    columns = log.decode().split(" ")
    for names in (context.flow_log_format, DEFAULT):
        if names and len(columns) == len(names):
            record = named(names, columns)
            if _is_record(record):
                return Findings((sourced("vpc", _shaped(record, context)),))
    return _guessed(columns, context)


def _is_record(record: dict[str, str]) -> bool:
    """Tell whether each column that has few values has one of them."""
    return (
        record.get("action", "-") in _ACTIONS | {"-"}
        and record.get("log_status", "OK") in _STATUSES
        and _NUMBER.fullmatch(record.get("version", "-")) is not None
        and all(_NUMBER.fullmatch(record.get(name, "-")) for name in _TIMES)
    )


def _shaped(record: dict[str, str], context: Context) -> dict[str, str]:
    for name in _TIMES:
        if record.get(name, "-") != "-":
            record[name] = stamps.iso_of_seconds(int(record[name]))
    account = record.get("account_id", "-")
    record["aws_account_id"] = account if account.isdecimal() else context.account_id
    return record


def _guessed(columns: list[str], context: Context) -> Findings | None:
    actions = [column for column in columns if column in _ACTIONS]
    statuses = [column for column in columns if column in _STATUSES]
    if len(actions) != 1 or len(statuses) != 1:
        return None
    record = {"action": actions[0], "log_status": statuses[0], "message": " ".join(columns)}
    return Findings((sourced("vpc", {**record, "aws_account_id": context.account_id}),))
