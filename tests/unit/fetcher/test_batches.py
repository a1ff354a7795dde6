"""A page's events as batches, and the facts beside them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.fetcher import batches
from shared import codec, keys
from shared.event_columns import EventColumns
from shared.messages import GroupRef, LogEvent, RawBatch

NOW_MS = 1_800_000_000_000
GROUP = GroupRef(account_id="123456789012", region="eu-west-1", log_group="/app")


def an_event(message: str = "x", timestamp_ms: int = 0, stream: str = "s") -> LogEvent:
    return LogEvent(event_id="1", log_stream=stream, timestamp_ms=timestamp_ms, message=message)


def one_batch(sequence: int, *events: LogEvent) -> batches.Made:
    [made] = batches.Maker(GROUP, "production").make(sequence, EventColumns(list(events)))
    return made


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
        pieces = [piece.events for piece in batches.split(EventColumns(events))]

    assert events == [event for piece in pieces for event in piece]
    assert all(1 <= len(piece) <= max_events for piece in pieces)
    assert all(len(piece) == 1 or sum(len(event.message) for event in piece) <= max_characters for piece in pieces)


def test_a_full_page_of_aws_is_one_batch() -> None:
    """10,000 events, or a megabyte with 26 bytes counted for each: a job a page."""
    assert [10_000] == [len(piece) for piece in batches.split(EventColumns([an_event("x" * 78)] * 10_000))]
    assert [1] == [len(piece) for piece in batches.split(EventColumns([an_event("x" * 1024 * 1024)]))]


def test_a_batch_is_named_by_group_commit_number_and_events() -> None:
    """The name is the job's id: the same commit of the same events made twice is the same job, and no other is."""
    other = LogEvent(event_id="2", log_stream="s", timestamp_ms=0, message="x")
    made, again, *others = [
        one_batch(7, *events)
        for events in ([an_event()], [an_event()], [other], [an_event(), other], [other, an_event()])
    ]
    batch = codec.decode(RawBatch, made.payload)

    assert made.batch_id.startswith(f"{keys.group_key(GROUP)}-7-0-")
    assert (made.batch_id, GROUP, "production", (an_event(),), False) == (
        batch.batch_id,
        batch.group,
        batch.source,
        batch.events,
        batch.backfill,
    )
    assert made.batch_id == again.batch_id
    assert 4 == len({made.batch_id, *(one.batch_id for one in others)})


def test_the_batches_of_a_commit_are_numbered_and_those_of_a_backfill_are_counted_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "MAX_EVENTS", 1)
    events = EventColumns([an_event(), an_event("y")])
    made = [
        one
        for backfill in (False, True)
        for one in batches.Maker(GROUP, "production", backfill=backfill).make(3, events)
    ]

    assert ["3-0", "3-1", "b3-0", "b3-1"] == ["-".join(one.batch_id.split("-")[1:3]) for one in made]
    assert [False, False, True, True] == [codec.decode(RawBatch, one.payload).backfill for one in made]
    assert [] == batches.Maker(GROUP, "production").make(4, EventColumns([]))


@pytest.mark.parametrize(
    ("last_ms", "has_room"), [(NOW_MS - batches.OLD_MS, True), (NOW_MS - batches.OLD_MS + 1, False)]
)
def test_only_old_events_wait_for_the_next_page(last_ms: int, has_room: bool) -> None:
    """An empty page, as AWS sends now and then, makes those before it no older."""
    gathered = batches.Gathered(EventColumns([an_event(timestamp_ms=0), an_event(timestamp_ms=last_ms)]))
    found = [gathered.has_room(NOW_MS)]
    gathered.add(EventColumns([]))

    assert [has_room, has_room] == [*found, gathered.has_room(NOW_MS)]
    assert [2, 2] == [gathered.count, gathered.pages]
    assert batches.Gathered(EventColumns([])).has_room(NOW_MS)


def test_facts_are_what_an_operator_wants_to_read_as_plain_json() -> None:
    """They stand in the dashboard; the events do not."""
    events = [an_event("ab", 86_400_000 + 999, "t"), an_event("cde", 1999, "s"), an_event("", 5000, "s")]
    facts = one_batch(1, *events).facts

    assert {
        "account_id": "123456789012",
        "region": "eu-west-1",
        "log_group": "/app",
        "group_key": keys.group_key(GROUP),
        "streams": 2,
        "events": 3,
        "bytes": 5,
        "first": "1970-01-01T00:00:01Z",
        "last": "1970-01-02T00:00:00Z",
    } == json.loads(json.dumps(facts))


def test_a_time_beyond_the_calendar_is_shown_as_a_number() -> None:
    """What a server may say must not end the reading of its group."""
    facts = one_batch(1, an_event(timestamp_ms=10**18)).facts

    assert "1000000000000000000" == facts["first"] == facts["last"]
