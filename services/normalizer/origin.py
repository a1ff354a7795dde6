"""The origin of an event as JSON: the `cloudwatch` object, of which one stream's share is built once."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from services.normalizer.location import DEFAULT, location_of
from services.normalizer.text import fit, visible
from services.normalizer.wire import header
from shared.messages import GroupRef, LogEvent

#: A group or stream name has 512 characters at most (AWS), of at most 4 bytes each.
MAX_NAME_BYTES = 2_048
#: Account, region and event id are far shorter.
MAX_ID_BYTES = 128
#: Streams whose prepared bytes are kept, of all groups together: they are unlimited, a kilobyte each is not.
MAX_ORIGINS = 8_192
#: Seconds whose text is kept: a batch has events of a few.
MAX_SECONDS = 1_024

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
_ENCODE = msgspec.json.Encoder().encode
#: What follows the seconds of a time, by its milliseconds.
MILLISECONDS = tuple(f".{number:03}Z" for number in range(1_000))


class _Seconds(dict[int, str]):
    """Seconds since 1970 -> ISO date and time, in the years 1 to 9999. A hit costs less than a call."""

    def __missing__(self, seconds: int) -> str:
        if len(self) >= MAX_SECONDS:
            self.clear()
        moment = _EPOCH + timedelta(seconds=min(max(seconds, _FIRST_SECOND), _LAST_SECOND))
        text = self[seconds] = moment.isoformat()[:19]
        return text


#: What is before the milliseconds of a time, by its seconds.
SECONDS = _Seconds()


class Origin:
    """One stream: the header of its datagrams, and its share of the `cloudwatch` object."""

    __slots__ = ("_mark", "_members", "header", "start")

    def __init__(self, group: GroupRef, log_stream: str, template: str = DEFAULT, *, backfill: bool = False) -> None:
        """`backfill`: an eighth member says so, after the seven."""
        location = location_of(group.region, group.log_group, log_stream, group.account_id, template, backfill=backfill)
        self.header = header(location)
        self._mark = b',"backfill":true' if backfill else b""
        self._members = b'"cloudwatch":{"account_id":%b,"region":%b,"log_group":%b,"log_stream":%b,"event_id":' % (
            _json(group.account_id, MAX_ID_BYTES),
            _json(group.region, MAX_ID_BYTES),
            _json(group.log_group, MAX_NAME_BYTES),
            _json(log_stream, MAX_NAME_BYTES),
        )
        self.start = self.header + b"{" + self._members

    def datagram(self, event: LogEvent, body: bytes, preamble: bytes = b"", truncated: bytes = b"") -> bytes:
        """Return the datagram of the JSON object `body`, with `cloudwatch` as its first member.

        `preamble` goes before the object, `truncated`, a JSON list, into its origin. Times are ISO strings: Wazuh would
        print a number of milliseconds as "1767225600123.000000".
        """
        if preamble or truncated or self._mark:
            start = self.header + preamble + b"{" + self._members
            return _with_origin(start, event, body, self._mark, truncated)
        return b"".join(
            (
                self.start,
                id_of(event),
                _times_of(event),
                b'"},' if ord('"') in body else b'"}',
                body[1:],
            )
        )

    def finding(self, event: LogEvent, body: bytes, truncated: bytes = b"") -> bytes:
        """Return the datagram of an AWS envelope: `integration` first, then `cloudwatch`, then the members of `body`."""
        return _with_origin(self.header + b'{"integration":"aws",' + self._members, event, body, self._mark, truncated)


def _with_origin(start: bytes, event: LogEvent, body: bytes, mark: bytes, truncated: bytes) -> bytes:
    return b"".join(
        (
            start,
            id_of(event),
            _times_of(event),
            b'"' + mark,
            b',"truncated":' + truncated if truncated else b"",
            b"}," if ord('"') in body else b"}",
            body[1:],
        )
    )


def _times_of(event: LogEvent) -> bytes:
    at, ingested = event.timestamp_ms, event.ingestion_ms
    return (
        f',"timestamp":"{SECONDS[at // 1_000]}{MILLISECONDS[at % 1_000]}'
        f'","ingestion_time":"{SECONDS[ingested // 1_000]}{MILLISECONDS[ingested % 1_000]}'
    ).encode()


def id_of(event: LogEvent) -> bytes:
    """Return the event id as a JSON string: digits, whatever AWS may one day send instead."""
    try:
        event_id = _ENCODE(event.event_id)
    except UnicodeEncodeError:
        return _json(event.event_id, MAX_ID_BYTES)
    if len(event_id) > MAX_ID_BYTES or ord("\\") in event_id:
        return _json(event.event_id, MAX_ID_BYTES)
    return event_id


def _json(name: str, max_bytes: int) -> bytes:
    """Return `name` as a JSON string that cJSON reads to its end: it would stop at a NUL."""
    return _ENCODE(fit(visible(name), max_bytes))


@lru_cache(maxsize=MAX_ORIGINS)
def origin_of(group: GroupRef, log_stream: str, template: str = DEFAULT, *, backfill: bool = False) -> Origin:
    """Return the origin of a stream, built at the first call for it."""
    return Origin(group, log_stream, template, backfill=backfill)
