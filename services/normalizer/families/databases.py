"""Error logs of RDS and Aurora as Wazuh's decoders for MySQL and PostgreSQL know them."""

import re

from services.normalizer.families.family import Context, Line

_MYSQL = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}(?:Z|[+-]\d\d:\d\d) \d{1,20} \[[A-Za-z]{1,16}\] ")
# The prefix that RDS gives to each line: time, address and port, user and database, process.
_POSTGRES = re.compile(
    rb"(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? [A-Za-z0-9+-]{1,16})"
    rb":(?P<peer>[^@\n]{0,255}?):(?P<user>[^@\n]{0,255})@(?P<database>[^\n]{0,255}?):\[(?P<pid>\d{1,10})\]"
    rb":(?P<level>[A-Z]{2,9}\d?): {0,4}"
)
_BLANK = re.compile(rb"[\s:]+")


def mysql(log: bytes, _context: Context) -> Line | None:
    """Put before a line of MySQL's what tells the decoder. MariaDB's lines have a decoder that takes them as they are."""
    return Line(b"MySQL log: " + log) if _MYSQL.match(log) else None


def postgres(log: bytes, _context: Context) -> Line | None:
    """Write the prefix of a line as `[time] user@database,address,pid=process LEVEL: `, of which the decoder takes one word."""
    found = _POSTGRES.match(log)
    if not found:
        return None
    user, database, peer = (_BLANK.sub(b"_", found[name]) for name in ("user", "database", "peer"))
    identity = b"%b@%b,%b,pid=%b" % (user, database, peer, found["pid"])
    return Line(b"[%b] %b %b: %b" % (found["stamp"], identity, found["level"], log[found.end() :]))
