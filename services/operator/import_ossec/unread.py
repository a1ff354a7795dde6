"""Which streams have something that the wodle did not read: asked of AWS, so that streams that ended hold nothing back."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from services.operator.import_ossec.draft import Draft
from services.operator.import_ossec.state import GroupPlace, Stopped
from shared.aws.faults import CALL_ERRORS, translate
from shared.aws.quotas import quota
from shared.aws.sessions import SourceSession
from shared.errors import SourceBusy
from shared.settings.convert import convert
from shared.settings.faults import Faults
from shared.settings.model import Source

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

#: CloudWatch takes timestamps as far ahead as this.
AHEAD_MS = 2 * 3_600_000
#: Of the quota of FilterLogEvents: the wodle may be at work elsewhere, and so may others.
SHARE = 0.5
BUSY_SECONDS = 2.0
BUSY_TIMES = 30


def asked(made: Draft, state: Mapping[GroupPlace, Stopped]) -> dict[GroupPlace, Stopped]:
    """Return `state` of the groups of a source, each held back only by streams that have something unread.

    A call a stream that is behind the newest of its group, at half the quota. Blocks on AWS; raises SourceError.
    """
    session = SourceSession(_source(made))
    found = {}
    for region in made.regions:
        client = session.logs_client(region)
        for group in made.log_groups:
            if stopped := state.get((region, group)):
                found[region, group] = _settled(client, region, group, stopped)
    return found


def _settled(client: "CloudWatchLogsClient", region: str, group: str, stopped: Stopped) -> Stopped:
    behind = [(stream, end) for stream, end in stopped.ends.items() if end < stopped.newest_ms]
    unread = []
    for stream, end in behind:
        first = _first_unread(client, region, group, stream, end + 1)
        if first is not None and first <= stopped.newest_ms:
            unread.append(first - 1)
    return replace(stopped, least_ms=min([*unread, stopped.newest_ms]), ended=len(behind) - len(unread))


def _first_unread(client: "CloudWatchLogsClient", region: str, group: str, stream: str, from_ms: int) -> int | None:
    """Return the timestamp of the first event of a stream from `from_ms` on, None when there is none."""
    to_ms = max(from_ms, int(time.time() * 1000) + AHEAD_MS)
    asking: dict[str, Any] = {"logGroupName": group, "logStreamNames": [stream], "startTime": from_ms, "endTime": to_ms}
    while True:
        answer = _called(client, asking | {"limit": 1, "interleaved": True}, region)
        if answer.get("events"):
            return int(answer["events"][0]["timestamp"])
        if not answer.get("nextToken"):
            return None
        asking["nextToken"] = answer["nextToken"]


def _called(client: "CloudWatchLogsClient", asking: dict[str, Any], region: str) -> Mapping[str, Any]:
    what = f"group {asking['logGroupName']}, region {region}"
    for left in reversed(range(BUSY_TIMES)):
        time.sleep(1 / (SHARE * quota("FilterLogEvents", region)))
        try:
            return client.filter_log_events(**asking)
        except client.exceptions.ResourceNotFoundException:
            return {}  # deleted since: there is nothing to read
        except CALL_ERRORS as error:
            told = translate(error, "logs:FilterLogEvents", what)
            if not isinstance(told, SourceBusy) or not left:
                raise told from error
        time.sleep(BUSY_SECONDS)
    raise AssertionError  # the last turn returns or raises


def _source(made: Draft) -> Source:
    raw = {"name": made.name, "regions": made.regions, "log_groups": made.log_groups, **made.keys}
    return msgspec.convert(convert({"sources": [raw]}, Faults(None))["sources"], tuple[Source, ...])[0]
