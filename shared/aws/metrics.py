"""The metrics that CloudWatch itself keeps of a log group."""

from typing import Any

from shared.aws.faults import CALL_ERRORS, translate
from shared.aws.sessions import SourceSession

DAY_MS = 86_400_000
OPERATION = "cloudwatch:GetMetricStatistics"


def incoming_events(session: SourceSession, region: str, log_group: str, from_ms: int, to_ms: int) -> int | None:
    """Return how many events AWS says it took for a group in [from_ms, to_ms), by the time they came in.

    Whole minutes, or hours for more than a day. None: there is no such figure. Blocks for up to 18 s; raises SourceError.
    """
    # One answer holds 1,440 figures at most.
    period = 60 if to_ms - from_ms <= DAY_MS - 60_000 else 3600
    try:
        client: Any = session.cloudwatch_client(region)
        answer = client.get_metric_statistics(
            Namespace="AWS/Logs",
            MetricName="IncomingLogEvents",
            Dimensions=[{"Name": "LogGroupName", "Value": log_group}],
            StartTime=from_ms // 1000 // period * period,
            EndTime=-(-to_ms // 1000 // period) * period,
            Period=period,
            Statistics=["Sum"],
        )
    except CALL_ERRORS as error:
        raise translate(error, OPERATION, f"group {log_group}, region {region}") from error
    figures = [point["Sum"] for point in answer.get("Datapoints") or []]
    return round(sum(figures)) if figures else None
