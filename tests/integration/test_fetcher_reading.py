"""One group read from a CloudWatch Logs that behaves as badly as the real one, into a real Valkey."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from services.fetcher import slices
from shared import keys, queues
from shared.aws.logs_api import LogsApi
from shared.errors import SourceBusy, SourceError, SourceUnreachable, TokenRefused
from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_contents import Paging
from tests.unit.fetcher.at_work import (
    ACCOUNT,
    REGION,
    CommitTrouble,
    a_reader,
    account,
    batches,
    checkpoint,
    emptied,
    events,
    messages,
    read,
    trouble_commits,
    twice,
)

NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000
WINDOW_MS = 15 * MINUTE_MS


class Clock:
    """The time of both the stand-in and the reader."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def aws(server: CloudWatch, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    aws = emptied(server, monkeypatch)
    aws.now_ms = clock
    return aws


def put(aws: CloudWatch, count: int, *, stream: str = "s", first_ms: int = NOW_MS - MINUTE_MS) -> list[str]:
    """Let numbered events arrive, one a millisecond; return their ids."""
    return aws.put(REGION, "/app", stream, [(first_ms + number, f"event {number}") for number in range(count)])


def test_an_idle_group_costs_one_call_a_poll(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """However many streams it has: a call per stream is what exhausts the quota of others."""
    for number in range(300):
        put(aws, 1, stream=f"stream {number}")
    reader = a_reader(aws, client)
    read(reader)
    aws.calls.clear()

    for _ in range(40):
        clock.now_ms += 30_000
        read(reader)

    assert [40, 40] == [aws.call_count("FilterLogEvents"), len(aws.calls)]


@pytest.mark.parametrize(
    "paging",
    [
        Paging(page_events=7),
        Paging(page_events=7, empty_pages=2),
        Paging(page_events=9, empty_pages=3, leading_empty_pages=3, trailing_token=True),
        Paging(page_events=7, overlap=3),
        Paging(page_bytes=200),
    ],
    ids=["small", "every other page empty", "empty at both ends", "overlapping", "by bytes"],
)
def test_pages_are_read_to_the_end(aws: CloudWatch, client: redis.Redis, paging: Paging) -> None:
    """An empty page is not the last, a full one not the only, and an event on two pages is one event."""
    aws.paging = paging
    ids = put(aws, 100)
    read(a_reader(aws, client))

    assert ids == [event.event_id for event in events(client)]


def test_events_of_one_millisecond_and_one_text_are_told_apart(
    aws: CloudWatch, client: redis.Redis, clock: Clock
) -> None:
    """Two failed logins in a millisecond are two, also when the second is seen a poll later."""
    for _ in range(3):
        aws.put(REGION, "/app", "s", [(NOW_MS, "Failed password"), (NOW_MS, "Failed password")])
    reader = a_reader(aws, client)
    read(reader)
    aws.put(REGION, "/app", "s", [(NOW_MS, "Failed password")])
    clock.now_ms += 1000
    read(reader)

    assert ["Failed password"] * 7 == messages(client)
    assert set() == twice(client)


@pytest.mark.parametrize("late_ms", [1, MINUTE_MS, WINDOW_MS - 30_000])
def test_a_late_event_of_a_small_group_is_read_at_the_next_poll(
    aws: CloudWatch, client: redis.Redis, clock: Clock, late_ms: int
) -> None:
    """A whole late window fits in the one call that a poll costs anyway."""
    reader = a_reader(aws, client)
    put(aws, 5, first_ms=NOW_MS)
    for _ in range(30):
        clock.now_ms += 30_000
        read(reader)
    aws.put(REGION, "/app", "s", [(clock.now_ms - late_ms, "late")])
    clock.now_ms += 30_000
    aws.calls.clear()
    read(reader)

    assert 1 == aws.call_count("FilterLogEvents")
    assert "late" in messages(client)
    assert set() == twice(client)


def test_a_late_event_of_a_busy_group_is_found_by_a_sweep(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """Its polls begin shortly before the last; what came in behind them is found before it is 1.25 windows old."""
    reader = a_reader(aws, client, start_ms=NOW_MS)
    late_ms = NOW_MS + 3 * MINUTE_MS
    found_ms = 0
    for number in range(50):
        clock.now_ms += 30_000
        aws.put(REGION, "/app", "s", [(clock.now_ms - 1000 + n, f"{number} {n} ".ljust(1000)) for n in range(10)])
        if number == 30:
            aws.put(REGION, "/app", "other", [(late_ms, "late")])
        read(reader)
        if not found_ms and "late" in messages(client):
            found_ms = clock.now_ms

    assert WINDOW_MS <= found_ms - late_ms <= WINDOW_MS * 1.25 + 30_000
    assert 1 == messages(client).count("late")
    assert 50 * 10 + 1 == len(events(client))
    assert set() == twice(client)


def test_a_busy_group_whose_events_are_often_late_is_read_that_far_back(
    aws: CloudWatch, client: redis.Redis, clock: Clock
) -> None:
    """As late as they were lately, they are found at the next poll, not only by the sweep."""
    reader = a_reader(aws, client, start_ms=NOW_MS)
    for number in range(10):
        clock.now_ms += 30_000
        aws.put(REGION, "/app", "s", [(clock.now_ms - 20_000 + n, f"{number} {n} ".ljust(1000)) for n in range(100)])
        read(reader)
    aws.put(REGION, "/app", "other", [(clock.now_ms - 19_000, "late")])
    clock.now_ms += 1000
    read(reader)

    assert "late" in messages(client)


def test_an_event_seen_long_after_its_ingestion_is_delivered(
    aws: CloudWatch, client: redis.Redis, clock: Clock
) -> None:
    """Ingestion time says nothing about when a read can see it."""
    reader = a_reader(aws, client, start_ms=NOW_MS - WINDOW_MS)
    aws.put(REGION, "/app", "s", [(NOW_MS, "hidden")], visible_at_ms=NOW_MS + 10 * MINUTE_MS)
    for _ in range(40):
        clock.now_ms += 30_000
        put(aws, 1, first_ms=clock.now_ms)
        read(reader)

    assert 1 == messages(client).count("hidden")
    assert 41 == len(events(client))


def test_an_event_ahead_of_the_clock_is_read_at_once_and_once(
    aws: CloudWatch, client: redis.Redis, clock: Clock
) -> None:
    """CloudWatch takes events up to two hours ahead; a reader that stops at now has them two hours late."""
    put(aws, 1, first_ms=NOW_MS + slices.AHEAD_MS)
    reader = a_reader(aws, client)
    read(reader)

    assert 1 == len(events(client))
    for _ in range(5):
        clock.now_ms += 30 * MINUTE_MS
        read(reader)
    assert 1 == len(events(client))


def test_a_token_that_expires_costs_calls_and_no_event(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """A fetcher that was away, or paused, for a day with a page token in hand reads its slice again."""
    aws.paging = Paging(page_events=10)
    ids = put(aws, 100)
    reader = a_reader(aws, client)
    reader.poll(4, lambda: True)
    clock.now_ms += 25 * 3_600_000

    with pytest.raises(TokenRefused):
        read(reader)
    read(reader)

    assert ids == [event.event_id for event in events(client)]
    assert 1 == sum(call.outcome == "InvalidParameterException" for call in aws.calls)


def test_a_token_that_aws_gives_back_ends_nothing(aws: CloudWatch, client: redis.Redis) -> None:
    """GetLogEvents marks its end so; of FilterLogEvents it is a hiccup, and the rest is still there."""
    aws.paging = Paging(page_events=10, repeat_token=1)
    ids = put(aws, 30)
    reader = a_reader(aws, client)

    for _ in range(2):
        with pytest.raises(SourceBusy, match="returned the page token it was given"):
            read(reader)
    read(reader)
    assert ids == [event.event_id for event in events(client)]


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (lambda aws: aws.garble("FilterLogEvents"), SourceBusy),
        (lambda aws: aws.disconnect("FilterLogEvents"), SourceUnreachable),
        (lambda aws: aws.disconnect("FilterLogEvents", mid_body=True), SourceBusy),
        (lambda aws: aws.fail("FilterLogEvents", "ThrottlingException", times=1), SourceBusy),
        (lambda aws: aws.fail("FilterLogEvents", "ServiceUnavailableException", times=1), SourceBusy),
        (lambda aws: aws.fail("FilterLogEvents", "InternalFailure", times=1), SourceBusy),
    ],
    ids=["garbled", "disconnected", "cut", "throttled", "unavailable", "internal"],
)
def test_a_page_that_fails_is_read_again(aws: CloudWatch, client: redis.Redis, trouble: object, kind: type) -> None:
    """In the middle of a slice nothing before it is read twice, and nothing is skipped; botocore repeats no call."""
    aws.paging = Paging(page_events=10)
    ids = put(aws, 30)
    reader = a_reader(aws, client)
    reader.poll(1, lambda: True)
    trouble(aws)  # type: ignore[operator]

    with pytest.raises(kind):
        read(reader)
    assert 2 == aws.call_count("FilterLogEvents")
    read(reader)
    assert 4 == aws.call_count("FilterLogEvents")
    assert ids == [event.event_id for event in events(client)]


@pytest.mark.parametrize("trouble", ["lost", "answer lost", "superseded"])
def test_a_commit_whose_fate_is_unknown_loses_and_doubles_nothing(
    aws: CloudWatch, client: redis.Redis, redis_url: str, trouble: CommitTrouble
) -> None:
    """Before every page of a slice, and of those that follow from it: the checkpoint in Redis knows what was done."""
    aws.paging = Paging(page_events=10)
    ids = put(aws, 50)
    troubled = redis.Redis.from_url(redis_url)
    trouble_commits(troubled, deque(["none", trouble, "none", trouble, trouble, "none", "none", trouble]))
    reader = a_reader(aws, troubled)
    failures = 0
    while True:
        try:
            read(reader)
            break
        except redis.ConnectionError:
            failures += 1
    troubled.close()

    assert (0 if trouble == "superseded" else 4) == failures
    assert ids == [event.event_id for event in events(client)]
    assert 50 == account(client).fetched - account(client).duplicates


def test_a_crash_after_any_page_loses_and_doubles_nothing(aws: CloudWatch, client: redis.Redis) -> None:
    """What a reader knows beyond Redis is worth nothing."""
    aws.paging = Paging(page_events=10, overlap=2)
    ids = put(aws, 50)
    while a_reader(aws, client).poll(1, lambda: True) and len(aws.calls) < 20:
        pass

    assert ids == [event.event_id for event in events(client)]


def test_two_fetchers_of_one_group_share_its_events(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """A lease may be held by two for a while; the watched checkpoint lets one commit, and the other goes on from it."""
    aws.paging = Paging(page_events=20, empty_pages=4, overlap=2)
    ids = put(aws, 1000)
    readers = [a_reader(aws, client) for _ in range(2)]
    threads = [threading.Thread(target=read, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert ids == [event.event_id for event in events(client)]
    assert 1000 == account(client).fetched - account(client).duplicates


def test_two_fetchers_whose_token_expires_both_go_on(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """Both hold the same token; the second to give up its slice finds that the first did."""
    aws.paging = Paging(page_events=10)
    ids = put(aws, 60)
    readers = [a_reader(aws, client) for _ in range(2)]
    readers[0].poll(2, lambda: True)
    readers[1].poll(1, lambda: True)
    readers[0].poll(1, lambda: True)  # finds that the other went on, and has its token now
    clock.now_ms += 25 * 3_600_000
    for _ in range(20):
        for reader in readers:
            with suppress(TokenRefused):
                reader.poll(1, lambda: True)

    assert ids == [event.event_id for event in events(client)]


def test_a_commit_leaves_batch_job_books_bytes_and_checkpoint_in_agreement(
    aws: CloudWatch, client: redis.Redis
) -> None:
    """They are one transaction: status, budget and audit may rely on any of them."""
    aws.paging = Paging(page_events=40, overlap=5)
    aws.put(REGION, "/app", "b", [(NOW_MS - MINUTE_MS + n, "\u00e4" * n) for n in range(50)])
    put(aws, 50, stream="a")
    reader = a_reader(aws, client)
    read(reader)
    made = batches(client)
    payloads = {batch.batch_id: client.get(keys.payload("raw", batch.batch_id)) for batch in made}
    books = account(client)
    jobs = queues.open_queue(client, queues.RAW).get_jobs()

    assert [100, 110, 10] == [len(events(client)), books.fetched, books.duplicates]
    assert sum(len(payload) for payload in payloads.values()) == int(client.hget(keys.BYTES, "raw"))  # type: ignore[arg-type, misc]
    assert [len(payloads), 0] == list(queues.outstanding(client).values())
    assert sorted(payloads) == sorted(job.args[0] for job in jobs)
    assert [f"raw-{batch_id}" for batch_id in sorted(payloads)] == sorted(job.id for job in jobs)
    assert [f"{reader.key}-{number}-0" for number in (1, 2, 3)] == sorted(name.rpartition("-")[0] for name in payloads)
    assert 3 == checkpoint(client, reader.key).sequence
    facts = jobs[0].args[1]
    assert [ACCOUNT, REGION, "/app", reader.key, 2, 40] == [
        facts[name] for name in ("account_id", "region", "log_group", "group_key", "streams", "events")
    ]


def test_reading_stops_between_two_pages_when_it_is_told_to(aws: CloudWatch, client: redis.Redis) -> None:
    """A full queue, or a signal, waits for a page and not for the end of a backlog."""
    aws.paging = Paging(page_events=10)
    put(aws, 100)
    reader = a_reader(aws, client)
    permissions = iter([True, True, False])

    assert reader.poll(8, lambda: next(permissions))
    assert 2 == aws.call_count("FilterLogEvents")
    assert 20 == len(events(client))


def test_a_clock_set_back_ends_no_round_late(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """An hour's correction in the middle of a round was an hour of calls without a pause."""
    aws.paging = Paging(page_events=10)
    put(aws, 30)
    reader = a_reader(aws, client)
    reader.poll(1, lambda: True)
    clock.now_ms -= 3_600_000
    for _ in range(3):
        reader.poll(8, lambda: True)

    assert not reader.poll(8, lambda: True)
    assert 30 == len(events(client))


def test_a_backlog_of_many_pages_is_read_in_slices_that_end_early(
    aws: CloudWatch, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids are remembered of what may be read again, a late window or an open slice, not of a whole backlog."""
    monkeypatch.setattr(slices, "MAX_SLICE_EVENTS", 2000)
    aws.paging = Paging(page_events=500)
    aws.virtual_group(
        REGION, "/app", streams=7, events_per_stream=2000, start_ms=NOW_MS - 50 * WINDOW_MS, span_ms=50 * WINDOW_MS
    )
    reader = a_reader(aws, client)
    most = 0
    while reader.poll(1, lambda: True):
        most = max(most, sum(map(len, client.hvals(keys.seen(reader.key)))) // 8)

    assert 14_000 == len({event.event_id for event in events(client)}) == len(events(client))
    assert most <= 3000
    assert aws.call_count("FilterLogEvents") <= 14_000 // 500 + 12


def test_an_error_that_waiting_will_not_mend_is_raised_with_its_group(aws: CloudWatch, client: redis.Redis) -> None:
    """The line an operator reads names group, source, region, what AWS said and what to do."""
    put(aws, 1)
    aws.fail("FilterLogEvents", "AccessDeniedException")

    with pytest.raises(SourceError) as caught:
        read(a_reader(aws, client))
    said = str(caught.value)
    assert said.startswith(f"group /app, source s, region {REGION}: AWS answers logs:FilterLogEvents with AccessDenied")
    assert said.endswith(
        f"allow logs:FilterLogEvents on arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/app:* in the IAM policy of these credentials"
    )
    assert caught.value.lasting


def test_the_reader_asks_for_bounded_ranges_only(aws: CloudWatch, client: redis.Redis, clock: Clock) -> None:
    """Without endTime pagination may never terminate, says AWS; a range that ends before it begins is refused."""
    put(aws, 30)
    reader = a_reader(aws, client, start_ms=-5)
    for _ in range(10):
        clock.now_ms += WINDOW_MS // 3
        read(reader)
    ranges = [(call.parameters["startTime"], call.parameters["endTime"]) for call in aws.calls]

    assert 10 <= len(ranges)
    assert all(0 <= start <= end <= clock.now_ms + slices.AHEAD_MS for start, end in ranges)


def test_an_api_counts_its_calls(aws: CloudWatch, client: redis.Redis) -> None:
    """Failed ones too: they count against the quota."""
    counted: list[str] = []
    put(aws, 1)
    aws.fail("FilterLogEvents", "ThrottlingException", times=1)
    reader = a_reader(aws, client)
    api: LogsApi = reader._api
    api._connection.count_call = counted.append

    with pytest.raises(SourceBusy):
        read(reader)
    read(reader)
    assert ["FilterLogEvents"] * 2 == counted
