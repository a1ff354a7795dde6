"""The date of a syslog header (RFC 3164): the only one that Wazuh's decoders take with every program."""

from datetime import UTC, datetime, timedelta

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999


def of_milliseconds(timestamp_ms: int) -> bytes:
    """Return the UTC date and time of `timestamp_ms` as `Jan  1 00:00:00`."""
    moment = _EPOCH + timedelta(milliseconds=min(max(timestamp_ms, 0), _LAST_MS))
    return b"%b %2d %b" % (_MONTHS[moment.month - 1].encode(), moment.day, moment.strftime("%H:%M:%S").encode())


def with_year(timestamp_ms: int) -> bytes:
    """Return the UTC date and time of `timestamp_ms` as `2026 Jan 01 00:00:00`."""
    moment = _EPOCH + timedelta(milliseconds=min(max(timestamp_ms, 0), _LAST_MS))
    return f"{moment.year} {_MONTHS[moment.month - 1]} {moment:%d %H:%M:%S}".encode()


def of_iso(month: bytes, day: bytes, time: bytes) -> bytes | None:
    """Return the parts of an ISO stamp, as written, as `Jan  1 00:00:00`. None: there is no such month."""
    number = int(month)
    if not 1 <= number <= len(_MONTHS):
        return None
    return b"%b %2d %b" % (_MONTHS[number - 1].encode(), int(day), time)


def iso_of_seconds(seconds: int) -> str:
    """Return the UTC date and time of `seconds` since 1970 as `2026-01-01T00:00:00Z`."""
    moment = _EPOCH + timedelta(seconds=min(max(seconds, 0), _LAST_MS // 1_000))
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
