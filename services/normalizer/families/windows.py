"""Windows events as XML, for analysisd's own queue of them: no decoder of the other one reads them."""

import html
import re

import msgspec

from services.normalizer.families.family import Context, EventChannel
from services.normalizer.wire import MAX_DATAGRAM_BYTES

_PROLOG = re.compile(r"\ufeff?\s{0,64}(?:<\?xml[^>]{0,256}\?>\s{0,64})?(?=<Event[ >])")
_TAG = re.compile(r"<[A-Za-z/][^<>]*>")
_ATTRIBUTE = re.compile(r'="([^"\']*)"')
_MESSAGE = re.compile(r"<RenderingInfo[^<>]{0,256}>\s{0,64}<Message>([^<]*)</Message>")


def windows(log: bytes, _context: Context) -> EventChannel | None:
    """Shape an event. Its attributes get single quotes: the double ones of JSON would reach the XML reader escaped."""
    if len(log) > MAX_DATAGRAM_BYTES:
        return None
    text = log.decode()
    prolog = _PROLOG.match(text)
    text = text[prolog.end() :].rstrip() if prolog else ""
    if not text.endswith("</Event>"):
        return None
    rendered = _MESSAGE.search(text)
    message = html.unescape(rendered[1]) if rendered else ""
    return EventChannel(msgspec.json.encode({"Message": message, "Event": _TAG.sub(_requoted, text)}))


def _requoted(tag: re.Match[str]) -> str:
    return _ATTRIBUTE.sub(r"='\1'", tag[0])
