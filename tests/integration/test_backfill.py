"""A past range read beside the tail, from a CloudWatch Logs that behaves badly, into a real Valkey."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from services.fetcher import backfill_steps, backfill_task
from services.fetcher.backfill import Interrupted
from services.operator.audit import compare as audit_compare
from services.operator.audit.reading import Reading
from shared import digests, keys
from shared.errors import TokenRefused
from shared.messages import Backfill
from tests.eventually import eventually
from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_contents import Paging
from tests.unit.fetcher.at_work import (
    REGION,
    AtWork,
    CommitTrouble,
    a_reader,
    a_source,
    account,
    an_api,
    batches,
    checkpoint,
    emptied,
    events,
    messages,
    read,
    read_once,
    trouble_commits,
    twice,
)
from tests.unit.fetcher.backfilling import KEY, a_backfiller, ask, cancel, found, read_all

HOUR_MS = 3_600_000
NOW_MS = 1_800_000_000_000
START_MS = NOW_MS - 2 * HOUR_MS + 12_345
"""Where the tail begins: in the middle of a minute."""
FROM_MS = NOW_MS - 10 * HOUR_MS


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def aws(server: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    aws = emptied(server, monkeypatch)
    aws.now_ms = lambda: NOW_MS
    aws.paging = Paging(page_events=10)
    monkeypatch.setattr(backfill_task, "MAX_BATCHES", 1_000_000)
    monkeypatch.setattr(backfill_task, "WAITING_SECONDS", 0.01)
    monkeypatch.setattr(backfill_task, "INTERRUPTED_SECONDS", 0.05)
    return aws


def put(aws: CloudWatch, first_ms: int, count: int, step_ms: int = 1, *, what: str = "event") -> list[str]:
    """Let numbered events arrive; return their ids."""
    return aws.put(REGION, "/app", "s", [(first_ms + n * step_ms, f"{what} {first_ms} {n}") for n in range(count)])


def past(client: redis.Redis) -> list[str]:
    """Return the ids of the events that a backfill queued, in the order in which it read them."""
    return [event.event_id for batch in batches(client) if batch.backfill for event in batch.events]


def test_the_past_below_the_tail_is_read_once_and_marked(aws: CloudWatch, client: redis.Redis) -> None:
    """Up to the millisecond before the tail's first, and nothing of what the tail delivers."""
    before = put(aws, FROM_MS - 5, 5)
    ids = put(aws, FROM_MS, 30, 60_000) + put(aws, START_MS - 15, 15)
    live = put(aws, START_MS, 25)
    tail = a_reader(aws, client, start_ms=START_MS)
    read(tail)
    ask(client, FROM_MS, NOW_MS, start_ms=START_MS)
    read_all(a_backfiller(aws, client))
    read(tail)

    assert ids == past(client)
    assert set(live) == {event.event_id for batch in batches(client) if not batch.backfill for event in batch.events}
    assert not set(before) & {event.event_id for event in events(client)}
    assert set() == twice(client)
    assert 70 == account(client).fetched - account(client).duplicates
    one = found(client)
    assert ("done", 45, START_MS - 1) == (one.state, one.events, one.newest_ms)
    assert len({batch.batch_id for batch in batches(client)}) == len(batches(client))


def test_the_checkpoint_tells_where_the_tail_began(aws: CloudWatch, client: redis.Redis) -> None:
    """However far it has come since."""
    put(aws, START_MS, 25)
    tail = a_reader(aws, client, start_ms=START_MS)
    read(tail)
    read(tail)

    assert START_MS == checkpoint(client, KEY).start_ms


@pytest.mark.parametrize("begin", ["tail", "backfill"])
def test_an_audit_proves_the_past_as_well(aws: CloudWatch, client: redis.Redis, begin: str) -> None:
    """Also the minute in which the tail begins, and whichever comes first."""
    put(aws, FROM_MS, 40, 60_000)
    put(aws, START_MS - 20_000, 40, 1_000)
    tail, backfiller = a_reader(aws, client, start_ms=START_MS), a_backfiller(aws, client)
    read(tail)
    ask(client, FROM_MS, START_MS - 1_000, start_ms=START_MS, name="hole")
    read_all(backfiller)
    reading = Reading(an_api(a_source(aws)), "/app")
    mark = digests.read_mark(client, KEY)
    assert mark is not None
    meanwhile = audit_compare.compare(client, KEY, reading, mark.from_ms, NOW_MS)
    ask(client, FROM_MS, NOW_MS, start_ms=START_MS, name="rest")
    read_all(backfiller)
    longer = digests.read_mark(client, KEY)
    assert longer is not None
    whole = audit_compare.compare(client, KEY, reading, longer.from_ms, NOW_MS)

    assert (START_MS, FROM_MS) == (mark.from_ms, longer.from_ms)
    assert [] == [*meanwhile.differences, *whole.differences]
    assert (20, 80) == (meanwhile.at_aws, whole.at_aws)


