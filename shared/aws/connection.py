"""The calls of one source in one region: counted, made anew with fresh credentials, their errors translated."""

import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from shared import metrics
from shared.aws import pages
from shared.aws.faults import CALL_ERRORS, is_throttling, translate
from shared.aws.limiter import Lane, Limiter
from shared.aws.sessions import SourceSession
from shared.errors import CredentialsExpired, SourceBusy, SourceError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

Operation = Literal["DeleteLogStream", "DescribeLogGroups", "DescribeLogStreams", "FilterLogEvents"]

#: A clock further ahead than this cannot be: AWS takes no signature of such a time.
MAX_AHEAD_MS = 300_000
_FILTER_EVENT = "before-parse.cloudwatch-logs.FilterLogEvents"
_METHODS: dict[Operation, str] = {
    "DeleteLogStream": "delete_log_stream",
    "DescribeLogGroups": "describe_log_groups",
    "DescribeLogStreams": "describe_log_streams",
    "FilterLogEvents": "filter_log_events",
}


class Connection:
    """A client, and what is known of AWS's clock. Safe between threads."""

    def __init__(
        self,
        session: SourceSession,
        source: str,
        region: str,
        count_call: Callable[[str], None],
        limiter: Limiter | None = None,
    ) -> None:
        self.ahead_ms = 0
        self.session = session
        self.account = session.account or f"source-{source}"
        self._has_account = bool(session.account)
        self._limiter = limiter
        self.count_call = count_call
        self._source = source
        self._region = region
        self._lock = threading.Lock()
        self._client: CloudWatchLogsClient | None = None

    def know_account(self, account: str) -> None:
        """Take `account` for that of the credentials, unless it is known."""
        if not self._has_account and account:
            self.account, self._has_account = account, True

    def lane(self, operation: Operation) -> Lane | None:
        """Return the way to the permits for an operation; None: there is no limit."""
        return self._limiter.lane(self.account, self._region, operation) if self._limiter is not None else None

    def call(self, operation: Operation, what: str, resource: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Call once; with credentials that have just expired, once more with new ones. Raises SourceError.

        `what` begins the text of an error; `resource` is the ARN that a policy has to name.
        """
        used: CloudWatchLogsClient | None = None
        try:
            used = self._connected(operation, what)
            return self._call_once(used, operation, what, resource, parameters)
        except CredentialsExpired:
            self._renew(used)
            return self._call_once(self._connected(operation, what), operation, what, resource, parameters)

    def _call_once(
        self,
        client: "CloudWatchLogsClient",
        operation: Operation,
        what: str,
        resource: str,
        parameters: dict[str, Any],
    ) -> dict[str, Any]:
        lane = self.lane(operation)
        if lane is not None and not lane.enter():
            raise SourceBusy(f"{what}: stopped before logs:{operation}")
        self.count_call(operation)
        try:
            sent_ms = time.time() * 1000
            answer = dict(getattr(client, _METHODS[operation])(**parameters))
        except SourceError as error:
            raise type(error)(f"{what}: {error}") from error
        except CALL_ERRORS as error:
            if is_throttling(error):
                metrics.CALLS_THROTTLED.labels(self._region, operation).inc()
                if lane is not None:
                    lane.throttled()
            raise translate(
                error,
                f"logs:{operation}",
                what,
                with_token="nextToken" in parameters,
                resource=resource,
                filter_of=self._source if "filterPattern" in parameters else "",
            ) from error
        self.ahead_ms = _ahead_ms(answer, sent_ms)
        return answer

    def _connected(self, operation: Operation, what: str) -> "CloudWatchLogsClient":
        with self._lock:
            if self._client is None:
                try:
                    self._client = self.session.logs_client(self._region)
                except CALL_ERRORS as error:
                    raise translate(error, f"logs:{operation}", what) from error
                self._client.meta.events.register(_FILTER_EVENT, pages.hook)
            return self._client

    def _renew(self, used: "CloudWatchLogsClient | None") -> None:
        """Forget the credentials that one client was refused with, unless another thread did so before."""
        with self._lock:
            if used is None or self._client is used:
                self._client = None
                self.session.forget()


def _ahead_ms(answer: dict[str, Any], sent_ms: float) -> int:
    """Return how far the clock by which a call was sent is ahead of the Date of its answer, which counts in seconds."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        answered_ms = parsedate_to_datetime(date).timestamp() * 1000
    except ValueError:
        return 0
    return int(min(max(0.0, sent_ms - answered_ms - 1000), MAX_AHEAD_MS))
