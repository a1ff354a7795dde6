"""How analysisd reads a datagram, written from the sources of Wazuh 4.14 for comparison. Nothing of ours.

In this order: location and log (cleanevent.c), date, host and program off the log (the same), the decoders that hand
what is left to the JSON decoder (ruleset/decoders), and what that makes of it.
"""

import re
from typing import NamedTuple

from tests.reference_cjson import fields_of

_HOST_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789()-./@_")
_DIGITS = frozenset(b"0123456789")
_LOWER = frozenset(b"abcdefghijklmnopqrstuvwxyz")
_ALPHANUMERIC = _DIGITS | _LOWER | frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")

# The forms of a date with a host behind: bytes at their places, bytes of log needed, bytes taken off.
_HEADERS = (
    ({3: b" ", 6: b" ", 9: b":", 12: b":", 15: b" "}, 17, 16),
    ({4: b"-", 7: b"-", 10: b" ", 13: b":", 16: b":", 19: b","}, 24, 24),
    ({4: b"-", 7: b"-", 10: b"T", 13: b":", 16: b":", 22: b":", 25: b" "}, 33, 26),
    ({4: b"-", 7: b"-", 10: b"T", 13: b":", 16: b":", 19: b".", 26: b":"}, 33, 30),
    ({4: b"-", 7: b"-", 10: b"T", 13: b":", 16: b":", 19: b".", 29: b":"}, 33, 33),
    ({4: b"-", 7: b"-", 10: b"T", 13: b":", 16: b":", 19: b"."}, 33, 32),
    ({0: b"0123456789", 4: b" ", 8: b" ", 11: b" ", 14: b":", 17: b":", 20: b" "}, 21, 21),
    ({0: b"0123456789", 4: b"-", 7: b"-", 10: b" ", 13: b":", 16: b":", 19: b".", 26: b"-+", 31: b" "}, 33, 32),
)
# Those without: xferlog, snort, suricata, apache.
_DATES = (
    ({3: b" ", 7: b" ", 10: b" ", 13: b":", 16: b":", 19: b" ", 24: b" ", 26: b" "}, 28, 25),
    ({2: b"/", 5: b"-", 8: b":", 11: b":", 14: b".", 21: b" "}, 24, 23),
    ({2: b"/", 5: b"/", 10: b"-", 13: b":", 16: b":", 19: b".", 26: b" "}, 28, 28),
    ({0: b"[", 4: b" ", 8: b" ", 11: b" ", 14: b":", 17: b":", 20: b" ", 25: b"]"}, 27, 27),
)
_APPLE = {0: b"[", 1: b"T", 5: b" ", 10: b".", 13: b".", 16: b" ", 19: b":"}
_SQUID = {0: b"1", 1: b"0123456789", 2: b"0123456789", 3: b"0123456789", 10: b".", 13: b"0123456789", 14: b" "}

_OWN_MESSAGES = (
    re.compile(rb"wazuh: FIM DB: ", re.IGNORECASE),
    re.compile(rb"\d\d\d\d/\d\d/\d\d \d\d:\d\d:\d\d active-response/bin/[^ ]+: ", re.IGNORECASE),
)


