"""What Redis, or the way to it, refuses: in words of ours, with what to do about it."""

import socket
import ssl
from collections.abc import Iterator

import redis

#: OpenSSL's numbers of why a certificate is not taken.
_EXPIRED, _NOT_YET = 10, 9
_UNTRUSTED = frozenset({2, 18, 19, 20, 21, 24})
_OTHER_HOST = frozenset({62, 64})

#: Nobody listens there.
_NOBODY = (ConnectionRefusedError, FileNotFoundError, PermissionError, socket.gaierror)

#: What OpenSSL says when the other side does not speak TLS, or ends the talk at the sight of it.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING", "HTTP_REQUEST")
#: What a server says that asks for a certificate and gets none, or one it does not know.
_CLIENT = ("CERTIFICATE_REQUIRED", "UNKNOWN_CA", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE", "CERTIFICATE_EXPIRED")


def refusal(error: BaseException) -> str | None:
    """Return why Redis will not have us, and what to do; None when it is just not there, or an error we know nothing of."""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate(cause)
        if isinstance(cause, ssl.SSLError):
            return _tls(cause)
        if isinstance(cause, redis.exceptions.NoPermissionError) or _is_aborted_by_it(cause):
            return (
                f"refuses: {_line(cause)}: give the user the commands and keys that docs/redis.md lists (ACL SETUSER), "
                "or name another user in redis_url"
            )
        if isinstance(cause, redis.exceptions.AuthenticationError):
            return f"refuses the password or user ({_line(cause)}): correct redis_url or redis_password_file"
    return None


def _is_aborted_by_it(error: BaseException) -> bool:
    """Tell a transaction that Redis gave up because one of its commands is not permitted."""
    return isinstance(error, redis.exceptions.ExecAbortError) and "NOPERM" in str(error)


def hint(error: BaseException, *, tls: bool) -> str:
    """Return what else may be the matter, to be read behind "correct redis_url", where a server hung up or said nothing."""
    causes = list(_chain(error))
    if any(isinstance(cause, _NOBODY) for cause in causes):
        return ""
    if tls:
        return "; or it speaks no TLS at this port, or asks for a certificate: give it by redis_client_cert"
    hung_up = isinstance(error, redis.ConnectionError) and (
        "closed by server" in str(error) or any(isinstance(cause, ConnectionResetError) for cause in causes)
    )
    return "; or, if it speaks TLS at this port, begin redis_url with rediss://" if hung_up else ""


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message
    if error.verify_code in _UNTRUSTED:
        return f"has a certificate of an authority that is not trusted ({said}): name that authority by redis_ca_bundle"
    if error.verify_code == _EXPIRED:
        return f"has a certificate that is no longer valid ({said}): renew it there"
    if error.verify_code == _NOT_YET:
        return f"has a certificate that is not valid yet ({said}): look at the clocks of both hosts"
    if error.verify_code in _OTHER_HOST:
        return f"has a certificate for another host ({said}): write the host in redis_url as the certificate has it"
    return f"has a certificate that cannot be trusted ({said}): mend it there"


def _tls(error: ssl.SSLError) -> str | None:
    reason = error.reason or ""
    if any(mark in reason for mark in _CLIENT):
        return (
            f"does not take our certificate, or asks for one ({reason.lower().replace('_', ' ')}): "
            "give one that it knows by redis_client_cert and redis_client_key"
        )
    if any(mark in reason for mark in _NO_TLS):
        return "does not speak TLS at this port: begin redis_url with redis://, or name the port that does"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it: redis-py puts its own around those of the system."""
    seen = 0
    while error is not None and seen < 10:
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
