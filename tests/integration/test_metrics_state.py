"""What `cwpipe metrics` makes of what Redis holds."""

import time
from typing import Any

import msgspec
import pytest
import redis

from services.operator.metrics import reading
from services.operator.metrics.collector import StateCollector
from shared import books, dead_letters, keys, metrics, store
from shared.books import Entry, GroupState
from shared.messages import DeadLetter, GroupRef
from shared.queues import ENRICHED, RAW
from tests.unit.forwarder.factories import GROUP, GROUP_KEY, a_raw_batch, an_enriched_batch, put, put_bytes

NOW_SECONDS = 1_790_000_000.0
NOW_MS = int(NOW_SECONDS * 1000)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Figures = dict[tuple[str, str], float]


def scrape(client: redis.Redis) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the values by name and labels, as a new exporter tells them."""
    families = StateCollector(client, 1_000, lambda: NOW_SECONDS).collect()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def know(client: redis.Redis, log_group: str = GROUP.log_group, **state: Any) -> GroupRef:
    """Have Redis know a group."""
    group = GroupRef(account_id=GROUP.account_id, region=GROUP.region, log_group=log_group)
    told = GroupState(group=group, source="production", **state)
    client.hset(keys.GROUPS, keys.group_key(group), msgspec.json.encode(told))
    return group


def book(client: redis.Redis, group: GroupRef = GROUP, **entries: int) -> None:
    """Write into the books of a group."""
    with client.pipeline() as pipe:
        booked: dict[Entry, int] = entries  # type: ignore[assignment]  # the names are checked where they are read
        books.record(pipe, keys.group_key(group), booked)
        pipe.execute()


def test_every_metric_of_the_state_is_told_of_and_no_other(client: redis.Redis) -> None:
    """What a rule is written on must be there while all is well."""
    know(client, read_ms=NOW_MS, unread_ms=NOW_MS)
    names = {each.name for each in StateCollector(client, 1_000).collect()}

    assert {asked.name for asked in metrics.ROLES["metrics"] if isinstance(asked, metrics.Asked)} == names


def test_an_empty_redis_is_all_zeros(client: redis.Redis) -> None:
    """The first scrape of a new pipeline."""
    found = scrape(client)

    assert {(): 1} == found["cwpipe_redis_up"]
    assert (
        {("raw",): 0, ("enriched",): 0}
        == found["cwpipe_queue_batches"]
        == found["cwpipe_queue_oldest_batch_age_seconds"]
    )
    assert (
        {(): 0}
        == found["cwpipe_dead_letters"]
        == found["cwpipe_unaccounted_events"]
        == found["cwpipe_budget_used_bytes"]
    )


def test_queues_tell_batches_bytes_age_and_what_is_used_of_the_budget(client: redis.Redis) -> None:
    """By the time when the oldest batch came onto its queue."""
    know(client)
    put(client, a_raw_batch(3))
    put(client, an_enriched_batch(5, f"{GROUP_KEY}-2-0"))
    client.zadd(keys.outstanding("enriched"), {f"{GROUP_KEY}-2-0": NOW_MS - 75_000})
    letter = DeadLetter(reason="r", at_ms=0, group=GROUP)
    with client.pipeline() as pipe:
        dead_letters.add(pipe, "a", letter)
        pipe.execute()
    found = scrape(client)
    held = found["cwpipe_queue_bytes"][("raw",)] + found["cwpipe_queue_bytes"][("enriched",)]

    assert {("raw",): 1, ("enriched",): 1} == found["cwpipe_queue_batches"]
    assert 75 == found["cwpipe_queue_oldest_batch_age_seconds"]["enriched",]
    assert {(): 1} == found["cwpipe_dead_letters"]
    assert held + found["cwpipe_dead_letter_bytes"][()] == found["cwpipe_budget_used_bytes"][()] > held > 0
    assert {(): 1_000} == found["cwpipe_budget_limit_bytes"]
    assert {(): 8} == found["cwpipe_in_flight_events"]


@pytest.mark.parametrize(
    ("delivered", "expected"),
    [(0, 2), (2, 0), (4, 0), (5, 0), (6, -1)],
    ids=[
        "two nowhere",
        "all queued",
        "part of a batch delivered",
        "all delivered and not yet acknowledged",
        "one twice",
    ],
)
def test_the_difference_of_the_books_is_what_no_queue_explains(
    client: redis.Redis, delivered: int, expected: int
) -> None:
    """While events flow too: a batch in hand explains as many as it has, or fewer."""
    know(client)
    put(client, an_enriched_batch(3))
    book(client, fetched=2, delivered=delivered)

    assert {(): expected} == scrape(client)["cwpipe_unaccounted_events"]


def test_of_very_many_batches_no_difference_is_told(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """To add up their events at every scrape would be a load of its own."""
    monkeypatch.setattr(reading, "MAX_ADDED", 1)
    know(client)
    for number in range(2):
        put(client, an_enriched_batch(3, f"{GROUP_KEY}-{number}-0"))
    found = scrape(client)

    assert "cwpipe_unaccounted_events" not in found
    assert {(): 6} == found["cwpipe_in_flight_events"]


@pytest.mark.parametrize(
    ("metric", "word", "state"),
    [
        ("cwpipe_group_unreadable", "unreadable", {"fault": "denied"}),
        ("cwpipe_group_silent", "silent", {"came_ms": NOW_MS - HOUR_MS, "silent_after_ms": HOUR_MS}),
        ("cwpipe_group_expiring", "expiring", {"unread_ms": NOW_MS - 4 * DAY_MS, "retention_days": 7}),
        ("cwpipe_group_late", "late", {"late_window_ms": HOUR_MS, "lateness_ms": 2 * HOUR_MS}),
    ],
)
def test_a_group_in_trouble_raises_what_is_for_it(
    client: redis.Redis, metric: str, word: str, state: dict[str, Any]
) -> None:
    """It alone: the alert names the group."""
    know(client, "/well", read_ms=NOW_MS, unread_ms=NOW_MS)
    know(client, "/bad", **state)
    found = scrape(client)
    names = (GROUP.account_id, GROUP.region)

    assert {(*names, "/well"): 0, (*names, "/bad"): 1} == found[metric]
    assert 1 == found["cwpipe_groups"][word,]
    others = {"cwpipe_group_unreadable", "cwpipe_group_silent", "cwpipe_group_expiring", "cwpipe_group_late"} - {metric}
    assert {0.0} == {value for other in others for value in found[other].values()}


def test_a_group_that_is_gone_is_counted_and_not_named(client: redis.Redis) -> None:
    """Its fault and its silence are over."""
    know(client, fault="denied", gone=True, came_ms=1, silent_after_ms=1)
    found = scrape(client)

    assert 1 == found["cwpipe_groups"]["gone",]
    assert 0 == found["cwpipe_groups"]["unreadable",]
    assert "cwpipe_group_unreadable" not in found


def test_so_many_groups_are_named_and_those_in_trouble_first(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are in the totals: none is lost from those."""
    monkeypatch.setattr(metrics, "MAX_GROUPS", 3)
    for number in range(10):
        book(client, know(client, f"/app/{number}"), fetched=number, delivered=number)
    know(client, "/app/0", fault="denied")
    found = scrape(client)

    assert {"/app/0", "/app/9", "/app/8"} == {labels[2] for labels in found["cwpipe_group_unreadable"]}
    assert 10 == found["cwpipe_groups"]["read",] + found["cwpipe_groups"]["unreadable",]
    assert 45 == found["cwpipe_books_events_total"]["delivered",]


