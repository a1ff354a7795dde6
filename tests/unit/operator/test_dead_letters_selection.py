"""Which dead letters are meant: each option by itself and together, and faults that are said."""

import time

import pytest
import redis

from services.operator.dead_letters.selection import UNREADABLE, Selection, find, scan, selection, some
from shared import keys
from shared.errors import SettingsError
from shared.messages import DeadLetter, GroupRef
from tests.unit.forwarder.factories import GROUP, an_event
from tests.unit.operator.letters import AT_MS, a_letter, add, keep

OTHER = GroupRef(account_id="111122223333", region="eu-west-1", log_group="/app/shop")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Selection(), True),
        (Selection(reason="CANNOT be shaped"), True),
        (Selection(reason="too long"), False),
        (Selection(group="/aws/lambda/billing"), True),
        (Selection(group="/aws/*"), True),
        (Selection(group="/AWS/*"), False),
        (Selection(group="/aws/lambda"), False),
        (Selection(since_ms=AT_MS), True),
        (Selection(since_ms=AT_MS + 1), False),
        (Selection(until_ms=AT_MS + 1), True),
        (Selection(until_ms=AT_MS), False),
        (Selection(reason="shaped", group="*", since_ms=0, until_ms=2 * AT_MS), True),
        (Selection(reason="shaped", group="/app/*", since_ms=0, until_ms=2 * AT_MS), False),
    ],
)
def test_a_letter_is_meant_when_all_that_is_asked_for_holds(wanted: Selection, *, expected: bool) -> None:
    """Since includes its moment and until does not, so that two stretches side by side share no letter."""
    assert expected == wanted.matches(a_letter())


def test_a_letter_of_no_known_group_is_in_none() -> None:
    """Not even in `*`: nobody knows."""
    assert not Selection(group="x*").matches(a_letter(group=None))
    assert Selection().matches(a_letter(group=None))


def test_times_are_read_as_the_settings_read_them() -> None:
    """A date, an RFC 3339 time, and an age."""
    wanted = selection(reason="", group="", since="2026-11-01", until="2026-11-01T08:00:00+01:00")
    assert (1_793_491_200_000, 1_793_491_200_000 + 7 * 3_600_000) == (wanted.since_ms, wanted.until_ms)

    aged = selection(reason="", group="", since="2h", until="")
    assert aged.since_ms is not None
    assert 2 * 3_600_000 == pytest.approx(time.time() * 1000 - aged.since_ms, abs=60_000)
    assert aged.until_ms is None


def test_times_that_are_none_are_all_named() -> None:
    """A line each, with what would do."""
    with pytest.raises(SettingsError) as refused:
        selection(reason="", group="", since="yesterday", until="soon")

    assert ["--since 'yesterday'", "--until 'soon'"] == [fault.partition(":")[0] for fault in refused.value.faults]
    assert all('an age ("2h")' in fault for fault in refused.value.faults)


@pytest.mark.parametrize(
    ("ids", "reason", "everything"),
    [((), "", False), (("a",), "x", False), (("a",), "", True), ((), "x", True)],
)
def test_what_changes_something_wants_to_be_told_on_what(
    ids: tuple[str, ...], reason: str, *, everything: bool
) -> None:
    """Neither everything by a slip, nor a guess at what two contradicting options mean."""
    with pytest.raises(SettingsError, match="IDs, a selection"):
        some(ids, everything=everything, reason=reason, group="", since="", until="")


def test_kept_originals_cannot_be_selected_by_a_reason() -> None:
    """They have none: to answer with nothing would mislead."""
    with pytest.raises(SettingsError, match="kept originals have none"):
        selection(reason="x", group="", since="", until="", originals=True)


def test_every_letter_that_is_meant_is_found_among_many(client: redis.Redis) -> None:
    """More than one round trip brings, and none twice."""
    add(client, {f"g-{number}-0-n0": a_letter(number, group=GROUP if number % 2 else OTHER) for number in range(1_234)})
    found = [entry.id for entry in scan(client, Selection(group="/app/shop"))]

    assert {f"g-{number}-0-n0" for number in range(0, 1_234, 2)} == set(found)
    assert 617 == len(found)


def test_kept_originals_are_found_among_many(client: redis.Redis) -> None:
    """The same, of the other kind."""
    keep(client, {f"g-{number}-0-k0": an_event(number, "x" * number) for number in range(345)})
    keep(client, {"g-0-1-k0": an_event(0)}, OTHER)
    client.delete(keys.kept_original("g-7-0-k0"))  # as when it makes room while somebody looks
    found = list(scan(client, Selection(group="/aws/*"), originals=True))

    assert {f"g-{number}-0-k0" for number in range(345) if number != 7} == {entry.id for entry in found}
    assert 344 == len(found)
    assert {"x" * 5} == {entry.body.decode() for entry in found if entry.id == "g-5-0-k0"}
    assert all(entry.is_original and not entry.letter.events for entry in found)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x28\xb5\x2f\xfd\x00"])
def test_an_entry_that_makes_no_sense_is_shown_as_such(client: redis.Redis, data: bytes) -> None:
    """It may be of a newer release, or of nobody knows whom; it must not hide the others."""
    add(client, {"good": a_letter()})
    client.hset(keys.DEAD_LETTERS, b"\xff\x1b", data)
    entries = {entry.id: entry for entry in scan(client, Selection())}

    assert {"good", "\\xff\x1b"} == set(entries)
    odd = entries["\\xff\x1b"]
    assert (b"\xff\x1b", data, 0) == (odd.name, odd.body, odd.letter.events)
    assert odd.letter.reason.startswith(UNREADABLE)
    assert [odd] == find(client, ("\udcff\x1b",))  # as an argument comes from a shell


def test_ids_are_found_whatever_they_are_of(client: redis.Redis) -> None:
    """Each once; who asks for one kind does not get the other."""
    add(client, {"g-1-0-n0": a_letter()})
    keep(client, {"g-1-0-k0": an_event()})
    both = find(client, ("g-1-0-k0", "g-1-0-n0", "g-1-0-k0"))

    assert [("g-1-0-k0", True), ("g-1-0-n0", False)] == [(entry.id, entry.is_original) for entry in both]
    with pytest.raises(SettingsError, match="there is no kept original 'g-1-0-n0'"):
        find(client, ("g-1-0-n0",), originals=True)
    with pytest.raises(SettingsError, match="there is no dead letter 'g-1-0-k0'"):
        find(client, ("g-1-0-n0", "g-1-0-k0"), originals=False)


def test_ids_that_are_not_there_are_all_named(client: redis.Redis) -> None:
    """A line each."""
    with pytest.raises(SettingsError) as refused:
        find(client, ("a", "b"))

    assert ["'a'", "'b'"] == [fault.split()[-5].rstrip(":") for fault in refused.value.faults]


def test_a_letter_of_an_earlier_release_is_read(client: redis.Redis) -> None:
    """It has none of the newer fields."""
    letter = DeadLetter(reason="spoiled", at_ms=AT_MS, payload=b"x", events=7)

    assert ("", "", b"") == (letter.queue, letter.batch_id, letter.facts)
