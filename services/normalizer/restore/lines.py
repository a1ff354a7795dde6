"""Lines as the decoders know them: without a runtime's prefix and colours, with a syslog header that analysisd reads.

analysisd takes a date, a host and a program off a line before its decoders see it. It misreads ISO stamps with a `Z`,
RFC 5424 and priorities, and then no rule for sshd, sudo or another program fires.
"""

import re

from services.normalizer.restore import stamps

ESCAPE = 0x1B

_COLOUR = re.compile(rb"\x1b\[[0-9;?]{0,32}[ -/]{0,2}[@-~]")
# What container runtimes put before a line: a stamp, the stream, and F for a full line or P for a part of one.
_RUNTIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP] ")

_HOST = rb"(?P<host>[A-Za-z0-9()@_./-]{1,255})"
_PROGRAM = rb"(?P<program>[A-Za-z0-9()@_./-]{1,64}(?:\[\d{1,10}\])?: )"
_STAMP = rb"\d{4}-(?P<month>\d\d)-(?P<day>\d\d)T(?P<time>\d\d:\d\d:\d\d)(?P<fraction>[.,]\d{1,9})?"
_ISO = re.compile(_STAMP + rb"(?P<zone>Z|[+-]\d\d:?\d\d)? " + _HOST + rb" " + _PROGRAM)
# With these behind the seconds analysisd reads an ISO stamp as what it is.
_READ_AS_IT_IS = re.compile(rb"(?:[.]\d{3}|[.]\d{6})?[+-]\d\d:\d\d")
_PRIORITY = re.compile(rb"<\d{1,3}>(?=[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )")
_RFC5424 = re.compile(
    rb"<\d{1,3}>1 "
    + _STAMP
    + rb"(?:Z|[+-]\d\d:\d\d) "
    + _HOST
    + rb" (?P<app>[A-Za-z0-9()@_./-]{1,64}) (?:-|(?P<pid>\d{1,10})|[!-~]{1,128}) [!-~]{1,64} "
    rb"(?:-|(?:\[(?:[^\]\\]|\\.){0,4096}\]){1,16})(?: (?:\xef\xbb\xbf)?|\Z)",
    re.DOTALL,
)


def restored(log: bytes) -> bytes:
    """Return the line `log` as Wazuh's decoders read it; `log` itself where there is nothing to restore."""
    line = _without_runtime(_without_colours(log))
    for _, form, rewrite in _HEADERS:
        found = form.match(line)
        if found:
            return rewrite(line, found)
    return line


def told(log: bytes) -> list[str]:
    """Return what `restored` does to the line `log`, a phrase for each change."""
    plain = _without_colours(log)
    line = _without_runtime(plain)
    changes = ["colours of a terminal removed"] if plain != log else []
    if line != plain:
        changes.append("prefix of a container runtime removed")
    header = next(
        ((what, rewrite(line, found)) for what, form, rewrite in _HEADERS if (found := form.match(line))), None
    )
    return [*changes, header[0]] if header and header[1] is not line else changes


def _without_colours(line: bytes) -> bytes:
    return _COLOUR.sub(b"", line) if ESCAPE in line else line


def _without_runtime(line: bytes) -> bytes:
    runtime = _RUNTIME.match(line)
    return line[runtime.end() :] if runtime else line


def _from_iso(line: bytes, found: re.Match[bytes]) -> bytes:
    if _READ_AS_IT_IS.fullmatch((found["fraction"] or b"") + (found["zone"] or b"")):
        return line
    stamp = stamps.of_iso(found["month"], found["day"], found["time"])
    return line if stamp is None else b"%b %b" % (stamp, line[found.start("host") :])


def _from_rfc5424(line: bytes, found: re.Match[bytes]) -> bytes:
    stamp = stamps.of_iso(found["month"], found["day"], found["time"])
    if stamp is None:
        return line
    pid = b"[%b]" % found["pid"] if found["pid"] else b""
    return b"%b %b %b%b: %b" % (stamp, found["host"], found["app"], pid, line[found.end() :])


def _without_priority(line: bytes, found: re.Match[bytes]) -> bytes:
    return line[found.end() :]


_HEADERS = (
    ("header with an ISO stamp written anew as one of RFC 3164", _ISO, _from_iso),
    ("header of RFC 5424 written anew as one of RFC 3164", _RFC5424, _from_rfc5424),
    ("priority in front removed", _PRIORITY, _without_priority),
)
