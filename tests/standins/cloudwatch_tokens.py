"""Tokens: where reading goes on, sealed together with the parameters it began with.

A token holds a position and nothing of what was seen there: an event that arrives later behind it is never returned by
it, one ahead of it is.
"""

import base64
import binascii
import hashlib

import msgspec

from tests.standins.cloudwatch_errors import ApiError, invalid
from tests.standins.cloudwatch_events import Position
from tests.standins.cloudwatch_request import Request

DAY_MS = 24 * 3600 * 1000

_SEAL_BYTES = 8
_FREE_PARAMETERS = {"nextToken", "limit"}


class Token(msgspec.Struct, frozen=True, array_like=True):
    """What a nextToken says."""

    bound_to: bytes
    issued_ms: int
    page: int = 1
    """The page that was answered with it, counted from 1."""
    after: Position | None = None
    after_name: str = ""
    """For lists of names: the last one listed."""
    again: list[Position] = []
    """The last events of that page, for one that overlaps it."""


def binding(request: Request) -> bytes:
    """Return what ties a token to its call: account, region, operation and every parameter but limit."""
    values = {name: value for name, value in request.parameters.values.items() if name not in _FREE_PARAMETERS}
    plain = msgspec.json.encode([request.account, request.region, request.operation, values], order="deterministic")
    return _seal(plain)


def write(token: Token) -> str:
    """Return the token as AWS's callers see it."""
    plain = msgspec.msgpack.encode(token)
    return base64.urlsafe_b64encode(_seal(plain) + plain).decode()


def read(request: Request, now_ms: int, life_ms: int) -> Token | None:
    """Return the call's token, None when it has none.

    One that was never issued, is too old, or began with other parameters is an InvalidParameterException.
    """
    text = request.parameters.text("nextToken")
    if text is None:
        return None
    token = _open(text)
    if token.bound_to != binding(request) or now_ms - token.issued_ms >= life_ms:
        raise refusal()
    return token


def refusal() -> ApiError:
    """Return what AWS says to a token it does not take."""
    return invalid("The specified nextToken is invalid.")


def _open(text: str) -> Token:
    try:
        sealed = base64.urlsafe_b64decode(text)
        plain = sealed[_SEAL_BYTES:]
        if _seal(plain) == sealed[:_SEAL_BYTES]:
            return msgspec.msgpack.decode(plain, type=Token)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        pass
    raise refusal()


def _seal(plain: bytes) -> bytes:
    return hashlib.blake2b(plain, digest_size=_SEAL_BYTES, key=b"cloudwatch stand-in").digest()
