"""What no measured case says of families: several datagrams, hostile content, odd shapes, bounds."""

import json
from typing import Any

import pytest

from services.normalizer.shape import Shaper
from tests.reference_analysisd import read
from tests.unit.normalizer.factories import a_group, a_source, an_event

EVENTS = "/aws/events/findings"


def envelopes(message: object, log_group: str = EVENTS, **settings: Any) -> list[dict[str, Any]]:
    """Return the members `aws` of what the message becomes."""
    text = message if isinstance(message, str) else json.dumps(message)
    shaped = Shaper(a_group(log_group=log_group), a_source(**settings)).shape(an_event(text))
    whole = [json.loads(read(datagram).full_log) for datagram in shaped.datagrams]
    assert all(["integration", "cloudwatch", "aws"] == list(one) for one in whole)
    return [one["aws"] for one in whole]


def is_plain(message: object, log_group: str = EVENTS, **settings: Any) -> bool:
    """Tell that the message is sent as one object with its origin first."""
    text = message if isinstance(message, str) else json.dumps(message)
    (datagram,) = Shaper(a_group(log_group=log_group), a_source(**settings)).shape(an_event(text)).datagrams
    return read(datagram).fields[0][0] == "cloudwatch.account_id"


def an_eventbridge_event(service: str, detail: object, kind: str = "Finding") -> dict[str, Any]:
    return {"version": "0", "id": "1", "detail-type": kind, "source": f"aws.{service}", "detail": detail}


def test_each_finding_of_an_event_is_a_datagram() -> None:
    """Wazuh's own module keeps the first only."""
    findings = [{"Id": "1", "Compliance": {"Status": "FAILED"}}, {"Id": "2", "Note": None}]
    one, other = envelopes(an_eventbridge_event("securityhub", {"findings": findings}))

    assert {"source": "securityhub", "detail_type": "Finding", "finding": findings[0]} == one
    assert {"Id": "2"} == other["finding"]


def test_each_probed_port_is_a_datagram() -> None:
    """Stock rules name address and port of one."""
    details = [{"localPortDetails": {"port": port}} for port in (22, 23, 24)]
    service = {"action": {"actionType": "PORT_PROBE", "portProbeAction": {"portProbeDetails": details}}}
    found = envelopes(an_eventbridge_event("guardduty", {"severity": 5, "service": service}))

    assert details == [one["service"]["action"]["portProbeAction"]["portProbeDetails"] for one in found]


def test_no_event_becomes_more_datagrams_than_a_service_has_records() -> None:
    """Each has an origin of its own: a megabyte of braces would become hundreds."""
    probes: dict[str, Any] = {"action": {"portProbeAction": {"portProbeDetails": [{}] * 101}}}

    assert 100 == len(envelopes(an_eventbridge_event("securityhub", {"findings": [{}] * 100})))
    assert is_plain(an_eventbridge_event("securityhub", {"findings": [{}] * 101}))
    assert 1 == len(envelopes(an_eventbridge_event("guardduty", {"severity": 5, "service": probes})))


