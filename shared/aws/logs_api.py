"""CloudWatch Logs as we use it: find groups, read one page of events. Every call may block for up to 70 s."""

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

from msgspec import Struct

from shared.aws.connection import MAX_AHEAD_MS, Connection, Operation
from shared.aws.faults import CALL_ERRORS, translate
from shared.aws.limiter import Lane, Limiter
from shared.aws.pages import Page
from shared.aws.sessions import SourceSession
from shared.errors import SourceBusy, SourceDenied, SourceMissing, SourceUnreachable
from shared.settings import log_groups

__all__ = ["MAX_AHEAD_MS", "FoundGroup", "FoundStream", "LogsApi"]


class FoundGroup(Struct, frozen=True, kw_only=True):
    """A log group as DescribeLogGroups tells of it."""

    name: str
    account_id: str
    log_class: str
    created_ms: int
    retention_days: int = 0
    """After so many days AWS deletes events; 0: never, or not known."""
    arn: str = ""
    """By which it is read: a linked account's group has to be. Empty: by its name."""


class FoundStream(Struct, frozen=True, kw_only=True):
    """A log stream as DescribeLogStreams tells of it, which may lag behind by an hour and more. 0: it does not say."""

    name: str
    first_ms: int = 0
    last_ms: int = 0
    last_ingestion_ms: int = 0


