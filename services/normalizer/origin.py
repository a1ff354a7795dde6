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
_MILLISECONDS = tuple(b".%03dZ" % number for number in range(1_000))


class Origin:
    """One stream: the header of its datagrams, and its share of the `cloudwatch` object."""

    __slots__ = ("_members", "header")

    def __init__(self, group: GroupRef, log_stream: str) -> None:
        self.header = header(location_of(group.region, group.log_group, log_stream))
        self._members = b'{"cloudwatch":{"account_id":"%b","region":"%b","log_group":"%b","log_stream":"%b",' % (
            _json(group.account_id, MAX_ID_BYTES),
            _json(group.region, MAX_ID_BYTES),
            _json(group.log_group, MAX_NAME_BYTES),
            _json(log_stream, MAX_NAME_BYTES),
        )

    def opening(self, event: LogEvent, truncated: bytes = b"") -> bytes:
        """Return `{"cloudwatch":{...}`, to be followed by `}` or by `,` and more members.

        Times are ISO strings: Wazuh would print a number of milliseconds as "1767225600123.000000".
        `truncated` is a JSON list, which becomes the eighth member.
        """
        seconds, milliseconds = divmod(event.timestamp_ms, 1_000)
        ingested_seconds, ingested_milliseconds = divmod(event.ingestion_ms, 1_000)
        return b"".join(
            (
                self._members,
                b'"event_id":"',
                id_of(event),
                b'","timestamp":"',
                _second(seconds),
                _MILLISECONDS[milliseconds],
                b'","ingestion_time":"',
                _second(ingested_seconds),
                _MILLISECONDS[ingested_milliseconds],
                b'","truncated":%b}' % truncated if truncated else b'"}',
            )
        )


def id_of(event: LogEvent) -> bytes:
    """Return the event id as the inside of a JSON string: digits, whatever AWS may one day send instead."""
    event_id = event.event_id
    if event_id.isalnum() and event_id.isascii() and len(event_id) <= MAX_ID_BYTES:
        return event_id.encode()
    return _json(event_id, MAX_ID_BYTES)


def _json(name: str, max_bytes: int) -> bytes:
    """Return `name` as the inside of a JSON string that cJSON reads to its end: it would stop at a NUL."""
    return msgspec.json.encode(fit(visible(name), max_bytes))[1:-1]


@lru_cache(maxsize=1_024)
def _second(seconds: int) -> bytes:
    """Return the ISO date and time of `seconds` since 1970, in the years 1 to 9999."""
    moment = _EPOCH + timedelta(seconds=min(max(seconds, _FIRST_SECOND), _LAST_SECOND))
    return moment.isoformat()[:19].encode()


@lru_cache(maxsize=MAX_ORIGINS)
def origin_of(group: GroupRef, log_stream: str) -> Origin:
    """Return the origin of a stream, built at the first call for it."""
    return Origin(group, log_stream)
