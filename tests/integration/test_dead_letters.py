"""Letters put back, or given up: one transaction each, so that nothing is lost, doubled or counted wrong on the way."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec
import pytest
import redis
import structlog

from services.normalizer.normalize import Normalizer
from services.normalizer.shape import Shaped, Shaper
from services.operator.dead_letters import command as commands
from services.operator.dead_letters import replay as dead_letters_replay
from services.operator.dead_letters.replay import Replay
from services.operator.dead_letters.selection import Selection, scan
from shared import codec, dead_letters, keys, queues, store
from shared.errors import Incomplete, SettingsError
from shared.messages import DeadLetter, EnrichedBatch, GroupRef, LogEvent, RawBatch
from shared.queues import ENRICHED, RAW, Route
from shared.settings.model import Settings, Source
from tests.unit.forwarder.factories import GROUP, GROUP_KEY, a_raw_batch, account, an_event, facts_of, put, put_bytes
from tests.unit.forwarder.faulty_redis import Moment, faulty_client
from tests.unit.operator.letters import AT_MS, a_datagram, a_letter, add, keep

OTHER = GroupRef(account_id="111122223333", region="eu-west-1", log_group="/app/shop")
SETTINGS = Settings(sources=(Source(name="production", regions=("eu-west-1",), log_groups=("*",)),))


def names(client: redis.Redis) -> set[str]:
    """Return the ids of all letters."""
    found: list[bytes] = client.hkeys(keys.DEAD_LETTERS)  # type: ignore[assignment]  # sync, not async
    return {name.decode() for name in found}


def batches(client: redis.Redis) -> tuple[list[RawBatch], list[EnrichedBatch]]:
    """Return what is queued; each batch has its payload, its job, its facts and its place."""
    found: list[Any] = []
    for route, kind in ((RAW, RawBatch), (ENRICHED, EnrichedBatch)):
        outstanding: list[Any] = client.zrange(keys.outstanding(route.queue), 0, -1)
        batch_ids = {batch_id.decode() for batch_id in outstanding}
        assert {queues.job_id(route, batch_id) for batch_id in batch_ids} == set(
            queues.open_queue(client, route).job_ids
        )
        assert len(batch_ids) == len(queues.open_queue(client, route).job_ids)
        assert {batch_id.encode() for batch_id in batch_ids} == set(client.hkeys(keys.facts(route.queue)))
        found.append([codec.decode(kind, queues.take(client, route, batch_id) or b"") for batch_id in batch_ids])
        assert all(batch.batch_id in batch_ids for batch in found[-1])
    return found[0], found[1]


def is_exact(client: redis.Redis) -> bool:
    """Tell whether the counters of bytes say what is there."""
    letters: list[bytes] = client.hvals(keys.DEAD_LETTERS)  # type: ignore[assignment]  # sync, not async
    held = {"dead_letters": sum(map(len, letters))}
    for route in (RAW, ENRICHED):
        held[route.queue] = sum(int(client.strlen(key)) for key in client.keys(keys.payload(route.queue, "*")))
    return held == {name: int(client.hget(keys.BYTES, name) or 0) for name in held}


def queued_events(client: redis.Redis) -> int:
    """Return the events of all batches."""
    raw, enriched = batches(client)
    return sum(len(one.events) for one in raw) + sum(len(one.datagrams) - len(one.continued) for one in enriched)


def is_balanced(client: redis.Redis) -> bool:
    """Tell whether the events that the books have in flight are those that are queued."""
    return account(client).in_flight == queued_events(client) and is_exact(client)


def buried(client: redis.Redis, route: Route, batch_id: str, payload: bytes, events: int) -> dict[str, Any]:
    """Make a letter of a payload as a worker does, whose job is over then; return its facts."""
    facts = put_bytes(client, route, batch_id, payload, events)
    dead_letters.bury(client, route, batch_id, payload, facts, "spoiled")
    queues.open_queue(client, route).empty()  # type: ignore[no-untyped-call]
    return facts


def replay(client: redis.Redis, **wanted: Any) -> None:
    commands.replay(client, (), Selection(**wanted))


LETTERS = {
    **{f"{GROUP_KEY}-1-0-n{number}": a_letter(number) for number in range(5)},
    f"{GROUP_KEY}-1-0-d3": a_datagram(b"part 1", events=0),
    f"{GROUP_KEY}-1-0-d4": a_datagram(b"part 2"),
}


def test_events_and_datagrams_go_back_to_where_they_came_from(
    client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """One batch of each kind, and the books as if they had never been letters."""
    add(client, LETTERS)
    assert (6, 0) == (account(client).dead_lettered, account(client).in_flight)
    replay(client)
    (raw,), (enriched,) = batches(client)

    assert tuple(an_event(number) for number in range(5)) == raw.events
    assert ((b"part 1", b"part 2"), (0,)) == (enriched.datagrams, enriched.continued)
    assert set() == names(client)
    assert (0, 6) == (account(client).dead_lettered, account(client).in_flight)
    assert is_balanced(client)
    assert "replayed 7 dead letters of 6 events: 2 on enriched, 5 on raw\n" == capsys.readouterr().out


def test_an_undecodable_payload_goes_back_to_its_queue_under_its_id(client: redis.Redis) -> None:
    """A newer release may read it: then it is the batch that it always was."""
    batch = a_raw_batch(3)
    payload = codec.encode(batch)
    facts = buried(client, RAW, batch.batch_id, payload, events=3)
    assert (3, 0) == (account(client).dead_lettered, account(client).in_flight)
    replay(client, group="/aws/*")

    assert ([batch], []) == batches(client)
    assert (0, 3) == (account(client).dead_lettered, account(client).in_flight)
    assert is_balanced(client)
    (job,) = queues.open_queue(client, RAW).jobs
    assert (batch.batch_id, facts) == tuple(job.args)


def test_a_payload_that_is_still_undecodable_becomes_the_same_letter_again(client: redis.Redis) -> None:
    """As often as it is tried, and the books know."""
    facts = buried(client, ENRICHED, "g-1-0", b"spoiled", events=7)
    for _ in range(3):
        replay(client)
        assert (b"spoiled", 7) == (queues.take(client, ENRICHED, "g-1-0"), account(client).in_flight)
        assert is_exact(client)
        dead_letters.bury(client, ENRICHED, "g-1-0", b"spoiled", facts, "spoiled")

        assert {"g-1-0-p"} == names(client)
        assert (7, 0) == (account(client).dead_lettered, account(client).in_flight)


class Faulty:
    """Cannot shape a message that is in its list."""

    refused: set[str] = set()  # noqa: RUF012 - shared by all, on purpose

    def shape(self, event: LogEvent) -> Shaped:
        if event.message in self.refused:
            raise ValueError("no such shape")
        return Shaped((event.message.encode(),))


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """What the normalizer cannot shape."""
    monkeypatch.setattr(Shaper, "shape", Faulty().shape)
    monkeypatch.setattr(Shaper, "_fast_path", lambda _: None)
    with structlog.testing.capture_logs():  # a traceback for people, three hundred times, takes a minute
        yield Faulty.refused
    Faulty.refused.clear()


def normalize_all(client: redis.Redis) -> None:
    """Do what is queued on raw, as the normalizer does it."""
    stage = Normalizer(client, queues.open_queue(client, ENRICHED), SETTINGS, lambda: None)
    for batch in batches(client)[0]:
        stage.normalize(batch.batch_id, facts_of(len(batch.events)))
        queues.open_queue(client, RAW).empty()  # type: ignore[no-untyped-call]


def test_a_letter_that_fails_again_is_a_letter_again_and_goes_through_when_it_can(
    client: redis.Redis, faulty: set[str]
) -> None:
    """Under another id each time: what is left of an earlier batch never stands in the way of a later one."""
    faulty.update({"line 1", "line 3"})
    events = tuple(an_event(number) for number in range(5))
    put(client, RawBatch(batch_id=f"{GROUP_KEY}-1-0", group=GROUP, source="production", events=events))
    normalize_all(client)
    ids = [names(client)]
    for _ in range(3):
        replay(client)
        assert is_balanced(client)
        normalize_all(client)
        assert is_balanced(client)
        ids.append(names(client))
    faulty.clear()
    replay(client)
    normalize_all(client)

    assert [2] * 4 == [len(some) for some in ids]
    assert 8 == len(set().union(*ids))
    assert set() == names(client)
    assert sorted(f"line {number}".encode() for number in range(5)) == sorted(
        datagram for batch in batches(client)[1] for datagram in batch.datagrams
    )
    assert (0, 5) == (account(client).dead_lettered, account(client).in_flight)


def test_what_fails_again_during_a_replay_is_left_to_the_next(
    client: redis.Redis, faulty: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a replay of all would never end."""
    monkeypatch.setattr(dead_letters_replay, "MAX_LETTERS", 10)
    faulty.update(f"line {number}" for number in range(300))
    add(client, {f"{GROUP_KEY}-1-0-n{number}": a_letter(number) for number in range(300)})

    def worked_on() -> Iterator[Any]:
        for entry in scan(client, Selection()):
            normalize_all(client)
            yield entry

    done = Replay(client).run(worked_on())
    normalize_all(client)

    assert ({"raw": 300}, 300, 0, 0) == (done.letters, done.events, done.gone, done.stay)
    assert 300 == dead_letters.count(client) == account(client).dead_lettered
    assert is_balanced(client)


