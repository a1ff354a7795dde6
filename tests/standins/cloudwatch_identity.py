"""Keys, roles and sessions, and the two STS calls about them."""

import secrets
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from tests.standins.cloudwatch_errors import EXPIRED_TOKEN, UNRECOGNIZED_CLIENT, ApiError
from tests.standins.cloudwatch_request import DEFAULT_ACCOUNT, Caller, Parameters, Request

_MIN_SESSION_SECONDS = 900
_DEFAULT_SESSION_SECONDS = 3600
_XML_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(frozen=True)
class Session:
    """Credentials that AssumeRole gave out."""

    access_key: str
    secret_key: str
    token: str
    expires_ms: int
    caller: Caller


@dataclass(kw_only=True)
class Role:
    """A role that may be assumed, and on which terms. Every field may be changed while the stand-in runs."""

    arn: str
    external_id: str | None = None
    """What the caller must say; None: nothing."""
    trusted_accounts: Collection[str] = ()
    """Who may assume it; empty: everyone."""
    web_identity_token: str | None = None
    """The token that gives it to whoever has it, without a key; None: none does."""
    max_session_seconds: int = _DEFAULT_SESSION_SECONDS
    session_ms: int | None = None
    """How long a session lives, whatever the caller asked for; None: as long as asked for."""

    @property
    def account(self) -> str:
        """The account it belongs to."""
        return self.arn.split(":")[4]

    @property
    def name(self) -> str:
        """Its name, without the path."""
        return self.arn.rsplit("/", 1)[-1]


class Identities:
    """Who may sign requests. Signatures are not checked, only whose they claim to be. Safe between threads."""

    def __init__(self) -> None:
        self.strict = False
        """Refuse keys that were neither added nor given out."""
        self._accounts: dict[str, str] = {}
        self._sessions: dict[str, Session] = {}
        self._roles: dict[str, Role] = {}
        self._lock = threading.Lock()

    def add_key(self, access_key: str, account: str) -> None:
        """Give an account a key without an end."""
        with self._lock:
            self._accounts[access_key] = account

    def add_role(self, role: Role) -> Role:
        """Make a role known."""
        with self._lock:
            self._roles[role.arn] = role
        return role

    def expire_sessions(self) -> None:
        """End every session given out so far."""
        with self._lock:
            self._sessions = {key: replace(session, expires_ms=0) for key, session in self._sessions.items()}

    def identify(self, access_key: str, token: str | None, now_ms: int) -> Caller:
        """Return whose key it is; refused when it has expired or is nobody's."""
        with self._lock:
            session = self._sessions.get(access_key)
            account = self._accounts.get(access_key)
        if session is not None:
            if token != session.token:
                raise ApiError(UNRECOGNIZED_CLIENT)
            if now_ms >= session.expires_ms:
                raise ApiError(EXPIRED_TOKEN)
            return session.caller
        if account is None and self.strict:
            raise ApiError(UNRECOGNIZED_CLIENT)
        account = account or DEFAULT_ACCOUNT
        return Caller(account=account, arn=f"arn:aws:iam::{account}:user/standin", user_id="AIDASTANDIN")

    def get_caller_identity(self, request: Request, now_ms: int) -> bytes:
        """Answer GetCallerIdentity."""
        del now_ms
        result = {"Arn": request.caller.arn, "UserId": request.caller.user_id, "Account": request.account}
        return _xml_answer("GetCallerIdentity", result)

    def assume_role(self, request: Request, now_ms: int) -> bytes:
        """Answer AssumeRole."""
        parameters = request.parameters
        arn = parameters.required("RoleArn")
        name = parameters.required("RoleSessionName")
        with self._lock:
            role = self._roles.get(arn)
        if role is None or not _may_assume(role, request):
            raise _denied(request, arn)
        return _xml_answer("AssumeRole", _described(self._begin(role, parameters, name, now_ms)))

    def assume_role_with_web_identity(self, parameters: Parameters, now_ms: int) -> bytes:
        """Answer AssumeRoleWithWebIdentity, which nobody signs."""
        arn = parameters.required("RoleArn")
        name = parameters.required("RoleSessionName")
        token = parameters.required("WebIdentityToken")
        with self._lock:
            role = self._roles.get(arn)
        if role is None or role.web_identity_token is None or role.web_identity_token != token:
            raise ApiError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403)
        return _xml_answer("AssumeRoleWithWebIdentity", _described(self._begin(role, parameters, name, now_ms)))

    def _begin(self, role: Role, parameters: Parameters, name: str, now_ms: int) -> Session:
        life_ms = _asked_seconds(role, parameters) * 1000 if role.session_ms is None else role.session_ms
        session = _new_session(role, name, now_ms + life_ms)
        with self._lock:
            self._sessions[session.access_key] = session
        return session