@pytest.mark.parametrize("trouble", ["lost", "answer lost", "superseded"])
@pytest.mark.parametrize("commit", range(5))
def test_a_crash_at_any_commit_neither_loses_nor_repeats(
    aws: CloudWatch, client: redis.Redis, trouble: CommitTrouble, commit: int
) -> None:
    """Before the transaction, after it, and when somebody else was quicker."""
    ids = put(aws, FROM_MS, 45, 100)
    ask(client, FROM_MS, NOW_MS, start_ms=START_MS)
    reader = a_backfiller(aws, client)
    none: CommitTrouble = "none"
    troubles = [none] * commit + [trouble]
    trouble_commits(client, deque(troubles))
    for _ in range(10):
        with suppress(redis.RedisError, Interrupted):
            reader.read_page()
            reader = a_backfiller(aws, client)

    assert ids == past(client)
    assert (45, "done") == (found(client).events, found(client).state)
    assert 45 == account(client).fetched


def test_another_fetcher_goes_on_where_the_first_died(aws: CloudWatch, client: redis.Redis) -> None:
    """The state and the token are in Redis, not in a process."""
    ids = put(aws, FROM_MS, 45)
    ask(client, FROM_MS, NOW_MS, start_ms=START_MS)
    for _ in range(3):
        a_backfiller(aws, client).read_page()
    aws.calls.clear()
    read_all(a_backfiller(aws, client))

    assert ids == past(client)
    assert 2 == aws.call_count("FilterLogEvents")


@pytest.mark.parametrize("step_ms", [0, 1, 700, 5_000, 60_000])
@pytest.mark.parametrize("paging", [Paging(page_events=10), Paging(page_events=10, overlap=4)], ids=["", "overlap"])
def test_a_token_that_is_refused_costs_neither_loss_nor_a_repeat(
    aws: CloudWatch, client: redis.Redis, paging: Paging, step_ms: int
) -> None:
    """They live a day, a backfill may wait longer; it goes on at the newest event and not at the start."""
    aws.paging = paging
    ids = put(aws, FROM_MS, 60, step_ms)
    ask(client, FROM_MS, NOW_MS, start_ms=START_MS)
    reader = a_backfiller(aws, client)
    for _ in range(4):
        reader.read_page()
    aws.paging = Paging(page_events=10, token_life_ms=0)
    with pytest.raises(TokenRefused):
        reader.read_page()
    aws.paging = paging
    again = found(client)
    read_all(reader)

    assert again.begin_ms >= again.newest_ms - 10_000
    assert sorted(ids) == sorted(past(client))
    assert set() == twice(client)


