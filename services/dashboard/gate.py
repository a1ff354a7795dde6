"""In front of everything, static files and errors too: the password, and the headers that every answer has."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Where the nonce of an answer's own script is kept in its environ.
NONCE = "cwpipe.nonce"

#: The pages build their tables by Underscore's templates, which are compiled in the browser: 'unsafe-eval'. Scripts that
#: a job's text might bring along have no nonce, handlers in attributes are inline: neither is run.
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
#: A flood of guesses makes no flood of log lines.
_LOG_SECONDS = 1.0

log = structlog.get_logger()


class Gate:
    """Lets through to `app` who knows user and password."""

    def __init__(self, app: "WSGIApplication", user: str, password: str) -> None:
        self._app = app
        self._expected = _digest(f"{user}:{password}".encode())
        self._refused = 0
        self._logged_at = -_LOG_SECONDS

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        nonce = environ[NONCE] = secrets.token_urlsafe(16)

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, _with_ours(headers, nonce), *exc_info)

        if self._knows_password(environ):
            return self._app(environ, start)
        body = b"cwpipe: log in with the user and password of the dashboard\n"
        start(
            "401 Unauthorized",
            [
                ("WWW-Authenticate", 'Basic realm="cwpipe dashboard", charset="UTF-8"'),
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(body))),
            ],
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _knows_password(self, environ: "WSGIEnvironment") -> bool:
        scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            known = hmac.compare_digest(_digest(base64.b64decode(given, validate=True)), self._expected)
        except (binascii.Error, ValueError):
            known = False
        if not known:
            self._note_refusal(environ.get("REMOTE_ADDR", ""))
        return known

    def _note_refusal(self, address: str) -> None:
        self._refused += 1
        if monotonic() - self._logged_at >= _LOG_SECONDS:
            log.warning("wrong user or password", client=address, times=self._refused)
            self._refused, self._logged_at = 0, monotonic()


def _digest(credentials: bytes) -> bytes:
    """Return bytes of one length, so that comparing them takes one time."""
    return hashlib.sha256(credentials).digest()


def _with_ours(headers: list[tuple[str, str]], nonce: str) -> list[tuple[str, str]]:
    names = {name.lower() for name, _ in headers}
    caching = [] if "cache-control" in names else [("Cache-Control", "no-store")]
    return [*headers, *caching, *_HEADERS, ("Content-Security-Policy", _POLICY.format(nonce=nonce))]
