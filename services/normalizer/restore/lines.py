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
    line = _COLOUR.sub(b"", log) if ESCAPE in log else log
    runtime = _RUNTIME.match(line)
    if runtime:
        line = line[runtime.end() :]
    for form, rewrite in ((_ISO, _from_iso), (_RFC5424, _from_rfc5424), (_PRIORITY, _without_priority)):
        found = form.match(line)
        if found:
            return rewrite(line, found)
    return line


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