@pytest.mark.parametrize(
    "message",
    [
        {"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": None},
        {"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": {"no": "severity"}},
        {"source": "my.app", "detail-type": "GuardDuty Finding", "detail": {"severity": 8}},
        {"source": "aws.securityhub", "detail-type": "x", "detail": {"findings": []}},
        {"source": "aws.securityhub", "detail-type": "x", "detail": {"findings": [{}, "x"]}},
        {"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "detail": {"state": "running"}},
        {"integration": "aws", "aws": {"source": "guardduty", "severity": 8}},
        {"eventVersion": "1", "eventSource": "x", "eventName": ["y"]},
    ],
)
def test_what_a_service_does_not_log_is_an_object_like_any_other(message: object) -> None:
    """The content must confirm the family that the group permits."""
    assert is_plain(message)


def test_a_finding_in_another_group_is_an_object_like_any_other() -> None:
    """An application may print it; the settings may say that it does not."""
    finding = an_eventbridge_event("guardduty", {"severity": 8})

    assert is_plain(finding, "/app")
    assert [{"source": "guardduty", "severity": 8}] == envelopes(finding, "/app", format="guardduty")


def test_a_record_cannot_choose_its_source() -> None:
    """Rules go by it."""
    detail = {"source": "vpc", "Source": "vpc", "severity": {"description": "Low"}, "integration": "x"}
    (found,) = envelopes(an_eventbridge_event("macie", detail))

    assert "macie" == found["source"]
    assert ["source", "Source", "integration", "severity"] == list(found)


def test_the_letters_of_another_decoder_do_not_choose_it() -> None:
    """analysisd takes an event with these bytes for one of Microsoft Graph."""
    detail = {"severity": {}, "requestParameters": {"integration": "ms-graph"}}
    message = json.dumps(an_eventbridge_event("macie", detail))
    (datagram,) = Shaper(a_group(log_group=EVENTS), a_source()).shape(an_event(message)).datagrams

    assert b'"integration": "ms-graph"' in datagram
    assert "macie" == read(datagram).field("aws.source")


def test_a_long_record_keeps_its_shape() -> None:
    """Its longest strings are shortened, and named from the top of the envelope."""
    message = json.dumps({"eventVersion": "1", "eventSource": "x", "eventName": "y", "z": {"a": "b" * 90_000}})
    shaped = Shaper(a_group(log_group="cloudtrail/x"), a_source()).shape(an_event(message))
    (datagram,) = shaped.datagrams

    assert shaped.oversize
    assert len(datagram) <= 65_535
    assert ["aws.z.a"] == json.loads(read(datagram).full_log)["cloudwatch"]["truncated"]
    assert "y" == read(datagram).field("aws.eventName")


def test_a_record_of_too_many_members_keeps_what_rules_read() -> None:
    """The whole becomes one string that can be shortened."""
    many = {str(number): number for number in range(30_000)}
    message = json.dumps({"eventVersion": "1", "eventSource": "x", "requestParameters": many, "eventName": "y"})
    shaped = Shaper(a_group(log_group="cloudtrail/x"), a_source()).shape(an_event(message))
    reading = read(shaped.datagrams[0])

    assert shaped.oversize
    assert "y" == reading.field("aws.eventName")
    assert (reading.field("aws.message") or "").startswith('{"source":"cloudtrail","eventVersion":"1",')


def test_of_too_many_fields_the_large_objects_come_last() -> None:
    """At every level: Wazuh reads 256, and `RecordState` is one that rules need."""
    finding = {
        "Resources": {str(n): n for n in range(300)},
        "Compliance": {"Status": "FAILED"},
        "RecordState": "ACTIVE",
    }
    (found,) = envelopes(an_eventbridge_event("securityhub", {"findings": [finding]}))

    assert ["RecordState", "Compliance", "Resources"] == list(found["finding"])


def test_nesting_that_no_service_has_is_no_finding() -> None:
    """And costs nobody the event."""
    deep = '{"a":' * 850 + "1" + "}" * 850
    message = f'{{"source":"aws.macie","detail-type":"x","detail":{deep}}}'
    shaped = Shaper(a_group(log_group=EVENTS), a_source()).shape(an_event(message))

    assert read(shaped.datagrams[0]).fields


def test_numbers_keep_their_value() -> None:
    """However long: they are written anew."""
    detail = '{"severity":{},"a":123456789012345678901234567890,"b":-0.1,"c":1e300,"d":5.0}'
    (found,) = envelopes(f'{{"source":"aws.macie","detail-type":"x","detail":{detail}}}')

    assert [123456789012345678901234567890, -0.1, 1e300, 5.0] == [found[key] for key in "abcd"]


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ({"action": "REJECT", "version": "2"}, "REJECT 2"),
        ({"action": "-", "version": "-"}, "- -"),
    ],
)
def test_a_flow_log_has_the_columns_that_the_settings_name(expected: dict[str, str], line: str) -> None:
    """With underscores, as Wazuh's own module names them."""
    (found,) = envelopes(line, "/vpc/flowlogs", flow_log_format="${action} ${version}")

    assert {"source": "vpc", **expected, "aws_account_id": "123456789012"} == found