class Reading(NamedTuple):
    """What analysisd makes of one datagram."""

    location: str
    full_log: str
    log: str
    """What the decoders look at: without date, host and program."""
    is_json: bool
    """The log is handed to the JSON decoder."""
    fields: list[tuple[str, str]]
    """What the JSON decoder finds, in order; the first of a name wins."""
    is_alert: bool
    """The log passes for an alert that another manager forwards."""

    def field(self, name: str) -> str | None:
        """Return the value that a rule with `<field name=...>` sees."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)


def read(datagram: bytes) -> Reading:
    """Return what analysisd makes of `datagram`. Raises AssertionError where it would refuse or cut it."""
    assert 4 < len(datagram) <= 65_535
    assert b"\0" not in datagram
    location, full_log = _split(datagram[2:])
    log = _without_header(full_log)
    text = _json_text(log)
    fields = fields_of(text) if text is not None else None
    is_alert = log.startswith((b"Alert Level:", b"ossec: Alert Level"))
    shown = log.decode(errors="replace")  # a date's length is taken off wherever it ends
    return Reading(location.decode(), full_log.decode(), shown, text is not None, fields or [], is_alert)


def _split(message: bytes) -> tuple[bytes, bytes]:
    location = bytearray()
    at = 0
    while message[at] != ord(":"):
        if message[at] == ord("|"):
            at += 1
        location.append(message[at])
        at += 1
    return bytes(location), message[at + 1 :]


def _json_text(log: bytes) -> bytes | None:
    """Return what is handed to the JSON decoder, if anything is."""
    if b'"integration":"ms-graph"' in log.lower() or re.match(rb'\{ *"', log):
        return log
    for form in _OWN_MESSAGES:
        own = form.match(log)
        if own:
            return log[own.end() :]
    return None


def _has(log: bytes, form: dict[int, bytes], more_than: int = 0) -> bool:
    return len(log) >= more_than and all(at < len(log) and log[at] in wanted for at, wanted in form.items())


def _without_header(log: bytes) -> bytes:
    looked_at = b"Ma" + log[3:] + b"\0" if log[1:3] == b"\xc3\xa4" else log
    for form, needed, length in _HEADERS:
        if _has(looked_at, form, needed):
            return _behind_host(log[length:].removeprefix(b" "))
    for form, needed, length in _DATES:
        if _has(looked_at, form, needed):
            return log[length:]
    if _has(looked_at, _APPLE, 26):
        return _apple_message(log[25:])
    if _has(looked_at, _SQUID, 32) and b" " in (looked_at[21:22], looked_at[22:23]):
        return log[14:].lstrip(b" ")
    return log


def _apple_message(log: bytes) -> bytes:
    for piece in log.split(b"[")[1:]:
        if piece.startswith(b"Host "):
            break
        if piece.startswith(b"Message "):
            return log[log.index(b"[Message ") + len(b"[Message ") :].split(b"]")[0]
    return log


def _run(log: bytes, characters: frozenset[int], at: int = 0) -> int:
    while at < len(log) and log[at] in characters:
        at += 1
    return at


def _behind_host(log: bytes) -> bytes:
    end = _run(log, _HOST_CHARACTERS)
    if log[end : end + 2] == b": ":
        return _without_id(log[end + 2 :])
    if log[end : end + 1] != b" ":
        return log
    log = log[end + 1 :]
    behind = _behind_program(log)
    return log if behind is None else _without_id(behind)


def _behind_program(log: bytes) -> bytes | None:
    end = _run(log, _HOST_CHARACTERS)
    if log[end : end + 1] == b":":
        return log[end + 1 :].removeprefix(b" ")
    if log[end : end + 1] == b"[" and _run(log, _DIGITS, end + 1) > end + 1:
        end = _run(log, _DIGITS, end + 1)
        if log[end : end + 2] == b"]:":
            return log[end + 2 :].removeprefix(b" ")
        return log[end + 2 :] if log[end : end + 2] == b"] " else None
    if log[end : end + 1] == b"|" and _run(log, _LOWER, end + 1) > end + 1:
        return _behind_facility(log, _run(log, _ALPHANUMERIC, end + 1))
    return None


def _behind_facility(log: bytes, end: int) -> bytes | None:
    if log[end : end + 1] != b":":
        return None
    end = _run(log, _ALPHANUMERIC, end + 1)
    if log[end : end + 1] != b" ":
        return None
    end = _run(log, _HOST_CHARACTERS, end + 1)
    if log[end : end + 2] == b": ":
        return log[end + 2 :]
    if log[end : end + 1] == b"[" and _run(log, _DIGITS, end + 1) > end + 1:
        end = _run(log, _DIGITS, end + 1)
        return log[end + 3 :] if log[end : end + 3] == b"]: " else None
    return log[end:]


def _without_id(log: bytes) -> bytes:
    end = log.find(b"]")
    return log[end + 2 :] if log.startswith(b"[ID ") and end >= 0 else log
