"""Answers of AWS up to a length. botocore reads whatever an endpoint, or a proxy in front of it, sends, and keeps it all."""

from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import ConnectionClosedError, HTTPClientError, ReadTimeoutError
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.exceptions import ReadTimeoutError as NotReadInTime

#: A page has a megabyte of messages at most, and ten thousand events: as JSON, in escapes, some ten times as much.
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_AT_ONCE = 1024 * 1024


class AnswerTooLong(HTTPClientError):
    """More than any answer of AWS; what follows is not read."""

    fmt = "The answer is longer than {limit} bytes, so it is none of AWS's"


def bound(client: Any) -> None:
    """Have every answer that `client` of botocore gets be bounded. There is no public way in."""
    session = client._endpoint.http_session
    session.send = partial(_send, session.send)


def _send(send: Callable[[Any], Any], request: Any) -> Any:
    """Send a prepared request and return its answer, read. Blocks and raises as botocore does, and raises AnswerTooLong."""
    request.stream_output = True  # or botocore would have read it by now
    answer = send(request)
    try:
        answer._content = _read(answer.raw)
    except NotReadInTime as error:
        raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
    except ProtocolError as error:
        raise ConnectionClosedError(endpoint_url=request.url, request=request, error=error) from error
    except HTTPError as error:
        raise HTTPClientError(error=error) from error
    return answer


def _read(raw: Any) -> bytes:
    pieces, left = [], MAX_ANSWER_BYTES
    for piece in raw.stream(_AT_ONCE):
        left -= len(piece)
        if left < 0:
            raw.close()
            raise AnswerTooLong(limit=MAX_ANSWER_BYTES)
        pieces.append(piece)
    return b"".join(pieces)
