"""The origin of an event as JSON: the `cloudwatch` object, of which one stream's share is built once."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from services.normalizer.location import location_of
from services.normalizer.text import fit, visible
from services.normalizer.wire import header
from shared.messages import GroupRef, LogEvent

#: A group or stream name has 512 characters at most (AWS), of at most 4 bytes each.
MAX_NAME_BYTES = 2_048
#: Account, region and event id are far shorter.
MAX_ID_BYTES = 128
#: Streams whose prepared bytes are kept, of all groups together: they are unlimited, a kilobyte each is not.
MAX_ORIGINS = 8_192

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
_ENCODE = msgspec.json.Encoder().encode
_MILLISECONDS = tuple(b".%03dZ" % number for number in range(1_000))


class Origin:
    """One stream: the header of its datagrams, and its share of the `cloudwatch` object."""

    __slots__ = ("_members", "_start", "header")

    def __init__(self, group: GroupRef, log_stream: str) -> None:
        self.header = header(location_of(group.region, group.log_group, log_stream))
        self._members = b'{"cloudwatch":{"account_id":%b,"region":%b,"log_group":%b,"log_stream":%b,"event_id":' % (
            _json(group.account_id, MAX_ID_BYTES),
            _json(group.region, MAX_ID_BYTES),
            _json(group.log_group, MAX_NAME_BYTES),
            _json(log_stream, MAX_NAME_BYTES),
        )
        self._start = self.header + self._members

    def datagram(self, event: LogEvent, body: bytes, preamble: bytes = b"", truncated: bytes = b"") -> bytes:
        """Return the datagram of the JSON object `body`, with `cloudwatch` as its first member.

        `preamble` goes before the object, `truncated`, a JSON list, into its origin. Times are ISO strings: Wazuh would
        print a number of milliseconds as "1767225600123.000000".
        """
        timestamp, ingested = event.timestamp_ms, event.ingestion_ms
        return b"".join(
            (
                self.header + preamble + self._members if preamble else self._start,
                id_of(event),
                b',"timestamp":"',
                _second(timestamp // 1_000),
                _MILLISECONDS[timestamp % 1_000],
                b'","ingestion_time":"',
                _second(ingested // 1_000),
                _MILLISECONDS[ingested % 1_000],
                b'","truncated":' + truncated if truncated else b'"',
                b"}," if ord('"') in body else b"}",
                body[1:],
            )
        )


def id_of(event: LogEvent) -> bytes:
    """Return the event id as a JSON string: digits, whatever AWS may one day send instead."""
    event_id = event.event_id
    if event_id.isascii() and "\0" not in event_id and len(event_id) <= MAX_ID_BYTES:
        return _ENCODE(event_id)
    return _json(event_id, MAX_ID_BYTES)


def _json(name: str, max_bytes: int) -> bytes:
    """Return `name` as a JSON string that cJSON reads to its end: it would stop at a NUL."""
    return _ENCODE(fit(visible(name), max_bytes))


@lru_cache(maxsize=1_024)
def _second(seconds: int) -> bytes:
    """Return the ISO date and time of `seconds` since 1970, in the years 1 to 9999."""
    moment = _EPOCH + timedelta(seconds=min(max(seconds, _FIRST_SECOND), _LAST_SECOND))
    return moment.isoformat()[:19].encode()


@lru_cache(maxsize=MAX_ORIGINS)
def origin_of(group: GroupRef, log_stream: str) -> Origin:
    """Return the origin of a stream, built at the first call for it."""
    return Origin(group, log_stream)
