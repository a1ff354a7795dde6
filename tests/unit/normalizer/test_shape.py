"""What becomes of one event."""

import json
from typing import Any

import pytest

from services.normalizer.shape import DISCARDED, Shaper
from tests.reference_analysisd import read
from tests.unit.normalizer.factories import a_group, a_source, an_event

HEADER = b"1:Wazuh-AWS|:us-east-1|:/app|:web:"
ORIGIN = (
    b'{"cloudwatch":{"account_id":"123456789012","region":"us-east-1","log_group":"/app","log_stream":"web",'
    b'"event_id":"37000000000000000000000000000000000000000000000000000001",'
    b'"timestamp":"2026-01-01T00:00:00.123Z","ingestion_time":"2026-01-01T00:00:02.000Z"'
)


def shape(message: str, **settings: Any) -> list[bytes]:
    """Return the datagrams of an event that is not oversize."""
    shaped = Shaper(a_group(), a_source(**settings)).shape(an_event(message))
    assert not shaped.oversize
    return list(shaped.datagrams)


@pytest.mark.parametrize(
    "message",
    [
        "Jan  1 00:00:00 web1 sshd[1]: Failed password for root from 198.51.100.23 port 40112 ssh2",
        " indented",
        "a\nb",
        "",
    ],
)
def test_text_is_sent_as_it_is(message: str) -> None:
    """So that Wazuh's own decoders and rules fire."""
    assert [HEADER + message.encode()] == shape(message)
    assert [HEADER + message.encode()] == shape(message + "\r\n\0")


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (b'},"a":1}', '{"a":1}'),
        (b'},\n "a": 1}', '\n\t{\n "a": 1}\n'),
        (b"}}", "{}"),
        (b'},"a":"\xc3\xa9","b":"\\u00e9"}', '{"a":"\u00e9","b":"\\u00e9"}'),
        (b'},"integration_":"aws"}', '{"integration":"aws"}'),
        (b'},"CloudWatch_":{"log_group":"x"}}', '{"CloudWatch":{"log_group":"x"}}'),
        (b'},"cloudwatch_.log_group":"x"}', '{"cloudwatch.log_group":"x"}'),
        (b'},"a":"x\xe2\x90\x80y"}', '{"a":"x\0y"}'),
    ],
)
def test_an_object_gets_its_origin_as_the_first_member(expected: bytes, message: str) -> None:
    """Its own bytes stay, but for reserved names: no line can forge its origin or a finding."""
    assert [HEADER + ORIGIN + expected] == shape(message)


@pytest.mark.parametrize("message", ['{"a":1', '{"a":1} x', "{\"a\":'b'}", r'{"a":"\ud800"}', '{"a'])
def test_what_only_looks_like_an_object_is_wrapped(message: str) -> None:
    """Wazuh would decode it as JSON, and might find an origin of its writer's choice, or no field at all."""
    (datagram,) = shape(message)

    assert datagram.startswith(HEADER + ORIGIN + b'},"message":"{\\"a')
    assert message == read(datagram).field("message")


def test_an_object_behind_a_syslog_header_gets_its_origin_there() -> None:
    """analysisd takes the header off and decodes the rest as JSON."""
    (datagram,) = shape('Jan  1 00:00:00 web1 app[7]: {"integration":"aws"}')

    assert HEADER + b"Jan  1 00:00:00 web1 app[7]: " + ORIGIN + b'},"integration_":"aws"}' == datagram
    assert "/app" == read(datagram).field("cloudwatch.log_group")


def test_a_line_that_speaks_for_another_manager_is_wrapped() -> None:
    """It would choose the rule that fires, and write to the location."""
    message = "ossec: Alert Level: 10; Rule: 80303 - forged; Location: (db) any->/var/log/x; forged"
    (datagram,) = shape(message)

    assert message == read(datagram).field("message")


@pytest.mark.parametrize(
    "message",
    ['{"integration":"aws"}', ' {"a":1}', "text", "ossec: Alert Level: 10; Rule: 80303 - x; Location: y; z", ""],
)
def test_the_raw_format_sends_what_wazuhs_own_module_sends(message: str) -> None:
    """Marked with nothing and protected from nothing."""
    assert [b"1:Wazuh-AWS:" + message.encode()] == shape(message + "\n", format="raw")


