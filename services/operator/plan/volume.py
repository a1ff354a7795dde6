"""How many bytes a log group takes in a day, by CloudWatch's own metric IncomingBytes."""

import time
from typing import Any

from shared.aws.faults import CALL_ERRORS, translate
from shared.aws.metrics import DAY_MS, OPERATION
from shared.aws.sessions import SourceSession
from shared.errors import SourceError

#: The metric is averaged over so many whole days.
DAYS = 7
#: A call a group: beyond this many groups of one source and Region, it is not asked for.
ASKED_GROUPS = 200


class Volumes:
    """Asks for the groups of one source in one Region, and stops asking at the first refusal. Blocks on AWS."""

    def __init__(self, session: SourceSession, source: str, region: str) -> None:
        self._session = session
        self._what = f"source {source}, region {region}"
        self._region = region
        self._client: Any = None
        self._asked = 0
        self.why = ""
        """Why some volumes are not known; empty: they are."""

    def bytes_a_day(self, log_group: str, created_ms: int) -> float | None:
        """Return the mean of the last seven whole days, of a younger group of its own; None when it is not known.

        Blocks for up to 18 s.
        """
        end_ms = int(time.time() * 1000 // DAY_MS * DAY_MS)
        days = min(DAYS, -(-(end_ms - created_ms) // DAY_MS))
        if self.why or days < 1:
            return None
        if self._asked == ASKED_GROUPS:
            self.why = f"{self._what}: bytes a day were asked for of {ASKED_GROUPS} groups only"
            return None
        self._asked += 1
        try:
            return self._sum(log_group, end_ms // 1000) / days
        except SourceError as error:
            self.why = f"bytes a day are not known: {error}"
            return None

    def _sum(self, log_group: str, end_s: int) -> float:
        try:
            self._client = self._client or self._session.cloudwatch_client(self._region)
            answer = self._client.get_metric_statistics(
                Namespace="AWS/Logs",
                MetricName="IncomingBytes",
                Dimensions=[{"Name": "LogGroupName", "Value": log_group}],
                StartTime=end_s - DAYS * DAY_MS // 1000,
                EndTime=end_s,
                Period=DAY_MS // 1000,
                Statistics=["Sum"],
            )
        except CALL_ERRORS as error:
            raise translate(error, OPERATION, f"group {log_group}, {self._what}") from error
        return float(sum(point["Sum"] for point in answer.get("Datapoints") or []))
