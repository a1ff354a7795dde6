"""Events by column: whatever is picked, each column is of exactly those events."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.event_columns import EventColumns
from shared.messages import LogEvent
from shared.remembered import digest

COLUMNS: dict[str, Callable[[LogEvent], object]] = {
    "hashes": digest,
    "times_ms": lambda event: event.timestamp_ms,
    "ingestion_ms": lambda event: event.ingestion_ms,
    "sizes": lambda event: len(event.message),
    "streams": lambda event: event.log_stream,
}
events = st.builds(
    LogEvent,
    event_id=st.sampled_from("123"),
    log_stream=st.sampled_from("st"),
    timestamp_ms=st.integers(-3, 3),
    ingestion_ms=st.integers(-1, 5),
    message=st.sampled_from(["", "m", "mm"]),
)
lists = st.lists(events, max_size=8)


def seen_columns(made: list[LogEvent], names: set[str]) -> EventColumns:
    """Return events of which some columns were looked at before."""
    columns = EventColumns(made)
    assert all(getattr(columns, name) is not None for name in names)
    return columns


def agrees(columns: EventColumns, expected: list[LogEvent]) -> bool:
    """Say whether these are the events, and every column is theirs."""
    return columns.events == expected and all(
        getattr(columns, name) == list(map(of, expected)) for name, of in COLUMNS.items()
    )


@given(made=lists, names=st.sets(st.sampled_from(sorted(COLUMNS))), data=st.data())
def test_what_is_picked_is_picked_of_every_column(made: list[LogEvent], names: set[str], data: st.DataObject) -> None:
    start, end = data.draw(st.integers(0, 8)), data.draw(st.integers(0, 9))
    wanted = [event.message == "m" for event in made]

    assert agrees(seen_columns(made, names).cut(start, end), made[start:end])
    assert agrees(seen_columns(made, names).where(wanted), [event for event in made if event.message == "m"])
    assert agrees(seen_columns(made, names).by_time(), sorted(made, key=lambda event: event.timestamp_ms))


@given(parts=st.lists(st.tuples(lists, st.sets(st.sampled_from(sorted(COLUMNS)))), min_size=1, max_size=3))
def test_parts_are_joined_whichever_of_their_columns_were_made(parts: list[tuple[list[LogEvent], set[str]]]) -> None:
    joined = EventColumns.joined([seen_columns(made, names) for made, names in parts])

    assert agrees(joined, [event for made, _ in parts for event in made])


@given(made=lists)
def test_the_first_event_of_a_hash_is_the_one(made: list[LogEvent]) -> None:
    columns = EventColumns(made)
    wanted = {hashed for hashed in columns.hashes if hashed % 2}
    first: dict[int, LogEvent] = {}
    for event in made:
        if digest(event) in wanted:
            first.setdefault(digest(event), event)

    assert agrees(columns.first_of(wanted), list(first.values()))


@pytest.mark.parametrize(("ingestion_ms", "late_ms"), [((15, 3), [10, -4]), ((15, 0), [10]), ((0, -1), []), ((), [])])
def test_only_events_with_an_ingestion_time_can_be_late(ingestion_ms: tuple[int, ...], late_ms: list[int]) -> None:
    made = [
        LogEvent(event_id="1", log_stream="s", timestamp_ms=time_ms, ingestion_ms=at)
        for time_ms, at in zip((5, 7), ingestion_ms, strict=False)
    ]

    assert late_ms == EventColumns(made).late_ms
