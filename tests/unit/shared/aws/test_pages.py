"""Bodies of FilterLogEvents, from what AWS sends to what no AWS would."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.aws import pages
from shared.errors import SourceBusy
from shared.messages import LogEvent

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