@pytest.mark.parametrize("line", ["REJECT --5", "a b", "ACCEPT REJECT OK", "ACCEPT and OK REJECT", ""])
def test_a_line_of_a_flow_logs_group_that_is_none_is_text(line: str) -> None:
    """Somebody may have put it there."""
    shaper = Shaper(a_group(log_group="/vpc/flowlogs"), a_source(flow_log_format="${action} ${start}"))

    assert shaper.shape(an_event(line)).datagrams[0].endswith(b":web:" + line.encode())


def test_columns_that_a_format_gains_are_kept() -> None:
    """Named where their names are known, together where not."""
    columns = ["https", "2026-01-01T00:00:00Z", "app/web", "[2001:db8::1]:2817", "-", *["x"] * 28, "new", "newer"]
    (found,) = envelopes(
        " ".join(f'"{one}"' if " " in one else one for one in columns).replace("[", "").replace("]", ""), "/aws/elb/x"
    )

    assert ("2817", "2001:db8::1", "-") == (found["client_port"], found["client_ip"], found["target_port"])
    assert "target_ip" not in found
    assert "new newer" == found["other"]


@pytest.mark.parametrize(
    "change",
    [
        {"ip": "x y"},
        {"requestTime": "now"},
        {"httpMethod": "get /"},
        {"status": "9"},
        {"status": None},
        {"path": ""},
    ],
)
def test_an_access_log_that_makes_no_line_is_an_object(change: dict[str, Any]) -> None:
    """A stage logs what it is set to log."""
    message = {
        "ip": "198.51.100.7",
        "requestTime": "01/Jan/2026:00:00:00 +0000",
        "httpMethod": "GET",
        "path": "/",
        "status": 200,
        **change,
    }

    assert is_plain(message, "/aws/apigateway/prod")


def test_a_path_cannot_end_the_request_it_is_in() -> None:
    """Quotes, blanks and line ends are written as a browser would."""
    message = {
        "ip": "::1",
        "requestTime": "01/Jan/2026:00:00:00 +0000",
        "httpMethod": "GET",
        "status": 200,
        "path": '/" 500\n\u2028',
        "user": "a b",
        "responseLength": 12,
    }
    shaper = Shaper(a_group(log_group="/aws/apigateway/prod"), a_source())
    (datagram,) = shaper.shape(an_event(json.dumps(message))).datagrams

    expected = b'::1 - - [01/Jan/2026:00:00:00 +0000] "GET /%22%20500%0A%E2%80%A8 HTTP/1.1" 200 12 -'
    assert datagram.endswith(b":web:" + expected)


def test_a_windows_event_too_long_for_a_datagram_travels_as_text() -> None:
    """A part of one could not be read."""
    message = f"<Event><EventData>{'x' * 70_000}</EventData></Event>"
    shaped = Shaper(a_group(), a_source(format="windows")).shape(an_event(message))

    assert shaped.oversize
    assert all(datagram.startswith(b"1:") for datagram in shaped.datagrams)


@pytest.mark.parametrize("message", ["<Event/>", "<html></Event>", "text", "<Event>", '{"a":1}'])
def test_what_is_no_windows_event_is_shaped_like_any_other(message: str) -> None:
    """Also where the settings say that a source has some."""
    (datagram,) = Shaper(a_group(), a_source(format="windows")).shape(an_event(message)).datagrams

    assert datagram.startswith(b"1:")


def test_the_text_of_a_windows_event_keeps_its_quotes() -> None:
    """Only those around an attribute's value change; a prolog goes; a rendered message is the message."""
    message = (
        '<?xml version="1.0"?>\n<Event xmlns="x"><EventData><Data Name="a">say "hi" it\'s</Data></EventData>'
        '<RenderingInfo Culture="en-US"><Message>a &lt; b</Message></RenderingInfo></Event>\n'
    )
    (datagram,) = Shaper(a_group(), a_source(format="windows")).shape(an_event(message)).datagrams
    body = json.loads(datagram[datagram.index(b":{") + 1 :])

    assert datagram.startswith(b"f:Wazuh-AWS|:us-east-1|:/app|:web:{")
    assert "a < b" == body["Message"]
    assert body["Event"].startswith("<Event xmlns='x'><EventData><Data Name='a'>say \"hi\" it's</Data>")
    assert body["Event"].endswith("<RenderingInfo Culture='en-US'><Message>a &lt; b</Message></RenderingInfo></Event>")


