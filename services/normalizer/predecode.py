"""What analysisd makes of a text before its decoders run, as far as a text could thereby pass for something else.

analysisd takes date, host and program off a line (analysisd/cleanevent.c of Wazuh 4.4 to 4.14) and shows its decoders
the rest. If the rest begins like a JSON object it is decoded as one: `Jan  1 00:00:00 web {"integration":"aws",...`.
A line can also claim to be an alert forwarded by another manager, and so choose its rule and write its location.
"""

import re

from services.normalizer import json_object

#: Nowhere in this text would analysisd read JSON.
NOWHERE = -1
#: This text must not reach analysisd's decoders in its own shape.
UNSAFE = -2

#: Farther into a line an object is not looked at as one: no date, host and program are that long.
MAX_PREAMBLE_BYTES = 1_024

_OPEN, _LEVEL = b"{L"
_BRACE = re.compile(rb'\{[\x00-\x20]*["}]')

# Only the punctuation counts for analysisd. Each form with the lengths that the versions take off: behind a comma 24
# or, before 4.13, 23; behind a fraction of a second by where the zone's colon stands, before 4.7 without the 30.
_DATES: tuple[tuple[re.Pattern[bytes], tuple[int, ...]], ...] = tuple(
    (re.compile(form, re.DOTALL), lengths)
    for form, lengths in (
        (rb".{3} .. ..:..:.. ", (16,)),
        (rb".{4}-..-.. ..:..:..,", (24, 23)),
        (rb".{4}-..-..T..:..:.{5}:.. ", (26,)),
        (rb".{4}-..-..T..:..:..\..{6}:..:", (30, 33)),
        (rb".{4}-..-..T..:..:..\..{6}:", (30, 32)),
        (rb".{4}-..-..T..:..:..\..{9}:", (33,)),
        (rb".{4}-..-..T..:..:..\.", (32,)),
        (rb"\d.{3} .{3} .. ..:..:.. ", (21,)),
        (rb"\d.{3}-..-.. ..:..:..\..{6}[-+].{4} ", (32,)),
    )
)

# Dates behind which analysisd looks for no host: xferlog, snort, suricata, apache, squid. It takes off what matches.
_BARE_DATES = tuple(
    re.compile(form, re.DOTALL)
    for form in (
        rb".{3} .{3} .. ..:..:.. .{4} (?=. )",
        rb"../..-..:..:..\..{6} .",
        rb"../../.{4}-..:..:..\..{6} .",
        rb"\[.{3} .{3} .. ..:..:.. .{4}\].",
        rb"1\d\d\d.{6}\...\d (?=.{6}(?: |. )) *",
    )
)
# Apple's form is cut at brackets, of which an origin may have some: there is no safe place to splice one in.
_APPLE_DATE = re.compile(rb"\[T.{3} .{4}\...\... ..:", re.DOTALL)
_APPLE_MESSAGE = re.compile(rb"\[Message ")

_ANY_DATE = re.compile(
    b"|".join(form.pattern for form in (*(form for form, _ in _DATES), *_BARE_DATES, _APPLE_DATE)), re.DOTALL
)

_WORD = rb"[-A-Za-z0-9()@_./]*"
_HOST = re.compile(_WORD + rb"(: | )")
_PROGRAM = re.compile(
    rb"(?:%b(?:: ?|\[\d+\](?:: ?| ))|%b\|[a-z][A-Za-z0-9]*:[A-Za-z0-9]* %b(?:: |\[\d+\]: )?)" % (_WORD, _WORD, _WORD)
)
_SOLARIS_ID = re.compile(rb"\[ID [^\]]*\].?", re.DOTALL)

# Two decoders hand the rest of such a line to the JSON decoder, as analysisd's own messages.
_OWN_MESSAGE = re.compile(rb"wazuh: FIM DB: |\d{4}/\d\d/\d\d \d\d:\d\d:\d\d active-response/bin/[^ ]+: ", re.IGNORECASE)
_ALERT = re.compile(rb"(?:ossec: )?Alert Level")


def find_object(log: bytes) -> int:
    """Return where analysisd would begin to read `log` as a JSON object; NOWHERE or UNSAFE if there is no such place.

    NOWHERE holds for every beginning of `log` as well, so for the first part of one that is too long.
    """
    # One byte is found much faster than several.
    if (_OPEN not in log or not _BRACE.search(log)) and (_LEVEL not in log or log.find(b"Alert Level") < 0):
        return NOWHERE
    found = json_object.start(log)
    if found >= 0:
        return found
    places = {_read_at(log, position) for position in _starts(log)} - {NOWHERE}
    if not places:
        return NOWHERE
    place = places.pop()
    return UNSAFE if places or place > MAX_PREAMBLE_BYTES or _APPLE_DATE.match(log) else place


def _read_at(log: bytes, position: int) -> int:
    if _ALERT.match(log, position):
        return UNSAFE
    own_message = _OWN_MESSAGE.match(log, position)
    return json_object.start(log, own_message.end() if own_message else position)


def _starts(log: bytes) -> list[int]:
    """Return where the decoders begin to look at `log`, a place for each opinion that analysisd may have of it."""
    # Month names with a two-byte second letter ("Mär") are looked at as if they had one.
    looked_at = log[1:] if log.startswith(b"\xc3\xa4", 1) else log
    if not _ANY_DATE.match(looked_at):
        return [0]
    for form, lengths in _DATES:
        if form.match(looked_at):
            return [_behind_host(log, length) for length in lengths]
    for bare in _BARE_DATES:
        date = bare.match(looked_at)
        if date:
            return [date.end()]
    return [25, *(message.end() for message in _APPLE_MESSAGE.finditer(log))]


def _behind_host(log: bytes, position: int) -> int:
    if log.startswith(b" ", position):
        position += 1
    host = _HOST.match(log, position)
    if not host:
        return position
    position = host.end()
    if host[1] == b" ":
        program = _PROGRAM.match(log, position)
        if not program:
            return position
        position = program.end()
    solaris_id = _SOLARIS_ID.match(log, position)
    return solaris_id.end() if solaris_id else position


def preamble(log: bytes, place: int) -> bytes:
    """Return what stays before the object at `place`: date, host and program, but no mere white space."""
    return log[:place] if log[:place].strip(json_object.BLANKS) else b""
