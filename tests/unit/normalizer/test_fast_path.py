"""The fast path: what it takes, and that it makes of it what is made of every event."""

from typing import Any

import pytest

from services.normalizer.shape import Shaped, Shaper
from shared.messages import LogEvent
from tests.unit.normalizer.factories import a_group, a_source, an_event
from tests.unit.normalizer.test_fidelity import CASES

LINE = "Jan  1 00:00:00 web1 sshd[1]: Failed password for root from 198.51.100.23 port 40112 ssh2"
OBJECT = '{"level":"INFO","user":{"id":7},"took":12.5,"message":"\u00fcber"}'


def made(events: list[LogEvent], **settings: Any) -> list[bytes | None]:
    """Return what the fast path makes of `events`, and check it against what is made of each."""
    shaper = Shaper(a_group(), a_source(**settings))
    assert shaper.fast_path is not None
    datagrams = shaper.fast_path.datagrams(events)
    for event, datagram in zip(events, datagrams, strict=True):
        assert datagram is None or Shaped((datagram,)) == shaper.shape(event)
    return datagrams


def events_of(*messages: str) -> list[LogEvent]:
    """Return events of two streams."""
    return [an_event(message, log_stream=f"s-{number % 2}") for number, message in enumerate(messages)]


@pytest.mark.parametrize("settings", [{}, {"format": "raw"}, {"location": "{log_stream}"}], ids=str)
def test_it_takes_lines_and_objects_of_many_streams(settings: dict[str, str]) -> None:
    """They are nearly all that comes."""
    messages = [LINE, OBJECT, LINE + "\r\n", OBJECT + "\n", " indented", "a\nb"]

    assert None not in made(events_of(*messages), **settings)


@pytest.mark.parametrize(
    "message",
    [
        "nul\0 within",
        "\ud800",
        "x" * 70_000,
        '{"cloudwatch":{"log_group":"/forged"}}',
        '{"Integration":"aws"}',
        '{"\\u0063loudwatch":1}',
        '{"n":' + "1" * 64 + "}",
        '{"a":' * 1_000 + "1" + "}" * 1_000,
        '{"log":"Jan  1 00:00:00 web1 su: x"}',
        '{"MESSAGE":"x"}',
        '{"a":1',
        "{}",
        ' {"a":1}',
        "Jan  1 00:00:00 web1 app: " + '{"a":1}',
        "<13>Jan  1 00:00:00 web1 su: x",
        "2026-01-01T00:00:00.123Z web1 su: x",
        "\x1b[31mred",
        "ossec: Alert Level: 3; Rule: 1 - x",
    ],
)
def test_it_leaves_alone_what_may_have_to_change(message: str) -> None:
    """Whatever else is in the same lot, which comes out as ever."""
    assert made([an_event(LINE), an_event(message), an_event(OBJECT)])[1] is None


@pytest.mark.parametrize("spoiled", [LINE + "\x1b[0m", "ossec: Alert Level: 3; Rule: 1 - x"])
def test_objects_are_made_whatever_the_lines_beside_them_hold(spoiled: str) -> None:
    """And in their order."""
    assert [True, False, True] == [bool(datagram) for datagram in made(events_of(OBJECT, spoiled, OBJECT))]


@pytest.mark.parametrize("spoiled", ['{"Integration":"aws"}', '{"a":"\\n"}', '{"a":1', '{"log":"x"}'])
def test_lines_are_made_whatever_the_objects_beside_them_hold(spoiled: str) -> None:
    """And in their order."""
    assert [True, False, True] == [bool(datagram) for datagram in made(events_of(LINE, spoiled, LINE))]


@pytest.mark.parametrize(
    ("expected", "messages"),
    [
        ("+-+", [OBJECT, '{"a":1', OBJECT]),
        ("+-+", [OBJECT, '{"MESSAGE":"x"}', OBJECT]),
        ("+-+", [OBJECT, '{"a":"' + "x" * 2_000 + '"}', OBJECT]),
        ("--", ['{"a":[1,', '{"b":2}]}']),
        ("---", ['{"a":1}{"b":2}', '{"a":[1,', '{"b":2}]}']),
        ("--+", ['{"a":{"b":1}', '{"b":2}}', OBJECT]),
        ("-+", ['{"a":"', '{"b":2}']),
        ("++", ['{"a":\n{"b":1}}', OBJECT]),
        ("+-", ['{"a":\n{"b":1}}', '{ "b":1}']),
        ("+-", ['{"a":1}\r', '\ufeff{"a":1}']),
        ("+-", [OBJECT, '{"a":"\n"}']),
        ("+-", [OBJECT, "{"]),
        ("+-", [OBJECT, '{#"']),
    ],
)
def test_each_object_is_one_by_itself(expected: str, messages: list[str]) -> None:
    """Two events may look like one object, or one like two, once they are joined."""
    assert expected == "".join("+" if datagram else "-" for datagram in made(events_of(*messages)))


@pytest.mark.parametrize("event_id", ["", "1" * 200, 'x"', "\u0663", "\ud800", "x\n"])
def test_it_leaves_alone_an_event_with_an_odd_id(event_id: str) -> None:
    """AWS's are digits; the id goes into the datagram as it is."""
    assert [None] == made([an_event(OBJECT, event_id=event_id)])


@pytest.mark.parametrize("first", [0, -1, -(2**63)])
def test_it_knows_the_time_of_each_event(first: int) -> None:
    """The times of the one before are not taken for it, nor that of none for the first."""
    times = [(first, first), (0, 0), (0, 1), (5, 1), (-1, 1_767_225_600_123), (10**18, 10**18), (-(10**18), 0)]

    assert None not in made([an_event(OBJECT, timestamp_ms=at, ingestion_ms=ingested) for at, ingested in times])


@pytest.mark.parametrize(
    "settings", [{"format": "text"}, {"format": "json"}, {"format": "cloudtrail"}, {"keep_regex": "x"}], ids=str
)
def test_there_is_none_where_events_may_be_of_a_family_or_discarded(settings: dict[str, str]) -> None:
    """Nor where a text is one whatever it looks like."""
    assert Shaper(a_group(), a_source(**settings)).fast_path is None


def test_there_is_none_for_what_a_backfill_read() -> None:
    """Its datagrams say so."""
    assert Shaper(a_group(), a_source(), backfill=True).fast_path is None


@pytest.mark.parametrize("beside", [LINE, OBJECT, '{"\\u0061":1}', "{ \x1b <"])
def test_measured_messages_come_out_as_ever(beside: str) -> None:
    """Each of them, whatever it is with, in a group that permits no family; some are taken and others are not."""
    lots = [made([an_event(case["message"]), an_event(beside)]) for case in CASES]

    assert 0 < sum(datagram is not None for datagram, _ in lots) < len(CASES)
