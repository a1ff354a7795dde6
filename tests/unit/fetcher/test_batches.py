"""A page's events as batches, and the facts beside them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.fetcher import batches
from shared.messages import GroupRef, LogEvent

GROUP = GroupRef(account_id="123456789012", region="eu-west-1", log_group="/app")


def an_event(message: str = "x", timestamp_ms: int = 0, stream: str = "s") -> LogEvent:
    return LogEvent(event_id="1", log_stream=stream, timestamp_ms=timestamp_ms, message=message)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9)), st.integers(1, 5), st.integers(1, 12))
def test_splitting_keeps_every_event_in_its_order_within_the_bounds(
    sizes: list[int], max_events: int, max_characters: int
) -> None:
    """A single longer event is a batch of its own, and no batch is empty."""
    events = [an_event("x" * size, number) for number, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "MAX_EVENTS", max_events)
        patch.setattr(batches, "MAX_CHARACTERS", max_characters)
        pieces = list(batches.split(events))

    assert events == [event for piece in pieces for event in piece]
    assert all(1 <= len(piece) <= max_events for piece in pieces)
    assert all(len(piece) == 1 or sum(len(event.message) for event in piece) <= max_characters for piece in pieces)


def test_a_full_page_of_aws_is_one_batch() -> None:
    """10,000 events, or a megabyte with 26 bytes counted for each: a job a page."""
    assert [10_000] == [len(piece) for piece in batches.split([an_event("x" * 78)] * 10_000)]
    assert [1] == [len(piece) for piece in batches.split([an_event("x" * 1024 * 1024)])]


def test_a_batch_is_named_by_group_commit_number_and_events() -> None:
    """The name is the job's id: the same commit of the same events made twice is the same job, and no other is."""
    made = batches.batch("0123456789abcdef", GROUP, "production", 7, 2, [an_event()])
    again = batches.batch("0123456789abcdef", GROUP, "production", 7, 2, [an_event()])
    other = LogEvent(event_id="2", log_stream="s", timestamp_ms=0, message="x")
    others = [
        batches.batch("0123456789abcdef", GROUP, "production", 7, 2, events)
        for events in ([other], [an_event(), other], [other, an_event()])
    ]

    assert made.batch_id.startswith("0123456789abcdef-7-2-")
    assert [GROUP, "production", 1] == [made.group, made.source, len(made.events)]
    assert made.batch_id == again.batch_id
    assert 4 == len({made.batch_id, *(one.batch_id for one in others)})


def test_facts_are_what_an_operator_wants_to_read_as_plain_json() -> None:
    """They stand in the dashboard; the events do not."""
    events = [an_event("ab", 86_400_000 + 999, "t"), an_event("cde", 1999, "s"), an_event("", 5000, "s")]
    facts = batches.facts("key", batches.batch("key", GROUP, "production", 1, 0, events))

    assert {
        "account_id": "123456789012",
        "region": "eu-west-1",
        "log_group": "/app",
        "group_key": "key",
        "streams": 2,
        "events": 3,
        "bytes": 5,
        "first": "1970-01-01T00:00:01Z",
        "last": "1970-01-02T00:00:00Z",
    } == json.loads(json.dumps(facts))


def test_a_time_beyond_the_calendar_is_shown_as_a_number() -> None:
    """What a server may say must not end the reading of its group."""
    facts = batches.facts("key", batches.batch("key", GROUP, "s", 1, 0, [an_event(timestamp_ms=10**18)]))

    assert "1000000000000000000" == facts["first"] == facts["last"]
