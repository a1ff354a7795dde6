"""Lines that travel inside a JSON object: FireLens, Fluent Bit and docker write `log`, journald writes `MESSAGE`.

Only what nobody but such a writer puts beside the line tells one: an application's own object with a member `log` keeps
its shape.
"""

import re

import msgspec

from services.normalizer.restore import stamps
from services.normalizer.text import clean

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_STRING = msgspec.json.Decoder(str).decode

#: One of these beside `log` names the container that wrote the line, or what the router made of it.
_ROUTER = frozenset(("container_id", "container_name", "ecs_task_arn", "kubernetes", "docker", "log_processed"))
#: And this is all that docker's own driver, and container runtimes, write.
_RUNTIME = frozenset(("log", "stream", "time", "attrs", "logtag", "_p"))

_WORD = re.compile(r"[A-Za-z0-9@_./-]{1,255}")
_NUMBER = re.compile(r"[0-9]{1,16}")


def opened(body: bytes, timestamp_ms: int) -> bytes | None:
    """Return the line in the valid object `body`, as clean text. None: there is none, or `body` is no wrapper.

    `timestamp_ms` dates a journald entry that has no time of its own.
    """
    members = _OBJECT(body)
    writer = _writer_of(members)
    if writer == "container":
        line = _text(members, "log")
        return None if line is None else clean(line)
    return _journal(members, timestamp_ms) if writer == "journald" else None


def writer(body: bytes) -> str:
    """Return the family of the valid object `body`, `container` or `journald`; "" if it is no wrapper."""
    return _writer_of(_OBJECT(body))


def _writer_of(members: dict[str, msgspec.Raw]) -> str:
    if "log" in members and (_ROUTER & members.keys() or ("stream" in members and members.keys() <= _RUNTIME)):
        return "container"
    return "journald" if "MESSAGE" in members and "_HOSTNAME" in members else ""


def _journal(members: dict[str, msgspec.Raw], timestamp_ms: int) -> bytes | None:
    message, host = _text(members, "MESSAGE"), _word(members, "_HOSTNAME")
    program = _word(members, "SYSLOG_IDENTIFIER") or _word(members, "_COMM")
    if message is None or not host or not program:
        return None
    pid = _number(members, "SYSLOG_PID") or _number(members, "_PID")
    microseconds = _number(members, "__REALTIME_TIMESTAMP") or _number(members, "_SOURCE_REALTIME_TIMESTAMP")
    stamp = stamps.of_milliseconds(int(microseconds) // 1_000 if microseconds else timestamp_ms).decode()
    return clean(f"{stamp} {host} {program}{f'[{pid}]' if pid else ''}: {message}")


def _text(members: dict[str, msgspec.Raw], key: str) -> str | None:
    try:
        return _STRING(members[key]) if key in members else None
    except msgspec.DecodeError:  # journald writes what is no text as a list of bytes
        return None


def _word(members: dict[str, msgspec.Raw], key: str) -> str:
    word = _text(members, key) or ""
    return word if _WORD.fullmatch(word) else ""


def _number(members: dict[str, msgspec.Raw], key: str) -> str:
    number = _text(members, key) or ""
    return number if _NUMBER.fullmatch(number) else ""
