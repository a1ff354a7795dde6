"""A stand-in of CloudWatch Logs and the STS calls around it, stricter than moto where moto is wrong.

    with CloudWatch() as aws:
        aws.put("us-east-1", "/app", "web", [(now_ms, "hello")])
        boto3.client("logs", endpoint_url=aws.endpoint_url, ...)

The account of a call is its access key's (`add_key`), 123456789012 by default; the region is the one it is signed for.
Run as a process it serves groups made by its options: python -m tests.standins.cloudwatch --help
"""

import sys
import time
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Self

from tests.standins.cloudwatch_calls import Calls
from tests.standins.cloudwatch_contents import Clock, Contents
from tests.standins.cloudwatch_dispatch import Dispatcher
from tests.standins.cloudwatch_faults import Fault, Kind
from tests.standins.cloudwatch_identity import Role
from tests.standins.cloudwatch_server import Server


class CloudWatch(Contents):
    """The stand-in. What it holds is filled through `Contents`; here is what goes wrong with it, and what it saw."""

    def __init__(
        self,
        *,
        now_ms: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        strict_keys: bool = False,
        port: int = 0,
    ) -> None:
        super().__init__(now_ms)
        self._dispatcher = Dispatcher(self, monotonic)
        self._identities = self._dispatcher.identities
        self._identities.strict = strict_keys
        self._faults = self._dispatcher.faults
        self._server = Server(port, self._dispatcher.respond)

    @property
    def calls(self) -> Calls:
        """Every call that came in, oldest first."""
        return self._dispatcher.calls

    @property
    def endpoint_url(self) -> str:
        """What to give to boto3, for `logs` and for `sts`."""
        return self._server.url

    def start(self) -> None:
        """Serve in the background."""
        self._server.start()

    def stop(self) -> None:
        """Stop serving, cut every connection, and raise if the stand-in itself had a bug."""
        self._dispatcher.stopping.set()
        self._server.stop()
        if self._server.crashes:
            raise ExceptionGroup("the stand-in crashed", [RuntimeError(repr(bug)) for bug in self._server.crashes])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def add_key(self, access_key: str, *, account: str) -> None:
        """Give an account a key."""
        self._identities.add_key(access_key, account)

    def add_role(
        self,
        arn: str,
        *,
        external_id: str | None = None,
        trusted_accounts: Collection[str] = (),
        session_ms: int | None = None,
        web_identity_token: str | None = None,
        max_session_seconds: int = 3600,
    ) -> Role:
        """Make a role that can be assumed; its sessions live `session_ms`, whatever was asked for."""
        role = Role(
            arn=arn,
            external_id=external_id,
            trusted_accounts=trusted_accounts,
            session_ms=session_ms,
            web_identity_token=web_identity_token,
            max_session_seconds=max_session_seconds,
        )
        return self._identities.add_role(role)

    def expire_sessions(self) -> None:
        """Let every session that AssumeRole gave out so far expire now."""
        self._identities.expire_sessions()

    def fail(
        self,
        operation: str,
        error_code: str,
        message: str = "",
        http_status: int | None = None,
        *,
        times: int | None = None,
        group: str | None = None,
        region: str | None = None,
        account: str | None = None,
        access_key: str | None = None,
        having: Mapping[str, object] | None = None,
    ) -> Fault:
        """Answer an operation ("*": any) with an error, `times` times or until it is cancelled.

        Text and status are AWS's own when not given.
        """
        return self._faults.add(
            Fault(
                kind="error",
                operation=operation,
                code=error_code,
                message=message,
                status=http_status,
                times=times,
                group=group,
                region=region,
                account=account,
                access_key=access_key,
                having=having or {},
            ),
        )

    def disconnect(
        self, operation: str, *, mid_body: bool = False, times: int | None = 1, group: str | None = None
    ) -> Fault:
        """Close the connection instead of an answer, or in the middle of its body."""
        kind: Kind = "cut_body" if mid_body else "disconnect"
        return self._faults.add(Fault(kind=kind, operation=operation, times=times, group=group))

    def garble(self, operation: str, *, times: int | None = 1, group: str | None = None) -> Fault:
        """Answer with a body that stops being JSON half-way."""
        return self._faults.add(Fault(kind="garble", operation=operation, times=times, group=group))

    def delay(self, operation: str, seconds: float, *, times: int | None = None, group: str | None = None) -> Fault:
        """Answer late."""
        return self._faults.add(Fault(kind="delay", operation=operation, seconds=seconds, times=times, group=group))

    def throttle(
        self,
        operation: str,
        calls_per_second: float | None,
        *,
        burst: float | None = None,
        region: str | None = None,
    ) -> None:
        """Allow so many calls of an operation for each account and region, a second's worth at once; None ends it."""
        self._dispatcher.throttles.set(operation, calls_per_second, burst, region)

    def recover(self) -> None:
        """End every fault; throttles stay."""
        self._faults.clear()

    def cut_connections(self) -> None:
        """Cut the connections that are open now."""
        self._server.cut_connections()

    def call_count(
        self,
        operation: str,
        *,
        group: str | None = None,
        region: str | None = None,
        account: str | None = None,
        outcome: str | None = None,
    ) -> int:
        """Return how many calls of an operation came in, refused ones included."""
        if group is region is account is outcome is None:
            return self.calls.total(operation)
        wanted = (group, region, account, outcome)
        found = [
            (call.group, call.region, call.account, call.outcome) for call in self.calls if call.operation == operation
        ]
        return sum(all(want in {None, have} for want, have in zip(wanted, given, strict=True)) for given in found)


if __name__ == "__main__":
    from tests.standins.cloudwatch_command import main

    sys.exit(main())
