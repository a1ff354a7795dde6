"""CloudWatch Logs as we use it: find groups, read one page of events. Every call may block for up to 70 s."""

import threading
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from shared.aws import pages
from shared.aws.faults import CALL_ERRORS, is_throttling, translate
from shared.aws.limiter import Lane, Limiter
from shared.aws.pages import Page
from shared.aws.sessions import SourceSession
from shared.errors import CredentialsExpired, SourceBusy, SourceError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

#: A clock further ahead than this cannot be: AWS takes no signature of such a time.
MAX_AHEAD_MS = 300_000
_FILTER_EVENT = "before-parse.cloudwatch-logs.FilterLogEvents"


class FoundGroup(Struct, frozen=True, kw_only=True):
    """A log group as DescribeLogGroups tells of it."""

    name: str
    account_id: str
    log_class: str
    created_ms: int
    retention_days: int = 0
    """After so many days AWS deletes events; 0: never, or not known."""


class LogsApi:
    """One source in one region. Safe between threads.

    Every method raises a SourceError, whose type tells whether to wait, and whose text names source and region.
    `count_call` is told the operation at each call that goes out. With a `limiter`, calls of CloudWatch Logs wait for a permit
    of their bucket, however long that takes.
    """

    def __init__(
        self,
        session: SourceSession,
        source: str,
        region: str,
        count_call: Callable[[str], None],
        limiter: Limiter | None = None,
    ) -> None:
        self.region = region
        self._has_account = bool(session.account)
        self.account = session.account or f"source-{source}"
        """Whose quota the calls count against: the account of the credentials, or a name for it until that is known."""
        self.ahead_ms = 0
        """How far the clock of this host was ahead of AWS's at the last answer: what AWS holds is counted by its own."""
        self._session = session
        self._where = f"source {source}, region {region}"
        self._count_call = count_call
        self._limiter = limiter
        self._lock = threading.Lock()
        self._client: CloudWatchLogsClient | None = None

    def groups(self, prefix: str) -> Iterator[FoundGroup]:
        """Yield the groups whose name begins with `prefix` (empty: all of them), a call per 50."""
        parameters = {"logGroupNamePrefix": prefix} if prefix else {}
        token = ""
        while True:
            page = {"nextToken": token} if token else {}
            answer = self._call("DescribeLogGroups", self._where, **parameters, **page)
            if "logGroups" not in answer:
                # botocore takes a body that was cut short, or is no JSON, for an empty answer.
                raise SourceBusy(f"{self._where}: AWS answered logs:DescribeLogGroups with no list of groups")
            for group in answer["logGroups"]:
                yield FoundGroup(
                    name=group["logGroupName"],
                    account_id=_account_of(group.get("arn", "")) or self.account_id(),
                    log_class=group.get("logGroupClass") or "STANDARD",
                    created_ms=int(group.get("creationTime") or 0),
                    retention_days=int(group.get("retentionInDays") or 0),
                )
            token = answer.get("nextToken") or ""
            if not token:
                return

    def account_id(self) -> str:
        """Return the account of the credentials, by STS."""
        what, operation = self._where, "sts:GetCallerIdentity"
        try:
            self._count_call("GetCallerIdentity")
            return str(self._session.sts_client(self.region).get_caller_identity()["Account"])
        except CALL_ERRORS as error:
            raise translate(error, operation, what) from error

    def page(self, log_group: str, from_ms: int, to_ms: int, token: str = "") -> Page:
        """Return one page of the events of all streams in [from_ms, to_ms], both included.

        Raises TokenRefused when AWS no longer takes `token`.
        """
        # AWS ignores `interleaved` since 2019 and always does so; compatible servers still want to be asked.
        parameters: dict[str, Any] = {
            "logGroupName": log_group,
            "startTime": max(0, from_ms),
            "endTime": to_ms,
            "interleaved": True,
        }
        if token:
            parameters["nextToken"] = token
        answer = self._call("FilterLogEvents", f"group {log_group}, {self._where}", **parameters)
        page: Page = answer["page"]
        return page

    def know_account(self, account: str) -> None:
        """Take `account` for that of the credentials, unless it is known."""
        if not self._has_account and account:
            self.account, self._has_account = account, True

    def lane(self, operation: str = "FilterLogEvents") -> Lane | None:
        """Return the way to the permits for an operation; None: there is no limit."""
        return self._limiter.lane(self.account, self.region, operation) if self._limiter is not None else None

    def _call(self, operation: str, what: str, **parameters: Any) -> dict[str, Any]:
        """Call once; with credentials that have just expired, once more with new ones."""
        try:
            return self._call_once(operation, what, parameters)
        except CredentialsExpired:
            self._session.forget()
            with self._lock:
                self._client = None
            return self._call_once(operation, what, parameters)

    def _call_once(self, operation: str, what: str, parameters: dict[str, Any]) -> dict[str, Any]:
        lane = self.lane(operation)
        if lane is not None and not lane.enter():
            raise SourceBusy(f"{what}: stopped before logs:{operation}")
        self._count_call(operation)
        try:
            client = self._connected()
            method = client.filter_log_events if operation == "FilterLogEvents" else client.describe_log_groups
            sent_ms = time.time() * 1000
            answer = dict(method(**parameters))
        except SourceError as error:
            raise type(error)(f"{what}: {error}") from error
        except CALL_ERRORS as error:
            if lane is not None and is_throttling(error):
                lane.throttled()
            raise translate(error, f"logs:{operation}", what, with_token="nextToken" in parameters) from error
        self.ahead_ms = _ahead_ms(answer, sent_ms)
        return answer

    def _connected(self) -> "CloudWatchLogsClient":
        with self._lock:
            if self._client is None:
                self._client = self._session.logs_client(self.region)
                self._client.meta.events.register(_FILTER_EVENT, pages.hook)
            return self._client


def _ahead_ms(answer: dict[str, Any], sent_ms: float) -> int:
    """Return how far the clock by which a call was sent is ahead of the Date of its answer, which counts in seconds."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        answered_ms = parsedate_to_datetime(date).timestamp() * 1000
    except ValueError:
        return 0
    return int(min(max(0.0, sent_ms - answered_ms - 1000), MAX_AHEAD_MS))


def _account_of(arn: str) -> str:
    """Return the account in arn:aws:logs:REGION:ACCOUNT:log-group:NAME, or nothing."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 and parts[4].isdigit() else ""
