"""Files of /var/log that an agent reads line by line, and whose lines have lost their date and host."""

import re

from services.normalizer.families.family import Context, Line
from services.normalizer.restore import stamps

_PROGRAM = (
    rb"(?:sshd(?:-session)?|sudo|su|login|passwd|useradd|userdel|usermod|groupadd|groupdel|systemd(?:-logind)?|CRON|crond"
    rb"|kernel|polkitd|dbus-daemon)(?:\[\d{1,10}\])?: "
)
_TAG = re.compile(rb"(?P<date>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?(?P<rest>" + _PROGRAM + rb")")
_SSHD = re.compile(
    rb"(?:Invalid user|Failed (?:password|publickey|none|keyboard-interactive/pam) for|Accepted [a-z/-]{1,32} for"
    rb"|Connection (?:closed|reset) by|Disconnected from|Received disconnect from|Did not receive identification string"
    rb"|Bad protocol version identification|reverse mapping checking|User [^ ]{1,64} from [^ ]{1,64} not allowed) "
)
_NO_HOST = re.compile(r"[^A-Za-z0-9()@_./-]+")
_MAX_HOST = 64


def syslog(log: bytes, context: Context) -> Line | None:
    """Give a line of a known program the header that its decoder needs; its host is the stream's name."""
    tag = _TAG.match(log)
    if not tag and not _SSHD.match(log):
        return None
    line = log[tag.start("rest") :] if tag else b"sshd: " + log
    date = (tag["date"] if tag else None) or stamps.of_milliseconds(context.timestamp_ms) + b" "
    host = _NO_HOST.sub("_", context.log_stream)[:_MAX_HOST] or "cloudwatch"
    return Line(b"%b%b %b" % (date, host.encode(), line))