def test_a_replay_takes_back_no_counter(client: redis.Redis) -> None:
    """A counter that falls is taken for one that began anew, and its rate for a flood."""
    know(client)
    book(client, fetched=5, dead_lettered=5)
    book(client, dead_lettered=-5)
    found = scrape(client)

    assert ("dead_lettered",) not in found["cwpipe_books_events_total"]
    assert {(): 0} == found["cwpipe_books_dead_lettered_events"]


def test_entries_of_a_newer_release_do_no_harm(client: redis.Redis) -> None:
    """In a rolling upgrade the one that is scraped may be the last to be replaced."""
    know(client)
    client.hset(keys.books(GROUP_KEY), mapping={"fetched": 4, "delivered": 4, "invented": 9})

    assert 4 == scrape(client)["cwpipe_books_events_total"]["fetched",]


@pytest.mark.parametrize("spoiled", ["groups", "facts", "type"])
def test_what_cannot_be_read_fails_no_scrape(client: redis.Redis, spoiled: str) -> None:
    """Whoever may write to Redis must not be able to blind the alerts."""
    if spoiled == "groups":
        client.hset(keys.GROUPS, GROUP_KEY, b"\xff not json")
    elif spoiled == "facts":
        put_bytes(client, RAW, "b", b"x", 1)
        client.hset(keys.facts(ENRICHED.queue), "c", b'{"events": "many"}')
    else:
        client.set(keys.BYTES, "no hash")

    assert {"cwpipe_redis_up": {(): 0}} == scrape(client)


def test_a_redis_that_is_away_is_said_to_be_and_back_again(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same exporter, which goes on."""
    monkeypatch.setattr("services.operator.metrics.collector.SHORTEST_SECONDS", 0)
    away = store.connect("redis://127.0.0.1:1/0", timeout_seconds=0.5)
    collector = StateCollector(away, 1_000, time.time)
    before = [family.name for family in collector.collect()]
    collector._client = client
    after = {family.name for family in collector.collect()}

    assert ["cwpipe_redis_up"] == before
    assert "cwpipe_queue_batches" in after
