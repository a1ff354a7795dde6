"""The body of a FilterLogEvents answer, decoded straight into our messages.

botocore's own parser takes fifteen times as long an event. Its hook `before-parse` hands over the raw body; errors
(status 300 and above) stay botocore's business.
"""

import json
import re
from typing import Any

import msgspec

from shared.errors import SourceBusy
from shared.messages import LogEvent

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: events, oldest first as AWS documents it, and where the next page begins (None: this was the last)."""

    events: list[LogEvent]
    """Always there, if empty: a body without it is no page, and must not pass for the last one."""
    token: str | None = msgspec.field(name="nextToken", default=None)


_decoder = msgspec.json.Decoder(Page)


def decode(body: bytes) -> Page:
    """Return the page in `body`. A surrogate without its other half, which is no text, becomes U+FFFD.

    Raises SourceBusy when the body is no page: a proxy's error page, a connection cut short.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # msgspec is strict where JSON is not: give the lenient standard parser a try before complaining
    try:
        return msgspec.convert(_mended(json.loads(body.decode("utf-8", "replace"))), Page)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise SourceBusy(
            f"AWS answered logs:FilterLogEvents with something that is no page of events: {error}"
        ) from None


def _mended(answer: Any) -> Any:
    """Replace lone surrogates in the few strings of a page. Anything else is left for msgspec to judge."""
    events = answer.get("events") if isinstance(answer, dict) else None
    for place in [answer, *(events if isinstance(events, list) else [])]:
        if isinstance(place, dict):
            for name, value in place.items():
                if isinstance(value, str):
                    place[name] = _LONE_SURROGATE.sub("\ufffd", value)
    return answer


def hook(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Take the place of botocore's parser, as a handler of `before-parse.cloudwatch-logs.FilterLogEvents`."""
    if response_dict["status_code"] < 300:
        customized_response_dict["page"] = decode(response_dict["body"])
        response_dict["body"] = b"{}"