def test_letters_of_a_group_and_source_share_a_batch_within_bounds(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch a letter would take hours for a hundred thousand; one of everything would not fit a worker's memory."""
    monkeypatch.setattr(dead_letters_replay, "MAX_BYTES", 50_000)
    add(client, {f"g-1-0-n{number}": a_letter(number) for number in range(2_500)})
    add(client, {f"g-2-0-n{number}": a_letter(number, group=OTHER) for number in range(10)})
    add(client, {f"g-3-0-n{number}": a_letter(number, "x" * 20_000) for number in range(6)})
    replay(client)
    raw, _ = batches(client)

    assert {GROUP: 2_506, OTHER: 10} == {
        group: sum(len(batch.events) for batch in raw if batch.group == group) for group in (GROUP, OTHER)
    }
    assert max(len(batch.events) for batch in raw) <= 1_000
    assert max(sum(len(event.message) for event in batch.events) for batch in raw) <= 50_000
    assert len(raw) <= 10
    assert is_exact(client)


def test_letters_of_many_groups_are_not_held_without_end(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for more of its group makes room, the largest first."""
    monkeypatch.setattr(dead_letters_replay, "MAX_HELD_BYTES", 100_000)
    groups = [GroupRef(account_id="1", region="eu-west-1", log_group=f"/app/{number}") for number in range(100)]
    add(client, {f"g-{number}-0-n0": a_letter(number, group=groups[number % 100]) for number in range(500)})
    stage = Replay(client)
    most = 0

    def watched() -> Iterator[Any]:
        nonlocal most
        for entry in scan(client, Selection()):
            yield entry
            most = max(most, sum(len(held.entries) for held in stage._held.values()))

    done = stage.run(watched())

    assert 500 == done.events
    assert 0 < most <= 51
    assert set() == names(client)
    assert is_exact(client)


@pytest.mark.parametrize("moment", ["before", "after", "from then on"])
def test_a_replay_that_is_cut_at_any_command_loses_and_doubles_nothing(
    client: redis.Redis, redis_url: str, moment: Moment
) -> None:
    """The connection breaks, or the process dies: each letter is a letter or a batch, and a second replay ends it."""
    payload = codec.encode(a_raw_batch(3, "g-9-0"))
    for at in count(1):
        client.flushall()
        add(client, LETTERS)
        buried(client, RAW, "g-9-0", payload, events=3)
        with faulty_client(redis_url, at, moment) as (broken, plan):
            with suppress(redis.ConnectionError):
                Replay(broken).run(scan(broken, Selection()))
            has_broken = plan.has_broken
        assert is_balanced(client)
        assert 9 == account(client).dead_lettered + account(client).in_flight
        Replay(client).run(scan(client, Selection()))

        raw, enriched = batches(client)
        messages = sorted(event.message for batch in raw for event in batch.events)
        assert sorted([*(f"line {n}" for n in range(5)), *(f"line {n} of g-9-0" for n in range(3))]) == messages
        assert [b"part 1", b"part 2"] == sorted(datagram for batch in enriched for datagram in batch.datagrams)
        assert set() == names(client)
        assert (0, 9) == (account(client).dead_lettered, account(client).in_flight)
        assert is_balanced(client)
        if not has_broken:
            assert at > 8
            return


@pytest.mark.parametrize("moment", ["before", "after", "from then on"])
def test_a_discard_that_is_cut_at_any_command_keeps_the_counters_exact(
    client: redis.Redis, redis_url: str, moment: Moment
) -> None:
    """Of letters and of kept originals; the books stay as they are throughout."""
    for at in count(1):
        client.flushall()
        add(client, LETTERS)
        keep(client, {f"g-1-0-k{number}": an_event(number) for number in range(3)})
        with faulty_client(redis_url, at, moment) as (broken, plan):
            for originals in (False, True):
                with suppress(redis.ConnectionError, SettingsError):
                    commands.discard(broken, (), Selection(), originals=originals, agreed=lambda: True)
            has_broken = plan.has_broken
        assert is_exact(client)
        kept = sum(int(client.strlen(key)) for key in client.keys("cwpipe:kept_original:*"))
        assert kept == int(client.hget(keys.BYTES, "kept_originals") or 0)
        assert client.zcard(keys.KEPT_ORIGINALS) == len(client.keys("cwpipe:kept_original:*"))
        assert (6, 0) == (account(client).dead_lettered, account(client).in_flight)
        if not has_broken:
            assert (set(), 0) == (names(client), kept)
            return


def test_two_replays_at_once_put_each_letter_back_once(
    client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two operators, or one who is impatient; while new letters come in."""
    monkeypatch.setattr(dead_letters_replay, "MAX_LETTERS", 50)
    add(client, {f"g-1-0-n{number}": a_letter(number) for number in range(3_000)})
    together = threading.Barrier(4)
    done: list[Any] = []
    faults: list[BaseException] = []

    def at_once() -> None:
        own = store.connect(redis_url)
        together.wait()
        try:
            done.append(Replay(own).run(scan(own, Selection(until_ms=AT_MS + 1))))
        except BaseException as fault:  # noqa: BLE001 - for the test to see
            faults.append(fault)

    threads = [threading.Thread(target=at_once) for _ in range(3)]
    for thread in threads:
        thread.start()
    together.wait()
    for number in range(200):
        add(client, {f"g-2-0-n{number}": a_letter(number, at_ms=AT_MS + 1)})
    for thread in threads:
        thread.join()
    raw, _ = batches(client)

    assert [] == faults
    assert 3_000 == sum(one.events for one in done)
    assert sorted(f"line {n}" for n in range(3_000)) == sorted(event.message for one in raw for event in one.events)
    assert {f"g-2-0-n{number}" for number in range(200)} == names(client)
    assert (200, 3_000) == (account(client).dead_lettered, account(client).in_flight)
    assert is_balanced(client)


def test_the_books_balance_at_every_instant_of_a_replay(
    client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` looks whenever it likes."""
    monkeypatch.setattr(dead_letters_replay, "MAX_LETTERS", 20)
    add(client, {f"g-1-0-n{number}": a_letter(number) for number in range(2_000)})
    over = threading.Event()
    differences: list[tuple[int, ...]] = []
    looks = 0

    def look() -> None:
        nonlocal looks
        own = store.connect(redis_url)
        while not over.is_set():
            with own.pipeline(transaction=True) as pipe:
                pipe.hlen(keys.DEAD_LETTERS)
                pipe.hgetall(keys.books(GROUP_KEY))
                pipe.hvals(keys.facts("raw"))
                letters, books, facts = pipe.execute()
            looks += 1
            queued = sum(msgspec.json.decode(one)["events"] for one in facts)
            found = (letters, int(books[b"dead_lettered"]), 2_000 - queued)
            if len(set(found)) > 1:
                differences.append(found)

    watcher = threading.Thread(target=look)
    watcher.start()
    replay(client)
    over.set()
    watcher.join()

    assert [] == differences
    assert looks > 10


def test_letters_that_cannot_be_replayed_stay_and_the_others_go(
    client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not complete is said, with exit code 4."""
    add(client, {"good-1-0-n0": a_letter(), "old-1-0-p": DeadLetter(reason="x", at_ms=0, payload=b"x", events=7)})
    with pytest.raises(Incomplete, match="1 dead letters cannot be replayed and stay, the last one old-1-0-p: it does"):
        replay(client)

    assert {"old-1-0-p"} == names(client)
    assert "replayed 1 dead letters of 1 events: 1 on raw\n" == capsys.readouterr().out


def test_nothing_selected_is_a_fault(client: redis.Redis) -> None:
    """A typing mistake in a group's name must not look like success."""
    add(client, {"g-1-0-n0": a_letter()})
    with pytest.raises(SettingsError, match="no dead letter is selected"):
        replay(client, group="/aws/typo")
    with pytest.raises(SettingsError, match="none of the dead letters is selected"):
        commands.discard(client, (), Selection(reason="typo"), originals=False, agreed=lambda: True)
    assert {"g-1-0-n0"} == names(client)


def test_discarded_letters_are_gone_and_the_books_keep_them(
    client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """They were fetched and not delivered: that stays true."""
    add(client, {f"g-1-0-n{number}": a_letter(number) for number in range(1_500)})
    add(client, {"g-2-0-n0": a_letter(group=OTHER)})
    commands.discard(client, (), Selection(group="/aws/*"), originals=False, agreed=lambda: True)
    out = capsys.readouterr().out

    assert {"g-2-0-n0"} == names(client)
    assert is_exact(client)
    assert (1_500, 0) == (account(client).dead_lettered, account(client).in_flight)
    assert out.startswith("1,500 dead letters of 1,500 events, ")
    assert out.endswith("\ndiscarded 1,500 dead letters\n")


def test_only_what_was_shown_is_discarded(client: redis.Redis) -> None:
    """While somebody thinks about it, more may come."""
    add(client, {"g-1-0-n0": a_letter(), "g-1-0-n1": a_letter(1, at_ms=AT_MS - 5)})

    def thinks() -> bool:
        add(client, {"g-2-0-n0": a_letter(at_ms=AT_MS + 1)})
        return True

    commands.discard(client, (), Selection(), originals=False, agreed=thinks)

    assert {"g-2-0-n0"} == names(client)


def test_who_does_not_agree_keeps_everything(client: redis.Redis, capsys: pytest.CaptureFixture[str]) -> None:
    """It was shown, and nothing more."""
    add(client, {"g-1-0-n0": a_letter()})
    commands.discard(client, ("g-1-0-n0",), Selection(), originals=False, agreed=lambda: False)

    assert {"g-1-0-n0"} == names(client)
    assert capsys.readouterr().out.endswith("nothing was discarded\n")


def test_kept_originals_are_discarded_by_themselves(client: redis.Redis) -> None:
    """They are in no books, and letters are none of them."""
    add(client, {"g-1-0-n0": a_letter()})
    keep(client, {f"g-1-0-k{number}": an_event(number) for number in range(3)})
    commands.discard(client, ("g-1-0-k1",), Selection(), originals=True, agreed=lambda: True)
    left: list[Any] = client.zrange(keys.KEPT_ORIGINALS, 0, -1)
    assert [b"g-1-0-k0", b"g-1-0-k2"] == sorted(left)
    assert not client.exists(keys.kept_original("g-1-0-k1"))
    commands.discard(client, (), Selection(), originals=True, agreed=lambda: True)

    assert {"g-1-0-n0"} == names(client)
    assert 0 == client.zcard(keys.KEPT_ORIGINALS)
    assert b"0" == client.hget(keys.BYTES, "kept_originals")
    assert (1, 0) == (account(client).dead_lettered, account(client).in_flight)
