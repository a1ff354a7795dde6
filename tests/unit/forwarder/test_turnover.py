"""What one look after another proves about events that were read, and what gives reason for doubt."""

import pytest

from services.forwarder import turnover
from services.forwarder.turnover import MARGIN, Lane, Passage
from tests.unit.forwarder.looks import a_look


def test_a_passage_is_over_when_both_queues_have_turned_over_one_after_the_other() -> None:
    """Events of the first queue are at the end of the second when they get there."""
    passage = Passage("files", a_look(depth=500, taken=1_000, waiting=70, processed=900))

    assert not passage.is_over(a_look(depth=500, taken=1_500 + MARGIN - 1, processed=5_000, waiting=9))
    assert not passage.is_over(a_look(depth=500, taken=1_500 + MARGIN, processed=6_000, waiting=80))
    assert not passage.is_over(a_look(depth=500, taken=9_000, processed=6_079, waiting=80))
    assert passage.is_over(a_look(depth=500, taken=9_000, processed=6_080, waiting=80))


def test_a_queue_that_was_empty_behind_the_first_needs_no_second_look() -> None:
    """There is nothing to wait for."""
    passage = Passage("files", a_look(depth=0, taken=0))

    assert passage.is_over(a_look(depth=3, taken=MARGIN, waiting=0, processed=MARGIN))


def test_the_margin_is_more_than_was_seen_to_overtake() -> None:
    """306 events overtook one, in analysisd on two cores."""
    assert MARGIN > 306


def test_events_of_another_queue_prove_nothing() -> None:
    """Agents' Windows events turn their own queue over."""
    passage = Passage("eventchannel", a_look(depth=0, taken=0))

    assert not passage.is_over(a_look(taken=10_000, processed=10_000))


def test_what_is_ahead_shrinks_to_nothing() -> None:
    """It is what the time of the next look is reckoned from."""
    passage = Passage("files", a_look(depth=100))
    ahead = [passage.events_ahead(a_look(taken=taken)) for taken in (0, 300, 1_000)]

    assert [100 + MARGIN, MARGIN - 200, 0] == ahead


@pytest.mark.parametrize(
    ("after", "word"),
    [
        (a_look(start=2, taken=10, processed=10), "restarted"),
        (a_look(taken=9, processed=10), "began anew"),
        (a_look(taken=10, processed=9), "began anew"),
        (a_look(taken=10, processed=10, dropped=3), "dropped 3 events"),
        (a_look(taken=11, processed=11), ""),
    ],
)
def test_a_restart_and_a_drop_give_reason_for_doubt(after: turnover.Look, word: str) -> None:
    """A restart within one second shows in its counters only."""
    said = turnover.doubt(a_look(taken=10, processed=10), after, "files")

    assert word in said
    assert bool(word) == bool(said)


def test_calm_is_a_receiver_that_drops_nothing_and_has_room() -> None:
    """Sent to before, it would only drop again."""
    before = a_look(taken=10, dropped=5)

    assert turnover.is_calm(before, a_look(taken=20, dropped=5, depth=1_000), "files")
    assert not turnover.is_calm(before, a_look(taken=20, dropped=6), "files")
    assert not turnover.is_calm(before, a_look(taken=20, dropped=5, depth=16_000), "files")


@pytest.mark.parametrize(
    ("datagram", "lane"),
    [
        (b"1:Wazuh-AWS|:eu-west-1|:group|:stream:text", "files"),
        (b"1:Wazuh-AWS:text", "aws"),
        (b"1:Wazuh-AWSome:text", "files"),
        (b"f:EventChannel:<Event>", "eventchannel"),
    ],
)
def test_a_datagram_enters_the_queue_and_counts_where_its_header_says(datagram: bytes, lane: Lane) -> None:
    """Only the bare location has a counter that no agent's file shares."""
    assert lane == turnover.lane_of(datagram)


def test_a_segment_is_of_one_lane() -> None:
    """A stream that is named like the bare location must not hide the drops of the others."""
    bare, full, windows = b"1:Wazuh-AWS:x", b"1:Wazuh-AWS|:eu-west-1:x", b"f:EventChannel:x"

    assert (3, "files") == turnover.segment([full] * 3, 0, 10)
    assert (2, "files") == turnover.segment([full] * 3, 0, 2)
    assert (3, "aws") == turnover.segment([windows, bare, bare], 1, 10)
    assert (2, "files") == turnover.segment([bare, full], 0, 10)
    assert (1, "files") == turnover.segment([full, windows], 0, 10)
    assert (2, "eventchannel") == turnover.segment([full, windows], 1, 10)
