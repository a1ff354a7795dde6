"""Batches made of letters: each letter's own way back, under ids that no batch ever had."""

import msgspec
import pytest
from rq.job import JOB_ID_PATTERN

from services.operator.dead_letters.batches import batch, obstacle, pile
from shared import codec, queues
from shared.messages import DeadLetter, EnrichedBatch, RawBatch
from shared.queues import ENRICHED, RAW
from tests.unit.forwarder.factories import GROUP, GROUP_KEY, an_event, facts_of
from tests.unit.operator.letters import AT_MS, a_datagram, a_letter, an_entry

A_PAYLOAD = DeadLetter(
    reason="spoiled",
    at_ms=AT_MS,
    payload=b"spoiled",
    events=7,
    queue="raw",
    batch_id="g-1-0",
    facts=msgspec.json.encode(facts_of(7)),
)


def test_events_become_a_raw_batch_in_the_order_of_time() -> None:
    """As the fetcher would have made it; letters come in no order."""
    entries = [an_entry(f"g-1-0-n{number}", a_letter(number)) for number in (2, 0, 1)]
    made = batch(pile(entries[0]), entries)
    sent = codec.decode(RawBatch, made.payload)

    assert RAW.queue == made.queue
    assert (an_event(0), an_event(1), an_event(2)) == sent.events
    assert (GROUP, "production", made.batch_id) == (sent.group, sent.source, sent.batch_id)
    assert {**facts_of(3), "bytes": 18} == made.facts


def test_events_of_a_backfill_go_back_as_such() -> None:
    """Sent again as live events, old failures would fire the rules for new ones."""
    entry = an_entry("g-b1-0-n0", msgspec.structs.replace(a_letter(), backfill=True))

    assert codec.decode(RawBatch, batch(pile(entry), [entry]).payload).backfill
    assert pile(entry) != pile(an_entry("g-1-0-n0", a_letter()))


def test_events_of_one_moment_keep_the_order_in_which_they_were_read() -> None:
    """By their number, not by its digits."""
    events = [msgspec.structs.replace(an_event(number), timestamp_ms=5) for number in range(12)]
    entries = [
        an_entry(f"g-1-0-n{number}", msgspec.structs.replace(a_letter(), event=events[number]))
        for number in (11, 2, 10, 9, 1)
    ]
    sent = codec.decode(RawBatch, batch(pile(entries[0]), entries).payload)

    assert [events[number] for number in (1, 2, 9, 10, 11)] == list(sent.events)


def test_datagrams_become_an_enriched_batch_with_the_parts_of_an_event_in_their_order() -> None:
    """A part that is not the last of its event stands for none: the books would count the event twice."""
    letters = {"g-1-0-d10": (b"part 2", 1), "g-1-0-d9": (b"part 1", 0), "g-1-0-d2": (b"whole", 1)}
    entries = [an_entry(name, a_datagram(payload, events)) for name, (payload, events) in letters.items()]
    made = batch(pile(entries[0]), entries)
    sent = codec.decode(EnrichedBatch, made.payload)

    assert ENRICHED.queue == made.queue
    assert ((b"whole", b"part 1", b"part 2"), (1,)) == (sent.datagrams, sent.continued)
    assert (2, made.batch_id, AT_MS) == (made.facts["events"], sent.batch_id, sent.newest_ms)


def test_a_payload_goes_back_as_it_was() -> None:
    """Under its own id: the id within, which nobody here can read, may not be another."""
    entry = an_entry("g-1-0-p", A_PAYLOAD)
    made = batch(pile(entry), [entry])

    assert ("raw", "g-1-0", b"spoiled", facts_of(7)) == (made.queue, made.batch_id, made.payload, made.facts)


def test_a_payload_whose_facts_are_incomplete_can_be_queued_all_the_same() -> None:
    """Its job is described by them."""
    entry = an_entry("g-1-0-p", msgspec.structs.replace(A_PAYLOAD, facts=b'{"region":"x"}'))
    facts = batch(pile(entry), [entry]).facts

    assert ("x", 7, "unknown") == (facts["region"], facts["events"], facts["group_key"])
    assert set(facts_of(7)) == set(facts)


def test_the_id_of_a_batch_comes_from_its_letters_alone() -> None:
    """The same for the same letters in whatever order, another for any other."""
    entries = [an_entry(f"g-1-0-n{number}", a_letter(number)) for number in range(3)]
    of = pile(entries[0])
    ids = {batch(of, some).batch_id for some in (entries, entries[::-1], entries[1:], entries[:2], entries[:1])}

    assert 4 == len(ids)
    assert batch(of, entries).batch_id == batch(of, entries[::-1]).batch_id


def test_an_event_that_fails_again_and_again_gets_another_id_each_time() -> None:
    """And none that grows, or that RQ would refuse."""
    name, seen = f"{GROUP_KEY}-1-0-n0", set()
    for _ in range(50):
        entry = an_entry(name, a_letter())
        batch_id = batch(pile(entry), [entry]).batch_id
        seen.add(batch_id)
        name = f"{batch_id}-n0"

    assert 50 == len(seen)
    assert all(JOB_ID_PATTERN.fullmatch(queues.job_id(RAW, batch_id)) and len(batch_id) < 64 for batch_id in seen)


@pytest.mark.parametrize(
    "letter",
    [
        DeadLetter(reason="spoiled", at_ms=0, payload=b"x", events=7),
        DeadLetter(reason="empty", at_ms=0, group=GROUP),
        a_datagram(events=3),
        msgspec.structs.replace(a_letter(), events=2),
        a_letter(group=None),
        msgspec.structs.replace(A_PAYLOAD, queue="rq:other"),
        msgspec.structs.replace(A_PAYLOAD, batch_id=""),
        msgspec.structs.replace(A_PAYLOAD, batch_id="a b"),
        msgspec.structs.replace(A_PAYLOAD, facts=b""),
        msgspec.structs.replace(A_PAYLOAD, facts=b"[1]"),
        msgspec.structs.replace(A_PAYLOAD, events=-1),
    ],
)
def test_a_letter_that_makes_no_sense_has_an_obstacle(letter: DeadLetter) -> None:
    """It stays, and it is said why; it must not end the replay of the others."""
    assert obstacle(letter)


@pytest.mark.parametrize("letter", [a_letter(), a_datagram(), a_datagram(events=0), A_PAYLOAD])
def test_what_the_stages_write_has_none(letter: DeadLetter) -> None:
    """All three kinds."""
    assert "" == obstacle(letter)
