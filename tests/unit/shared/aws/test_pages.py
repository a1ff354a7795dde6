"""Bodies of FilterLogEvents, from what AWS sends to what no AWS would."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import botocore.parsers
import msgspec
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.aws import pages
from shared.aws.logs_api import LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import SourceBusy
from shared.messages import LogEvent
from shared.settings.model import Source

EVENT = {
    "logStreamName": "s",
    "timestamp": 1,
    "message": "hello",
    "ingestionTime": 2,
    "eventId": "37",
}
DEEP = b"[" * 100_000 + b"]" * 100_000


def body(**changes: object) -> bytes:
    """Return a page of one event, as AWS writes it."""
    return json.dumps({"events": [EVENT | changes], "searchedLogStreams": []}).encode()


def test_a_page_is_events_and_the_token_of_the_next() -> None:
    """The names on the wire are AWS's, ours are in our own words and units."""
    page = pages.decode(json.dumps({"events": [EVENT], "nextToken": "t", "searchedLogStreams": []}).encode())

    assert [LogEvent(event_id="37", log_stream="s", timestamp_ms=1, ingestion_ms=2, message="hello")] == page.events
    assert "t" == page.token


@pytest.mark.parametrize("answer", [b'{"events":[]}', b'{"events":[],"nextToken":null,"searchedLogStreams":[]}'])
def test_no_token_and_a_null_token_are_the_end(answer: bytes) -> None:
    """Compatible servers write null where AWS writes nothing."""
    assert pages.Page(events=[]) == pages.decode(answer)


def test_what_an_event_may_lack_has_a_default() -> None:
    """Identity and time may not be missing; the rest may."""
    event = {name: EVENT[name] for name in ("eventId", "logStreamName", "timestamp")}
    page = pages.decode(json.dumps({"events": [event]}).encode())

    assert [LogEvent(event_id="37", log_stream="s", timestamp_ms=1)] == page.events


def test_what_aws_adds_one_day_is_ignored() -> None:
    """A new field of the answer, or of an event, is no fault."""
    page = pages.decode(json.dumps({"events": [EVENT | {"entity": {"a": [1]}}], "more": {}}).encode())

    assert "hello" == page.events[0].message


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'"\ud800"', "\ufffd"),
        (r'"a\udc00b"', "a\ufffdb"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\ude00\ud83d"', "\ufffd\ufffd"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (r'"\u0000\uffff"', "\x00\uffff"),
    ],
)
@pytest.mark.parametrize("field", ["message", "logStreamName"])
def test_half_a_surrogate_pair_is_replaced_and_the_rest_kept(field: str, written: str, read: str) -> None:
    """A log that was cut in the middle of a character by somebody else; such text cannot be kept, nor its event lost."""
    answer = body(**{field: "?"}).replace(b'"?"', written.encode())
    event = pages.decode(answer).events[0]

    assert read == (event.message if field == "message" else event.log_stream)
    assert "37" == event.event_id


def test_bytes_that_are_no_text_are_replaced() -> None:
    """AWS says its answers are UTF-8; a proxy in between may not know."""
    assert "a\ufffdb" == pages.decode(body(message="a?b").replace(b"?", b"\xff")).events[0].message


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b"null",
        b"[]",
        b"{}",
        b'{"message":"Service unavailable"}',
        b'{"events":null}',
        b'{"events":5,"x":"\\ud800"}',
        b'{"events":[5]}',
        b'{"events":[],"nextToken":5}',
        body()[:-20],
        body(timestamp="1"),
        body(timestamp=1.5),
        body(message=None),
        b'{"events":[{"logStreamName":"s","timestamp":1,"message":"x"}]}',
        b'{"events":[{"eventId":"37","timestamp":1,"message":"x"}]}',
        b'{"events":[{"eventId":"37","logStreamName":"s","message":"x"}]}',
        b'{"events":[{"eventId":"37","logStreamName":"s","timestamp":' + b"9" * 5000 + b"}]}",
        b'{"x":' + DEEP + b',"events":[]}',
        b'{"events":' + DEEP + b"}",
        DEEP,
    ],
    ids=lambda answer: repr(answer[:40]),
)
def test_what_is_no_page_is_waited_out(answer: bytes) -> None:
    """Taken for an empty last page, it would close a slice that was never read."""
    with pytest.raises(SourceBusy, match="something that is no page of events"):
        pages.decode(answer)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(dict, message=st.text(), timestamp=st.integers(0, 2**53), eventId=st.text(), logStreamName=st.text())
    )
)
def test_decoding_is_the_inverse_of_what_json_writes(events: list[dict[str, object]]) -> None:
    """Both ways: text as it is, and with everything but ASCII escaped."""
    for escaped in (True, False):
        page = pages.decode(json.dumps({"events": events}, ensure_ascii=escaped).encode())

        assert events == [
            {
                "message": event.message,
                "timestamp": event.timestamp_ms,
                "eventId": event.event_id,
                "logStreamName": event.log_stream,
            }
            for event in page.events
        ]