@pytest.mark.parametrize(
    ("settings_format", "expected"),
    [
        ("text", b':web:{"cloudwatch":'),
        ("json", b':web:{"cloudwatch":'),
        ("raw", b':{"stream":"stdout"'),
        ("auto", b":web:<38>x"),
    ],
)
def test_only_some_formats_open_a_wrapper(settings_format: str, expected: bytes) -> None:
    """Who wants what is beside the line asks for it."""
    message = '{"stream":"stdout","log":"<38>x\\n"}'
    (datagram,) = Shaper(a_group(), a_source(format=settings_format)).shape(an_event(message)).datagrams

    assert expected in datagram


def test_the_format_json_makes_an_object_of_a_line() -> None:
    """So that every event has an origin; Wazuh's decoders for programs do not see it."""
    (datagram,) = Shaper(a_group(), a_source(format="json")).shape(an_event("a\nb")).datagrams

    assert "a\nb" == read(datagram).field("message")
    assert "/app" == read(datagram).field("cloudwatch.log_group")


def test_the_location_of_a_source_is_that_of_its_datagrams() -> None:
    """Of texts, objects and findings."""
    shaper = Shaper(a_group(log_group=EVENTS), a_source(location="{account}:{log_group}"))
    finding = json.dumps(an_eventbridge_event("macie", {"severity": {}}))

    for message in ("a", '{"a":1}', finding):
        assert f"123456789012:{EVENTS}" == read(shaper.shape(an_event(message)).datagrams[0]).location


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        (b"Jan  1 00:00:00 i-1_a sshd[2]: x", "sshd[2]: x"),
        (b"Dec 31 23:59:59 i-1_a sudo: x", "Dec 31 23:59:59 sudo: x"),
        (b"Jan  1 00:00:00 i-1_a sshd: Failed password for a", "Failed password for a"),
        (b"Dec 31 23:59:59 web1 sshd[2]: x", "Dec 31 23:59:59 web1 sshd[2]: x"),
        (b"java: x", "java: x"),
        (b"Failed to start", "Failed to start"),
    ],
)
def test_a_line_that_lost_its_header_gets_one(expected: bytes, line: str) -> None:
    """Of programs whose lines are known; any other stays."""
    shaper = Shaper(a_group(log_group="/var/log/secure"), a_source())
    (datagram,) = shaper.shape(an_event(line, log_stream="i-1:a")).datagrams

    assert datagram.endswith(b":i-1|:a:" + expected)


def test_a_windows_event_in_text_becomes_a_line_that_agents_once_sent() -> None:
    """No decoder reads the text of CloudWatch's own agent."""
    message = "[Security] [AUDIT_FAILURE] [4625] [Microsoft-Windows-Security-Auditing] [EC2-1] [An account [a] failed.]"
    shaper = Shaper(a_group(), a_source(format="windows"))
    (datagram,) = shaper.shape(an_event(message)).datagrams

    expected = (
        b"2026 Jan 01 00:00:00 WinEvtLog: Security: AUDIT_FAILURE(4625): Microsoft-Windows-Security-Auditing: "
        b"(no user): no domain: EC2-1: An account [a] failed."
    )
    assert datagram.endswith(b":web:" + expected)


@pytest.mark.parametrize(
    ("expected", "members"),
    [("/a", {"path": "/a", "routeKey": "GET /b"}), ("/b", {"routeKey": "GET /b"}), ("/", {"routeKey": "$default"})],
)
def test_the_path_of_a_request_has_several_names(expected: str, members: dict[str, str]) -> None:
    """REST and HTTP APIs differ."""
    told = {"ip": "192.0.2.1", "requestTime": "01/Jan/2026:00:00:00 +0000", "httpMethod": "GET", "status": "200"}
    shaper = Shaper(a_group(log_group="/aws/apigateway/prod"), a_source())
    (datagram,) = shaper.shape(an_event(json.dumps({**told, **members}))).datagrams

    assert f'"GET {expected} HTTP/1.1" 200 - -'.encode() in datagram
