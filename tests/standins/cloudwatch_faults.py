"""Faults on demand: errors, cut connections, delays, nonsense, and AWS's token buckets."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.standins.cloudwatch_errors import ACCESS_DENIED, THROTTLING, ApiError
from tests.standins.cloudwatch_request import Request, parse_arn, partition

Kind = Literal["error", "disconnect", "cut_body", "garble", "delay"]

#: As an operation: any.
ANY = "*"


@dataclass(kw_only=True)
class Fault:
    """One thing that goes wrong, with the calls it happens to. `cancel()` ends it."""

    kind: Kind
    operation: str
    times: int | None = None
    """How often it still happens; None: until it is cancelled."""
    group: str | None = None
    region: str | None = None
    account: str | None = None
    access_key: str | None = None
    having: Mapping[str, object] = field(default_factory=dict)
    """Parameters that a call must have for it to happen."""
    code: str = ""
    message: str = ""
    status: int | None = None
    seconds: float = 0.0
    hits: int = 0
    """How often it has happened."""

    def cancel(self) -> None:
        """End it."""
        self.times = 0

    def concerns(self, request: Request) -> bool:
        """Return whether the fault is about such a call."""
        wanted = (self.group, self.region, self.account, self.access_key)
        given = (request.group, request.region, request.account, request.access_key)
        if self.times == 0 or self.operation not in {ANY, request.operation}:
            return False
        if any(request.parameters.values.get(name) != value for name, value in self.having.items()):
            return False
        return all(want in {None, have} for want, have in zip(wanted, given, strict=True))

    @property
    def cut(self) -> Literal["nothing", "all", "half"]:
        """What the client does not get to see of the answer."""
        if self.kind == "disconnect":
            return "all"
        return "half" if self.kind == "cut_body" else "nothing"

    def error(self, request: Request) -> ApiError:
        """Return the error it answers with."""
        message = self.message
        if not message and self.code == ACCESS_DENIED:
            message = denial(request)
        return ApiError(self.code, message, self.status)


class Faults:
    """The faults in force, oldest first. Safe between threads."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """End them all."""
        with self._lock:
            self._faults.clear()

    def strike(self, request: Request) -> list[Fault]:
        """Return the faults of one call and count them: every delay, and the first of the others."""
        with self._lock:
            due = [fault for fault in self._faults if fault.concerns(request)]
            delays = [fault for fault in due if fault.kind == "delay"]
            struck = delays + [fault for fault in due if fault.kind != "delay"][:1]
            for fault in struck:
                fault.hits += 1
                if fault.times is not None:
                    fault.times -= 1
        return struck


@dataclass
class Bucket:
    """Tokens of one account, region and operation."""

    tokens: float
    at_seconds: float


@dataclass
class Throttle:
    """AWS's limit on one operation: a bucket for each account and region, refilled at the rate."""

    calls_per_second: float
    burst: float
    buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)

    def take(self, account: str, region: str, now_seconds: float) -> bool:
        """Take a token; return whether there was one."""
        bucket = self.buckets.setdefault((account, region), Bucket(self.burst, now_seconds))
        gained = (now_seconds - bucket.at_seconds) * self.calls_per_second
        bucket.tokens = min(self.burst, bucket.tokens + gained)
        bucket.at_seconds = now_seconds
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


class Throttles:
    """The limits in force: one for an operation, or for an operation in one region. Safe between threads."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._throttles: dict[tuple[str, str | None], Throttle] = {}
        self._lock = threading.Lock()

    def set(self, operation: str, calls_per_second: float | None, burst: float | None, region: str | None) -> None:
        """Put a limit in force, with full buckets; None ends it."""
        with self._lock:
            if calls_per_second is None:
                self._throttles.pop((operation, region), None)
                return
            full = max(1.0, calls_per_second) if burst is None else burst
            self._throttles[operation, region] = Throttle(calls_per_second, full)

    def check(self, request: Request) -> None:
        """Let a call pass, or raise a ThrottlingException."""
        with self._lock:
            in_region = self._throttles.get((request.operation, request.region))
            throttle = in_region or self._throttles.get((request.operation, None))
            if throttle is None or throttle.take(request.account, request.region, self._monotonic()):
                return
        raise ApiError(THROTTLING)


def denial(request: Request) -> str:
    """Return AWS's text for a call that no policy allows."""
    arn = parse_arn(str(request.parameters.values.get("logGroupIdentifier", "")))
    account = arn.account if arn else request.account
    where = f"arn:{partition(request.region)}:logs:{request.region}:{account}"
    return (
        f"User: {request.caller.arn} is not authorized to perform: logs:{request.operation} on resource: "
        f"{where}:log-group:{request.group}:log-stream: because no identity-based policy allows the "
        f"logs:{request.operation} action"
    )