@settings(max_examples=200, deadline=None)
@given(st.binary() | st.text().map(lambda text: f'{{"events":[{text}]}}'.encode("utf-8", "replace")))
def test_whatever_the_bytes_they_are_a_page_or_waited_out(answer: bytes) -> None:
    """No other error leaves: it would be taken for a bug of ours."""
    try:
        page = pages.decode(answer)
    except SourceBusy:
        return
    assert isinstance(page, pages.Page)


class _Handler(BaseHTTPRequestHandler):
    """Answers every call with what the server was told to say."""

    server: "_Server"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = self.server.answer
        self.server.calls += 1
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


class _Server(HTTPServer):
    """A server that says one thing."""

    answer: tuple[int, bytes] = (200, b"")
    calls = 0


@pytest.fixture(scope="module")
def server() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def url(server: _Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_the_hook_takes_the_place_of_the_parser_of_botocore(
    server: _Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs fifteen times as much an event. A botocore that renames its event, or ignores the result, fails here."""
    parsed: list[bytes] = []
    parse = botocore.parsers.JSONParser._parse_body_as_json  # type: ignore[attr-defined]

    def noting(parser: object, contents: bytes) -> object:
        parsed.append(contents)
        return parse(parser, contents)

    monkeypatch.setattr(botocore.parsers.JSONParser, "_parse_body_as_json", noting)
    server.answer = (200, body(message="fast"))
    source = Source(name="s", regions=("eu-west-1",), log_groups=("/app",), endpoint_url=url)
    page = LogsApi(SourceSession(source), "s", "eu-west-1", lambda _: None).page("/app", 0, 1)

    assert ["fast"] == [event.message for event in page.events]
    assert [b"{}"] == parsed


def test_errors_stay_the_business_of_botocore(server: _Server, url: str) -> None:
    """It knows the forms in which AWS's services write them; and it repeats nothing by itself."""
    client = boto3.client("logs", "eu-west-1", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))
    client.meta.events.register("before-parse.cloudwatch-logs.FilterLogEvents", pages.hook)
    server.answer = (400, b'{"__type":"com.amazonaws.logs#ThrottlingException","message":"Rate exceeded"}')

    with pytest.raises(ClientError) as caught:
        client.filter_log_events(logGroupName="/app")
    assert {"Code": "ThrottlingException", "Message": "Rate exceeded"}.items() <= caught.value.response["Error"].items()


def test_a_throttled_call_is_made_once(server: _Server, url: str) -> None:
    """A back-off hidden in botocore would slip past ours, and past the limits on calls."""
    source = Source(name="s", regions=("eu-west-1",), log_groups=("/app",), endpoint_url=url)
    server.answer = (400, b'{"__type":"ThrottlingException","message":"Rate exceeded"}')
    server.calls = 0

    with pytest.raises(SourceBusy, match=r"group /app, source s, region eu-west-1: AWS answers .* Rate exceeded"):
        LogsApi(SourceSession(source), "s", "eu-west-1", lambda _: None).page("/app", 0, 1)
    assert 1 == server.calls


def test_a_page_that_is_none_names_its_group(server: _Server, url: str) -> None:
    """The hook knows only the body; who asked for it is added."""
    source = Source(name="s", regions=("eu-west-1",), log_groups=("/app",), endpoint_url=url)
    server.answer = (200, b"<html>")

    with pytest.raises(SourceBusy, match="group /app, source s, region eu-west-1: AWS answered"):
        LogsApi(SourceSession(source), "s", "eu-west-1", lambda _: None).page("/app", 0, 1)


def test_the_decoder_is_made_once() -> None:
    """One a call would cost more than a small page."""
    assert isinstance(pages._decoder, msgspec.json.Decoder)
