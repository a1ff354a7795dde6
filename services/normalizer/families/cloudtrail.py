"""CloudTrail records, written by a trail or delivered by EventBridge; those of KMS have rules of their own."""

from services.normalizer.families.eventbridge import api_call, detail_of
from services.normalizer.families.family import Context, Findings, Record
from services.normalizer.families.records import object_of, reshaped, sourced, text_of

_OBJECTS = ("additionalEventData", "responseElements", "requestParameters")


def cloudtrail(members: Record, context: Context) -> Findings | None:
    """Shape a record. EventBridge's events of KMS are left to `kms`."""
    if members.get("source") == "aws.kms":
        return None
    record = api_call(members) or members
    if not _is_record(record):
        return None
    record = _trail(record)
    record["aws_account_id"] = text_of(record, "recipientAccountId") or context.account_id
    return Findings((sourced("cloudtrail", record),))


def kms(members: Record, _context: Context) -> Findings | None:
    """Shape what EventBridge delivers of KMS: API calls, and notices of rotation and deletion."""
    record = detail_of(members, "kms")
    return None if record is None else Findings((sourced("kms", _trail(record)),))


def _is_record(record: Record) -> bool:
    return all(text_of(record, key) for key in ("eventVersion", "eventSource", "eventName"))


def _trail(record: Record) -> Record:
    record = reshaped(record)
    for key in _OBJECTS:
        if key in record and not isinstance(record[key], dict):
            record[key] = {"string": str(record[key])}
    termination = object_of(record, "requestParameters").get("disableApiTermination")
    if isinstance(termination, bool):
        record["requestParameters"] = {**record["requestParameters"], "disableApiTermination": {"value": termination}}
    return record
