"""Findings and notices that EventBridge delivers, or that were put into a group as they are."""

from typing import Any

from services.normalizer.families.eventbridge import detail_of
from services.normalizer.families.family import MAX_RECORDS, Context, Findings, Record
from services.normalizer.families.records import object_of, reshaped, sourced, text_of, without_nulls


def guardduty(members: Record, _context: Context) -> Findings | None:
    """Shape a finding; one of several probed ports becomes one for each, since rules name the port."""
    record = detail_of(members, "guardduty")
    if record is None and object_of(members, "service").get("serviceName") == "guardduty":
        record = members
    if record is None or "severity" not in record:
        return None
    details = _probes(record)
    if not 2 <= len(details) <= MAX_RECORDS:
        return Findings((sourced("guardduty", reshaped(record)),))
    return Findings(tuple(sourced("guardduty", _probe(without_nulls(record), detail)) for detail in details))


def _probes(record: Record) -> list[Any]:
    details = object_of(object_of(object_of(record, "service"), "action"), "portProbeAction").get("portProbeDetails")
    return details if isinstance(details, list) else []


def _probe(record: Record, detail: Any) -> Record:
    service = record["service"]
    action = service["action"]
    probe = {**action["portProbeAction"], "portProbeDetails": detail}
    return {**record, "service": {**service, "action": {**action, "portProbeAction": probe}}}


def securityhub(members: Record, _context: Context) -> Findings | None:
    """Shape each finding of an event: rules read one."""
    record = detail_of(members, "securityhub") or {}
    findings = record.get("findings")
    if not isinstance(findings, list) or not 1 <= len(findings) <= MAX_RECORDS:
        return None
    if not all(isinstance(finding, dict) for finding in findings):
        return None
    named = {"detail_type": members["detail-type"]}
    return Findings(tuple(sourced("securityhub", {**named, "finding": without_nulls(one)}) for one in findings))


def inspector2(members: Record, _context: Context) -> Findings | None:
    """Shape a finding. Its lists stay, as Wazuh's own module leaves them."""
    record = detail_of(members, "inspector2")
    if record is None and text_of(members, "findingArn").startswith("arn:") and text_of(members, "awsAccountId"):
        record = members
    if record is None or "severity" not in record:
        return None
    return Findings((sourced("inspector2", without_nulls(record)),))


def macie(members: Record, _context: Context) -> Findings | None:
    """Shape a finding."""
    return _lifted("macie", members)


def trustedadvisor(members: Record, _context: Context) -> Findings | None:
    """Shape the result of a check."""
    return _lifted("trustedadvisor", members)


def _lifted(service: str, members: Record) -> Findings | None:
    record = detail_of(members, service)
    return None if record is None else Findings((sourced(service, reshaped(record)),))
