"""The `cloudwatch` object."""

import json
from typing import Any

import pytest

from services.normalizer.origin import MAX_ORIGINS, Origin, id_of, origin_of
from tests.unit.normalizer.factories import a_group, an_event

HEADER = b"1:Wazuh-AWS|:us-east-1|:/app|:web:"


def origin_in(datagram: bytes) -> dict[str, Any]:
    origin: dict[str, Any] = json.loads(datagram[datagram.index(b'{"cloudwatch":') :])["cloudwatch"]
    return origin


def test_the_origin_is_the_first_member_and_has_seven_fields() -> None:
    """For Wazuh the first of two equal names wins, and a rule can rely on each of the seven."""
    expected = (
        b'{"cloudwatch":{"account_id":"123456789012","region":"us-east-1","log_group":"/app","log_stream":"web",'
        b'"event_id":"37000000000000000000000000000000000000000000000000000001",'
        b'"timestamp":"2026-01-01T00:00:00.123Z","ingestion_time":"2026-01-01T00:00:02.000Z"},"a": 1}'
    )

    assert HEADER + expected == Origin(a_group(), "web").datagram(an_event(), b'{"a": 1}')


@pytest.mark.parametrize(("expected", "body"), [(b"}}", b"{}"), (b"} \n}", b"{ \n}"), (b'}, "a":1}', b'{ "a":1}')])
def test_the_origin_is_followed_by_a_comma_only_where_members_follow(expected: bytes, body: bytes) -> None:
    """A comma too many would cost all fields."""
    assert Origin(a_group(), "web").datagram(an_event(), body).endswith(b'"2026-01-01T00:00:02.000Z"' + expected)


def test_a_preamble_goes_before_the_object_and_the_truncated_paths_into_it() -> None:
    """The date and host of a line stay in front, where analysisd looks for them."""
    datagram = Origin(a_group(), "web").datagram(an_event(), b'{"a":1}', b"Jan  1 00:00:00 h ", b'["a"]')

    assert datagram.startswith(HEADER + b'Jan  1 00:00:00 h {"cloudwatch":{')
    assert b',"truncated":["a"]},"a":1}' in datagram


@pytest.mark.parametrize(
    ("expected", "milliseconds"),
    [
        ("1970-01-01T00:00:00.000Z", 0),
        ("2026-02-28T23:59:59.999Z", 1_772_323_199_999),
        ("1969-12-31T23:59:59.999Z", -1),
        ("9999-12-31T23:59:59.000Z", 10**18),
        ("0001-01-01T00:00:00.000Z", -(10**18)),
    ],
)
def test_times_are_iso_strings_with_milliseconds(expected: str, milliseconds: int) -> None:
    """Beyond the calendar they stop at its ends: an event is delivered whatever its clock says."""
    datagram = Origin(a_group(), "web").datagram(an_event(timestamp_ms=milliseconds, ingestion_ms=0), b"{}")

    assert expected == origin_in(datagram)["timestamp"]
    assert "1970-01-01T00:00:00.000Z" == origin_in(datagram)["ingestion_time"]


def test_names_are_escaped_and_bounded() -> None:
    """Quotes cannot end them, NULs cannot cut them, and they leave room for the log."""
    group = a_group(account_id='1"', log_group="\ud800" * 10_000)
    origin = origin_in(Origin(group, "\x01" * 10_000 + '\0"').datagram(an_event(), b"{}"))

    assert '1"' == origin["account_id"]
    assert 2_048 - 3 < len(origin["log_group"].encode()) <= 2_048
    assert 2_048 == len(origin["log_stream"].encode())


@pytest.mark.parametrize(
    ("expected", "event_id"),
    [(b'"37"', "37"), (b'"a\\"b"', 'a"b'), ('"a\u2400"'.encode(), "a\0"), ('"\ufffd"'.encode(), "\ud800"), (b'""', "")],
)
def test_an_event_id_is_a_string_whatever_it_holds(expected: bytes, event_id: str) -> None:
    """AWS sends digits."""
    assert expected == id_of(an_event(event_id=event_id))


def test_a_stream_is_prepared_once_and_not_kept_for_ever() -> None:
    """A Lambda function begins a stream for every instance."""
    assert origin_of(a_group(), "web") is origin_of(a_group(), "web")
    assert origin_of(a_group(), "web") is not origin_of(a_group(region="eu-west-1"), "web")
    assert MAX_ORIGINS == origin_of.cache_info().maxsize


def test_the_origin_of_the_past_has_an_eighth_field_after_the_seven() -> None:
    """Only there: a rule for live events cannot see it."""
    origin = Origin(a_group(), "web", backfill=True)
    datagram = origin.datagram(an_event(), b'{"a":1}')

    assert datagram.startswith(b"1:Wazuh-AWS-backfill|:us-east-1|:/app|:web:{")
    assert datagram.endswith(b'"ingestion_time":"2026-01-01T00:00:02.000Z","backfill":true},"a":1}')
    assert ["ingestion_time", "backfill"] == list(origin_in(datagram))[6:]
    truncated = origin_in(origin.datagram(an_event(), b'{"a":1}', b"", b'["a"]'))
    assert (True, ["a"]) == (truncated["backfill"], truncated["truncated"])
    assert b',"backfill":true},"aws":{}}' in origin.finding(an_event(), b'{"aws":{}}')
    assert origin_of(a_group(), "web", backfill=True) is not origin_of(a_group(), "web")
