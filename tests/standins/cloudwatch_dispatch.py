"""From an HTTP request to its answer: who asks, what is wrong today, which operation."""

import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

import msgspec

from tests.standins.cloudwatch_calls import Call, Calls
from tests.standins.cloudwatch_contents import Contents, parameters_of
from tests.standins.cloudwatch_describe import describe_log_groups, describe_log_streams
from tests.standins.cloudwatch_errors import EXPIRED_TOKEN, UNRECOGNIZED_CLIENT, ApiError
from tests.standins.cloudwatch_faults import Fault, Faults, Throttles
from tests.standins.cloudwatch_filter import filter_log_events
from tests.standins.cloudwatch_identity import Identities, xml_error
from tests.standins.cloudwatch_request import Parameters, Request
from tests.standins.cloudwatch_server import Reply
from tests.standins.cloudwatch_streams import delete_log_stream, get_log_events, put_log_events

_TARGET = "Logs_20140328."
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
#: STS has names of its own for what is wrong with a key.
_STS_CODES = {EXPIRED_TOKEN: "ExpiredToken", UNRECOGNIZED_CLIENT: "InvalidClientTokenId"}

_LOGS_OPERATIONS: dict[str, Callable[[Contents, Request], bytes]] = {
    "DeleteLogStream": delete_log_stream,
    "DescribeLogGroups": describe_log_groups,
    "DescribeLogStreams": describe_log_streams,
    "FilterLogEvents": filter_log_events,
    "GetLogEvents": get_log_events,
    "PutLogEvents": put_log_events,
}
_STS_OPERATIONS: dict[str, Callable[[Identities, Request, int], bytes]] = {
    "AssumeRole": Identities.assume_role,
    "GetCallerIdentity": Identities.get_caller_identity,
}


@dataclass(frozen=True)
class _Signed:
    """A request as it was sent, before its key is looked at."""

    service: str
    operation: str
    parameters: Parameters
    access_key: str
    token: str | None
    region: str


class Dispatcher:
    """Answers requests. Safe between threads."""

    def __init__(self, contents: Contents, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.calls = Calls()
        self.faults = Faults()
        self.identities = Identities()
        self.throttles = Throttles(monotonic)
        self.stopping = threading.Event()
        """Ends every delay."""
        self._contents = contents
        self._monotonic = monotonic

    def respond(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the answer to one request; it blocks as long as a delay wants."""
        request_id = str(uuid.uuid4())
        service = "logs" if "x-amz-target" in headers else "sts"
        if "authorization" not in headers and b"Action=AssumeRoleWithWebIdentity" in body:
            return self._web_identity(body, request_id)
        try:
            signed = _signed(service, headers, body)
        except ApiError as error:
            return _refusal(service, error, request_id)
        call = self._note(signed)
        try:
            request = self._identified(signed)
            call.account = request.account
            return self._answer(request, call, request_id)
        except ApiError as error:
            call.outcome = error.code
            return _refusal(service, error, request_id)

    def _web_identity(self, body: bytes, request_id: str) -> Reply:
        """Answer the one call that carries no signature."""
        operation, parameters = _query_call(body)
        call = self._note(_Signed("sts", operation, parameters, access_key="", token=None, region=""))
        try:
            answer = self.identities.assume_role_with_web_identity(parameters, self._contents.now_ms())
        except ApiError as error:
            call.outcome = error.code
            return _refusal("sts", error, request_id)
        call.outcome = "ok"
        return Reply(status=200, body=answer, content_type="text/xml", request_id=request_id)

    def _note(self, signed: _Signed) -> Call:
        call = Call(
            account="",
            region=signed.region,
            operation=signed.operation,
            parameters=signed.parameters.values,
            access_key=signed.access_key,
            group=signed.parameters.group,
            at_seconds=self._monotonic(),
        )
        self.calls.add(call)
        return call

    def _identified(self, signed: _Signed) -> Request:
        caller = self.identities.identify(signed.access_key, signed.token, self._contents.now_ms())
        return Request(
            operation=signed.operation,
            parameters=signed.parameters,
            access_key=signed.access_key,
            caller=caller,
            region=signed.region,
            service=signed.service,
        )

    def _answer(self, request: Request, call: Call, request_id: str) -> Reply:
        """Return an operation's answer, as far as the faults in force let it through."""
        fault = self._strike(request)
        if fault is not None and fault.kind == "error":
            raise fault.error(request)
        self.throttles.check(request)
        body = b"" if fault is not None and fault.kind == "disconnect" else self._run(request)
        call.outcome = fault.kind if fault is not None else "ok"
        kind = "application/x-amz-json-1.1" if request.service == "logs" else "text/xml"
        if fault is not None and fault.kind == "garble":
            body = body[: len(body) // 2]
        cut = fault.cut if fault is not None else "nothing"
        return Reply(status=200, body=body, content_type=kind, request_id=request_id, cut=cut)

    def _strike(self, request: Request) -> Fault | None:
        """Wait out the delays of a call; return what else befalls it."""
        struck = None
        for fault in self.faults.strike(request):
            if fault.kind == "delay":
                self.stopping.wait(fault.seconds)
            else:
                struck = fault
        return struck

    def _run(self, request: Request) -> bytes:
        if request.service == "logs" and request.operation in _LOGS_OPERATIONS:
            return _LOGS_OPERATIONS[request.operation](self._contents, request)
        if request.service == "sts" and request.operation in _STS_OPERATIONS:
            return _STS_OPERATIONS[request.operation](self.identities, request, self._contents.now_ms())
        raise ApiError("UnknownOperationException", f"the stand-in does not know {request.operation}")


def _signed(service: str, headers: Mapping[str, str], body: bytes) -> _Signed:
    """Return what a request says of itself."""
    credential = _CREDENTIAL.search(headers.get("authorization", ""))
    if credential is None:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    access_key, region, signed_for = credential.groups()
    if signed_for != service:
        raise ApiError("InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'.")
    operation, parameters = _json_call(headers, body) if service == "logs" else _query_call(body)
    return _Signed(
        service=service,
        operation=operation,
        parameters=parameters,
        access_key=access_key,
        token=headers.get("x-amz-security-token"),
        region=region,
    )


def _json_call(headers: Mapping[str, str], body: bytes) -> tuple[str, Parameters]:
    """Return operation and parameters of the JSON 1.1 protocol."""
    try:
        values = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise ApiError("SerializationException", str(error)) from error
    return headers["x-amz-target"].removeprefix(_TARGET), parameters_of(values)


def _query_call(body: bytes) -> tuple[str, Parameters]:
    """Return operation and parameters of the query protocol."""
    values = dict(parse_qsl(body.decode()))
    return values.pop("Action", ""), Parameters(values)


def _refusal(service: str, error: ApiError, request_id: str) -> Reply:
    if service == "sts":
        sts_error = ApiError(_STS_CODES.get(error.code, error.code), error.message, max(error.status, 400))
        return Reply(sts_error.status, xml_error(sts_error, request_id), "text/xml", request_id)
    body = msgspec.json.encode({"__type": error.code, "message": error.message})
    return Reply(error.status, body, request_id=request_id)
