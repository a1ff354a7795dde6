"""Windows events: as XML for analysisd's own queue of them, as text in the form that agents once sent."""

import html
import re

import msgspec

from services.normalizer.families.family import Context, EventChannel, Line
from services.normalizer.restore import stamps
from services.normalizer.wire import MAX_DATAGRAM_BYTES

_PROLOG = re.compile(r"\ufeff?\s{0,64}(?:<\?xml[^>]{0,256}\?>\s{0,64})?(?=<Event[ >])")
_TEXT = re.compile(
    rb"\[(?P<channel>[^\]\n:]{1,128})\] \[(?P<level>[A-Z_]{1,32})\] \[(?P<id>\d{1,5})\] \[(?P<provider>[^\]\n:]{1,128})\]"
    rb" \[(?P<computer>[^\]\n: ]{1,128})\] \["
)
_TAG = re.compile(r"<[A-Za-z/][^<>]*>")
_ATTRIBUTE = re.compile(r'="([^"\']*)"')
_MESSAGE = re.compile(r"<RenderingInfo[^<>]{0,256}>\s{0,64}<Message>([^<]*)</Message>")


def windows(log: bytes, context: Context) -> EventChannel | Line | None:
    """Shape an event. Its attributes get single quotes: the double ones of JSON would reach the XML reader escaped."""
    if len(log) > MAX_DATAGRAM_BYTES:
        return None
    told = _TEXT.match(log)
    if told:
        return _as_text(told, log[told.end() :], context)
    text = log.decode()
    prolog = _PROLOG.match(text)
    text = text[prolog.end() :].rstrip() if prolog else ""
    if not text.endswith("</Event>"):
        return None
    rendered = _MESSAGE.search(text)
    message = html.unescape(rendered[1]) if rendered else ""
    return EventChannel(msgspec.json.encode({"Message": message, "Event": _TAG.sub(_requoted, text)}))


def _as_text(told: re.Match[bytes], message: bytes, context: Context) -> Line:
    event = b"%b: %b(%b): %b: (no user): no domain: %b: " % told.group("channel", "level", "id", "provider", "computer")
    stamp = stamps.with_year(context.timestamp_ms)
    return Line(b"%b WinEvtLog: %b%b" % (stamp, event, message.removesuffix(b"]")))


def _requoted(tag: re.Match[str]) -> str:
    return _ATTRIBUTE.sub(r"='\1'", tag[0])