def test_a_refused_token_repeats_nothing_of_what_is_wanted_once_more(
    aws: CloudWatch, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once more is not three times: by the margin alone, without the last page's worth of ids."""
    monkeypatch.setattr(backfill_steps, "PAGE_IDS", 1)
    ids = put(aws, FROM_MS, 60, 100)
    reader = a_backfiller(aws, client)
    for name in ("first", "again"):
        ask(client, FROM_MS, NOW_MS, start_ms=START_MS, name=name, again=name == "again")
        for _ in range(4):
            reader.read_page()
        aws.paging = Paging(page_events=10, token_life_ms=0)
        with pytest.raises(TokenRefused):
            reader.read_page()
        aws.paging = Paging(page_events=10)
        read_all(reader)

    assert [*ids, *ids] == past(client)


def test_what_a_cancelled_one_left_is_read_by_the_next_and_nothing_twice(aws: CloudWatch, client: redis.Redis) -> None:
    """Its last page is in the middle of a second."""
    ids = put(aws, FROM_MS, 100, 300)
    ask(client, FROM_MS, NOW_MS, start_ms=START_MS)
    reader = a_backfiller(aws, client)
    for _ in range(6):
        reader.read_page()
    cancel(client, "b1")

    assert not reader.read_page()
    assert 60 == found(client).events
    put(aws, FROM_MS - 100, 5)
    ask(client, FROM_MS - 100, FROM_MS - 1, start_ms=START_MS, name="older")
    read_all(reader)
    parts = ask(client, FROM_MS, NOW_MS, start_ms=START_MS, name="rest").parts
    read_all(reader)

    assert FROM_MS < parts[0].from_ms
    assert set(ids) < set(past(client))
    assert 105 == len(past(client))
    assert set() == twice(client)


def test_a_cancellation_while_a_page_is_read_wins(aws: CloudWatch, client: redis.Redis) -> None:
    """The page that was on its way is not committed."""
    put(aws, FROM_MS, 30)
    ask(client, FROM_MS, NOW_MS, start_ms=START_MS)
    reader = a_backfiller(aws, client)
    reader.read_page()
    page = reader._page

    def cancelled_meanwhile(one: Backfill) -> object:
        answer = page(one)
        cancel(client, "b1")
        return answer

    reader._page = cancelled_meanwhile  # type: ignore[method-assign,assignment]
    with pytest.raises(Interrupted):
        reader.read_page()

    assert ("cancelled", 10) == (found(client).state, len(past(client)))


def test_what_was_delivered_is_left_out_unless_it_is_wanted_again(aws: CloudWatch, client: redis.Redis) -> None:
    """Part by part, in order of time; the digests know of each event once."""
    first, second = put(aws, FROM_MS, 12), put(aws, FROM_MS + HOUR_MS, 12)
    read(a_reader(aws, client, start_ms=START_MS))
    reader = a_backfiller(aws, client)
    ask(client, FROM_MS + HOUR_MS, NOW_MS, start_ms=START_MS)
    read_all(reader)
    ask(client, FROM_MS, NOW_MS, start_ms=START_MS, name="clipped")
    read_all(reader)

    assert [*second, *first] == past(client)
    again = ask(client, FROM_MS, NOW_MS, start_ms=START_MS, name="again", again=True)
    read_all(reader)

    assert [True] == [part.again for part in again.parts]
    assert [*second, *first, *first, *second] == past(client)
    compared = audit_compare.compare(client, KEY, Reading(an_api(a_source(aws)), "/app"), FROM_MS, NOW_MS)
    assert (24, []) == (compared.at_aws, compared.differences)


def test_two_fetchers_on_one_backfill_read_each_event_once(aws: CloudWatch, client: redis.Redis) -> None:
    """Without a lease: who commits second starts from what the first one wrote."""
    aws.now_ms = lambda: NOW_MS
    ids = put(aws, FROM_MS, 200, 100)
    source = a_source(aws, only_logs_after="2027-01-15")  # an hour or so before NOW_MS
    with AtWork(client, source, threads=2), AtWork(client, source, threads=2):
        eventually(lambda: client.exists(keys.checkpoint(KEY)))
        ask(client, FROM_MS, START_MS - 1, start_ms=checkpoint(client, KEY).start_ms or 0)
        eventually(lambda: "done" == found(client).state)

    assert sorted(ids) == sorted(past(client))
    assert set() == twice(client)


def test_a_tail_that_is_behind_goes_first(aws: CloudWatch, client: redis.Redis) -> None:
    """With one thread: what happens now is read to its end before the first page of the past, and between its pages."""
    old = put(aws, FROM_MS, 300, what="old")
    live = put(aws, START_MS, 300, what="live")
    ask(client, FROM_MS, NOW_MS, start_ms=START_MS)
    source = a_source(aws, only_logs_after="2027-01-15T06:00:12.345Z")
    with AtWork(client, source, threads=1):
        eventually(lambda: past(client))

        assert len(live) <= len([event for batch in batches(client) if not batch.backfill for event in batch.events])
        more = put(aws, NOW_MS - 1_000, 1, what="more")
        pages = found(client).pages
        eventually(lambda: more[0] in {event.event_id for event in events(client)})
        eventually(lambda: "done" == found(client).state)
    assert pages < found(client).pages
    assert set(old) == set(past(client))
    assert set() == twice(client)


def test_a_tail_that_is_due_waits_for_one_page_at_most(aws: CloudWatch, client: redis.Redis) -> None:
    """With one thread, and pages that take longer than the tail's interval, they take turns."""
    put(aws, FROM_MS, 200)
    aws.delay("FilterLogEvents", 0.06)
    source = a_source(
        aws,
        only_logs_after="2027-01-15T06:00:12.345Z",
        poll_interval=20,
        max_poll_interval=20,
        discovery_interval=60_000,
    )
    with AtWork(client, source, threads=1):
        eventually(lambda: client.exists(keys.checkpoint(KEY)))
        ask(client, FROM_MS, START_MS - 1, start_ms=START_MS)
        eventually(lambda: "done" == found(client).state)
    reads = [call for call in aws.calls if call.operation == "FilterLogEvents"]
    is_past = [int(call.parameters["endTime"]) < START_MS for call in reads]
    first, last = is_past.index(True), len(is_past) - is_past[::-1].index(True)

    assert 20 == is_past.count(True)
    assert [] == [at for at in range(first, last - 1) if is_past[at] and is_past[at + 1]]


def test_a_backfill_waits_while_the_tail_cannot_be_read(aws: CloudWatch, client: redis.Redis) -> None:
    """Whoever cannot read what happens now does not spend calls on the past; then both are read."""
    put(aws, FROM_MS, 30)
    ask(client, FROM_MS, START_MS - 1, start_ms=START_MS)
    source = a_source(aws, only_logs_after="2027-01-15T06:00:12.345Z")
    denial = aws.fail("FilterLogEvents", "AccessDeniedException", group="/app")
    with AtWork(client, source) as work:
        eventually(lambda: work.faults)

        assert [] == past(client)
        denial.cancel()
        eventually(lambda: 30 == len(past(client)))


def test_a_backfill_waits_while_batches_are_on_their_way(
    aws: CloudWatch, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happens now must not stand behind the past in a queue."""
    monkeypatch.setattr(backfill_task, "MAX_BATCHES", 3)
    put(aws, FROM_MS, 100)
    ask(client, FROM_MS, START_MS - 1, start_ms=START_MS)
    with AtWork(client, a_source(aws, only_logs_after="2027-01-15T06:00:12.345Z")):
        eventually(lambda: 3 == len(batches(client)))
        polls = aws.call_count("FilterLogEvents")
        eventually(lambda: polls + 5 < aws.call_count("FilterLogEvents"))
        put(aws, NOW_MS - 1_000, 1, what="live")
        eventually(lambda: 4 == len(batches(client)))

    assert 30 == len(past(client))


@pytest.mark.parametrize("spoiled", [{"state": "{"}, {"state": '{"kind":"backfills.v9"}'}, {"ids": "seven b"}])
def test_a_spoiled_state_does_not_stop_the_tail(aws: CloudWatch, client: redis.Redis, spoiled: dict[str, str]) -> None:
    """Whoever can write to Redis may write nonsense there, and so may a later release."""
    put(aws, START_MS, 5)
    ask(client, FROM_MS, START_MS - 1, start_ms=START_MS)
    client.hset(keys.backfills(KEY), mapping=spoiled)  # type: ignore[arg-type]
    with AtWork(client, a_source(aws, only_logs_after="2027-01-15T06:00:12.345Z")) as work:
        eventually(lambda: 5 == len(events(client)))
        more = put(aws, NOW_MS - 1_000, 1, what="more")
        eventually(lambda: more[0] in {event.event_id for event in events(client)})

        assert {} == work.faults


def test_once_leaves_a_backfill_alone(aws: CloudWatch, client: redis.Redis) -> None:
    """It is about what there is now; the request stays."""
    put(aws, FROM_MS, 30)
    put(aws, START_MS, 5)
    ask(client, FROM_MS, START_MS - 1, start_ms=START_MS)

    assert {} == read_once(client, a_source(aws, only_logs_after="2027-01-15T06:00:12.345Z"))
    assert 5 == len(messages(client))
    assert "waiting" == found(client).state


def test_a_denied_backfill_says_why_and_goes_on_when_it_is_allowed(aws: CloudWatch, client: redis.Redis) -> None:
    """The list has to tell why it does not get on."""
    put(aws, FROM_MS, 30)
    ask(client, FROM_MS, START_MS - 1, start_ms=START_MS)
    reader = a_backfiller(aws, client)
    reader.read_page()
    reader.note_fault("not allowed")

    assert ("running", "not allowed") == (found(client).state, found(client).fault)
    read_all(reader)
    assert ("done", "") == (found(client).state, found(client).fault)
