"""AWS's published quotas of CloudWatch Logs calls, for one account and Region, in calls a second.

From the page "CloudWatch Logs quotas" of the Amazon CloudWatch Logs User Guide, as it was in November 2026. Those of
FilterLogEvents cannot be raised; those of the Describe calls can, and an account may have more than is said here. The quota is
shared with whoever else calls in that account and Region: the console, Grafana, other collectors.
"""

from collections.abc import Mapping

_EVERYWHERE: Mapping[str, float] = {
    "FilterLogEvents": 10.0,
    "DescribeLogGroups": 10.0,
    "DescribeLogStreams": 25.0,
}

_FILTER_LOG_EVENTS_SLOW = 5.0
#: Regions whose quota is another than elsewhere.
_BY_REGION: Mapping[str, Mapping[str, float]] = {
    "FilterLogEvents": {
        "us-east-1": 25.0,
        "ap-northeast-3": _FILTER_LOG_EVENTS_SLOW,
        "ap-southeast-3": _FILTER_LOG_EVENTS_SLOW,
        "ca-west-1": _FILTER_LOG_EVENTS_SLOW,
        "eu-central-1": _FILTER_LOG_EVENTS_SLOW,
        "il-central-1": _FILTER_LOG_EVENTS_SLOW,
    },
}

#: For an operation that is not in the table: as slow as the slowest that is.
UNLISTED = _FILTER_LOG_EVENTS_SLOW


def quota(operation: str, region: str) -> float:
    """Return how many calls a second AWS allows of `operation` ("FilterLogEvents") in one account and `region`."""
    return _BY_REGION.get(operation, {}).get(region, _EVERYWHERE.get(operation, UNLISTED))