def xml_error(error: ApiError, request_id: str) -> bytes:
    """Return an error as STS words it."""
    parts = {"Type": "Sender" if error.status < 500 else "Receiver", "Code": error.code, "Message": error.message}
    body = f"<Error>{_xml(parts)}</Error><RequestId>{request_id}</RequestId>"
    return f'<ErrorResponse xmlns="{_XML_NAMESPACE}">{body}</ErrorResponse>'.encode()


def _may_assume(role: Role, request: Request) -> bool:
    if role.trusted_accounts and request.account not in role.trusted_accounts:
        return False
    return role.external_id is None or request.parameters.text("ExternalId") == role.external_id


def _denied(request: Request, arn: str) -> ApiError:
    text = f"User: {request.caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    return ApiError("AccessDenied", text, 403)


def _asked_seconds(role: Role, parameters: Parameters) -> int:
    """Return how long the caller wants the session, within what STS and the role allow."""
    seconds = int(parameters.text("DurationSeconds") or _DEFAULT_SESSION_SECONDS)
    if seconds < _MIN_SESSION_SECONDS:
        text = f"Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: at least {_MIN_SESSION_SECONDS}"
        raise ApiError("ValidationError", text)
    if seconds > role.max_session_seconds:
        text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise ApiError("ValidationError", text)
    return seconds


def _new_session(role: Role, name: str, expires_ms: int) -> Session:
    """Return credentials that nobody has had before."""
    role_id = f"AROA{secrets.token_hex(8).upper()}"
    return Session(
        access_key=f"ASIA{secrets.token_hex(8).upper()}",
        secret_key=secrets.token_urlsafe(30),
        token=secrets.token_urlsafe(60),
        expires_ms=expires_ms,
        caller=Caller(
            account=role.account,
            arn=f"arn:{role.arn.split(':')[1]}:sts::{role.account}:assumed-role/{role.name}/{name}",
            user_id=f"{role_id}:{name}",
        ),
    )


def _described(session: Session) -> dict[str, Any]:
    expires = datetime.fromtimestamp(session.expires_ms / 1000, UTC)
    credentials = {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": session.secret_key,
        "SessionToken": session.token,
        "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    user = {"AssumedRoleId": session.caller.user_id, "Arn": session.caller.arn}
    return {"Credentials": credentials, "AssumedRoleUser": user}


def _xml_answer(operation: str, result: dict[str, Any]) -> bytes:
    metadata = f"<ResponseMetadata><RequestId>{secrets.token_hex(16)}</RequestId></ResponseMetadata>"
    body = f"<{operation}Result>{_xml(result)}</{operation}Result>{metadata}"
    return f'<{operation}Response xmlns="{_XML_NAMESPACE}">{body}</{operation}Response>'.encode()


def _xml(values: dict[str, Any]) -> str:
    return "".join(
        f"<{name}>{_xml(value) if isinstance(value, dict) else escape(str(value))}</{name}>"
        for name, value in values.items()
    )