def test_a_discarded_event_has_no_datagrams() -> None:
    """In either format."""
    for form in ("auto", "raw"):
        shaper = Shaper(a_group(), a_source(discard_regex="health", format=form))

        assert DISCARDED == shaper.shape(an_event("GET /health"))
        assert () == DISCARDED.datagrams
        assert 1 == len(shaper.shape(an_event("GET /")).datagrams)


def test_the_longest_text_that_fits_is_sent_whole() -> None:
    """One byte more makes two datagrams."""
    text = "x" * (65_535 - len(HEADER))
    shaper = Shaper(a_group(), a_source())

    assert (HEADER + text.encode(),) == shaper.shape(an_event(text)).datagrams
    assert not shaper.shape(an_event(text)).oversize
    assert 2 == len(shaper.shape(an_event(text + "y")).datagrams)
    assert shaper.shape(an_event(text + "y")).oversize


def test_the_longest_object_that_fits_is_sent_whole() -> None:
    """One byte more shortens a string."""
    room = 65_535 - len(HEADER) - len(ORIGIN) - len('},"a":""}')
    shaper = Shaper(a_group(), a_source())

    assert not shaper.shape(an_event(f'{{"a":"{"x" * room}"}}')).oversize
    longer = shaper.shape(an_event(f'{{"a":"{"x" * (room + 1)}"}}'))
    assert longer.oversize
    assert b'"truncated":["a"]},"a":"xxx' in longer.datagrams[0]


@pytest.mark.parametrize("form", ["auto", "raw"])
def test_a_long_text_is_sent_in_parts(form: str) -> None:
    """Each with the header of the stream."""
    shaped = Shaper(a_group(), a_source(format=form)).shape(an_event("line\n" * 20_000))
    header = HEADER if form == "auto" else b"1:Wazuh-AWS:"

    assert shaped.oversize
    assert 2 == len(shaped.datagrams)
    assert shaped.datagrams[0].startswith(header + b"line\nline")
    assert shaped.datagrams[1].startswith(header + b"cwpipe part 2/2 of event 3700000")


def test_an_object_with_too_many_members_is_wrapped_and_shortened() -> None:
    """Its strings alone cannot make it fit; `truncated` names the member that holds it now."""
    message = json.dumps({str(number): number for number in range(300_000)})
    shaped = Shaper(a_group(), a_source()).shape(an_event(message))
    origin = json.loads(shaped.datagrams[0].removeprefix(HEADER))

    assert shaped.oversize
    assert ["message"] == origin["cloudwatch"]["truncated"]
    assert message.startswith(origin["message"].removesuffix("\u2026"))
    assert len(origin["message"]) > 40_000


def test_a_text_whose_first_part_says_more_than_the_whole_is_wrapped() -> None:
    """What analysisd would look at in such a line lies beyond the first datagram."""
    message = '[Time 2006.12.28 15:53:55{"integration":"aws"}' + " " * 70_000 + "[Message harmless]"
    (datagram,) = Shaper(a_group(), a_source()).shape(an_event(message)).datagrams

    assert datagram.startswith(HEADER + ORIGIN)


@pytest.mark.parametrize(
    "message",
    [
        '{"a":' + "[" * 400_000,
        '{"a":' + "[" * 400_000 + "]" * 400_000 + "}",
        "{" + ",".join(f'"integration":"{number}"' for number in range(40_000)) + "}",
        '{"\\u0061":"' + "\\n" * 500_000 + '"}',
        "[Time 2006.12.28 15:53:55 UTC] " + "[Message " * 100_000 + '{"',
        "Jan  1 00:00:00 " + "x" * 500_000 + " {" * 250_000 + '"',
    ],
)
def test_no_message_of_a_megabyte_takes_long_or_overflows_the_stack(message: str) -> None:
    """They are the largest that CloudWatch takes; the time limit is the test's own."""
    shaped = Shaper(a_group(), a_source()).shape(an_event(message))

    assert shaped.oversize
    assert all(len(datagram) <= 65_535 for datagram in shaped.datagrams)


@pytest.mark.parametrize("form", ["auto", "raw", "text", "json"])
@pytest.mark.parametrize("message", ["line\n" * 20_000, json.dumps({"a": "x" * 100_000}), "x" * 65_400])
def test_a_lower_limit_is_kept_by_every_form(form: str, message: str) -> None:
    """An agent takes less than analysisd's own socket."""
    shaped = Shaper(a_group(), a_source(format=form), 65_280).shape(an_event(message))

    assert shaped.oversize
    assert 63_000 < max(map(len, shaped.datagrams)) <= 65_280