class LogsApi:
    """One source in one region. Safe between threads.

    Every method raises a SourceError, whose type tells whether to wait, and whose text names source and region.
    `count_call` is told the operation at each call that goes out. What the source's settings have AWS choose, a stream
    prefix and a filter pattern, and whether it unmasks, goes with every read. With a `limiter`, calls of CloudWatch Logs wait
    for a permit of their bucket, however long that takes.
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
        self._settings = session.source
        self._connection = Connection(session, source, region, count_call, limiter)
        self._where = f"source {source}, region {region}"
        self._account_id = ""
        self._arn = ""

    @property
    def ahead_ms(self) -> int:
        """How far the clock of this host was ahead of AWS's at the last answer: what AWS holds is counted by its own."""
        return self._connection.ahead_ms

    @property
    def account(self) -> str:
        """Whose quota the calls count against: the account of the credentials, or a name for it until that is known."""
        return self._connection.account

    def know_account(self, account: str) -> None:
        """Take `account` for that of the credentials, unless it is known."""
        self._connection.know_account(account)

    def lane(self, operation: Operation = "FilterLogEvents") -> Lane | None:
        """Return the way to the permits for an operation; None: there is no limit."""
        return self._connection.lane(operation)

    def of(self, group: FoundGroup) -> "LogsApi":
        """Return the same way to AWS, for reading this one group."""
        made = copy.copy(self)
        made._account_id, made._arn = group.account_id, group.arn
        return made

    def groups(
        self, prefix: str = "", *, part: str = "", names: tuple[str, ...] = (), accounts: tuple[str, ...] | None = None
    ) -> Iterator[FoundGroup]:
        """Yield the groups whose name begins with `prefix`, or holds `part`, or those of `names`; a call per 50.

        `accounts`: linked ones, none at all for every one, or None for that of the credentials. Of groups found by `part`
        AWS tells neither class nor retention.
        """
        parameters: dict[str, Any] = {} if accounts is None else {"includeLinkedAccounts": True}
        if names:
            parameters["logGroupIdentifiers"] = list(names)
        else:
            parameters |= {"accountIdentifiers": list(accounts)} if accounts else {}
            parameters |= {"logGroupNamePattern": part} if part else {"logGroupNamePrefix": prefix} if prefix else {}
        for group in self._listed("DescribeLogGroups", "logGroups", self._where, prefix, parameters):
            arn = str(group.get("logGroupArn") or group.get("arn") or "").removesuffix(":*")
            yield FoundGroup(
                name=group["logGroupName"],
                account_id=_account_of(arn) or self.account_id(),
                log_class=group.get("logGroupClass") or "STANDARD",
                created_ms=int(group.get("creationTime") or 0),
                retention_days=int(group.get("retentionInDays") or 0),
                arn="" if accounts is None else arn,
            )

    def streams(self, log_group: str, prefix: str = "") -> Iterator[FoundStream]:
        """Yield the streams of a group whose names begin with `prefix`, by name; without one, the longest quiet first."""
        order = {"logStreamNamePrefix": prefix} if prefix else {"orderBy": "LastEventTime", "descending": False}
        parameters = self._place(log_group) | order
        for stream in self._listed("DescribeLogStreams", "logStreams", self._what(log_group), log_group, parameters):
            yield FoundStream(
                name=stream["logStreamName"],
                first_ms=int(stream.get("firstEventTimestamp") or 0),
                last_ms=int(stream.get("lastEventTimestamp") or 0),
                last_ingestion_ms=int(stream.get("lastIngestionTime") or 0),
            )

    def delete_stream(self, log_group: str, stream: str) -> None:
        """Delete a stream with all its events, of a group of the own account. This cannot be undone."""
        parameters = {"logGroupName": log_group, "logStreamName": stream}
        self._call("DeleteLogStream", self._what(log_group), log_group, parameters)

    def try_to_delete(self, log_group: str) -> None:
        """Raise SourceDenied if streams of a group may not be deleted. AWS is asked for one that cannot exist."""
        with suppress(SourceMissing):
            self.delete_stream(log_group, f"cwpipe-check-{uuid4()}")

    def account_id(self) -> str:
        """Return the account of the credentials: as the settings say, else by STS."""
        if self._settings.account_id:
            return self._settings.account_id
        what, operation = self._where, "sts:GetCallerIdentity"
        try:
            self._connection.count_call("GetCallerIdentity")
            return str(self._connection.session.sts_client(self.region).get_caller_identity()["Account"])
        except CALL_ERRORS as error:
            fault = translate(error, operation, what)
            if isinstance(fault, SourceDenied | SourceUnreachable):
                raise type(fault)(f"{fault}; or set account_id, and STS is not asked") from error
            raise fault from error

    def page(self, log_group: str, from_ms: int, to_ms: int, token: str = "") -> Page:
        """Return one page of the events that the settings choose, of all streams in [from_ms, to_ms], both included.

        Raises TokenRefused when AWS no longer takes `token`.
        """
        chosen: dict[str, Any] = {"unmask": True} if self._settings.unmask else {}
        if self._settings.filter_pattern:
            chosen["filterPattern"] = self._settings.filter_pattern
        if self._settings.log_stream_prefix:
            chosen["logStreamNamePrefix"] = self._settings.log_stream_prefix
        return self._page(log_group, from_ms, to_ms, token, chosen)

    def stream_page(self, log_group: str, stream: str, from_ms: int, to_ms: int, token: str = "") -> Page:
        """Return one page of all the events of one stream in [from_ms, to_ms], whatever the settings choose."""
        return self._page(log_group, from_ms, to_ms, token, {"logStreamNames": [stream]})

    def _page(self, log_group: str, from_ms: int, to_ms: int, token: str, chosen: dict[str, Any]) -> Page:
        # AWS ignores `interleaved` since 2019 and always does so; compatible servers still want to be asked.
        times = {"startTime": max(0, from_ms), "endTime": to_ms, "interleaved": True}
        parameters = self._place(log_group) | times | chosen
        if token:
            parameters["nextToken"] = token
        page: Page = self._call("FilterLogEvents", self._what(log_group), log_group, parameters)["page"]
        return page

    def _listed(
        self, operation: Operation, member: str, what: str, log_group: str, parameters: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            page = {"nextToken": token} if token else {}
            answer = self._call(operation, what, log_group, parameters | page)
            if member not in answer:
                # botocore takes a body that was cut short, or is no JSON, for an empty answer.
                thing = "groups" if member == "logGroups" else "streams"
                raise SourceBusy(f"{what}: AWS answered logs:{operation} with no list of {thing}")
            yield from answer[member]
            token = answer.get("nextToken") or ""
            if not token:
                return

    def _call(self, operation: Operation, what: str, log_group: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return self._connection.call(operation, what, self._resource(operation, log_group), parameters)

    def _what(self, log_group: str) -> str:
        whose = f" of account {self._account_id}" if self._arn else ""
        return f"group {log_group}{whose}, {self._where}"

    def _place(self, log_group: str) -> dict[str, Any]:
        return {"logGroupIdentifier": self._arn} if self._arn else {"logGroupName": log_group}

    def _resource(self, operation: Operation, log_group: str) -> str:
        """Return what a policy has to name for a call to be allowed. Listing groups knows none but all of them."""
        name = "*" if operation == "DescribeLogGroups" else f"{log_group}:*"
        account = self._account_id or self._settings.account_id or "*"
        return f"arn:{log_groups.partition(self.region)}:logs:{self.region}:{account}:log-group:{name}"


def _account_of(arn: str) -> str:
    """Return the account in arn:aws:logs:REGION:ACCOUNT:log-group:NAME, or nothing."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 and parts[4].isdigit() else ""
