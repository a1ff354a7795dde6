"""delete_log_streams: a stream goes when all of it was delivered and nothing more comes, and at any doubt it stays."""

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis
from redis.client import Pipeline

from services.fetcher import deletion
from shared import books, dead_letters, digests, keys, metrics, queues
from shared.messages import Checkpoint, DeadLetter, GroupRef
from tests.eventually import eventually
from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_contents import Paging
from tests.unit.fetcher.at_work import (
    ACCOUNT,
    REGION,
    AtWork,
    a_reader,
    a_source,
    batches,
    emptied,
    events,
    read_once,
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
GROUP = GroupRef(account_id=ACCOUNT, region=REGION, log_group="/app")
KEY = keys.group_key(GROUP)


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def aws(server: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    aws = emptied(server, monkeypatch)
    aws.stream_times_lag_ms = 0
    monkeypatch.setattr(deletion, "UNDER_WAY_SECONDS", 0.05)
    return aws


def put(aws: CloudWatch, stream: str, *ages_ms: int, late_ms: int = 0) -> None:
    """Let events happen so long ago, and arrive `late_ms` after that."""
    now = aws.now_ms()
    for age_ms in sorted(ages_ms, reverse=True):
        aws.put(REGION, "/app", stream, [(now - age_ms, f"{stream} {age_ms}")], ingestion_ms=now - age_ms + late_ms)


def streams(aws: CloudWatch) -> list[str]:
    return [stream.name for stream in aws.groups.get(ACCOUNT, REGION, "/app").streams(aws.now_ms())]


def deliver(client: redis.Redis) -> None:
    """Do with the batches on the queue what those do who deliver them."""
    for batch in batches(client):
        payload = queues.take(client, queues.RAW, batch.batch_id) or b""
        count = len(batch.events)

        def record(pipe: Pipeline, count: int = count) -> None:
            books.record(pipe, KEY, {"delivered": count})

        queues.finish(client, queues.RAW, batch.batch_id, len(payload), record)


def read_and_delivered(aws: CloudWatch, client: redis.Redis, **changes: Any) -> None:
    """Read all there is without deleting anything, and deliver it."""
    assert {} == read_once(client, a_source(aws, "/app", **changes))
    deliver(client)


def look(aws: CloudWatch, client: redis.Redis, **changes: Any) -> None:
    """Let one `--once` read what is new, and delete what may go."""
    assert {} == read_once(client, a_source(aws, "/app", delete_log_streams=True, **changes))


def test_a_quiet_stream_goes_once_it_was_delivered(aws: CloudWatch, client: redis.Redis) -> None:
    """Not before: the task waits for what is under way. A younger one stays. The books count it."""
    put(aws, "done", 2 * DAY_MS, 3 * DAY_MS)
    put(aws, "young", 2 * DAY_MS, HOUR_MS)
    deleted = metrics.STREAMS_DELETED._value.get()
    with AtWork(client, a_source(aws, "/app", delete_log_streams=True)):
        eventually(lambda: 4 == len(events(client)))
        assert 0 == aws.call_count("DeleteLogStream")
        deliver(client)
        eventually(lambda: ["young"] == streams(aws))

    assert deleted + 1 == metrics.STREAMS_DELETED._value.get()
    (account,) = [account for _, account in books.read(client).values()]
    assert (1, 0, 4) == (account.streams_deleted, account.in_flight, account.delivered)
    assert 1 == aws.call_count("DeleteLogStream")


def test_nothing_is_deleted_unless_it_is_asked_for(aws: CloudWatch, client: redis.Redis) -> None:
    """Off by default."""
    put(aws, "done", 2 * DAY_MS)
    read_and_delivered(aws, client)
    read_and_delivered(aws, client)

    assert ["done"] == streams(aws)
    assert 0 == aws.call_count("DescribeLogStreams")


def test_a_search_is_made_once_an_hour(aws: CloudWatch, client: redis.Redis) -> None:
    """However often the group is polled."""
    put(aws, "young", HOUR_MS)
    with AtWork(client, a_source(aws, "/app", delete_log_streams=True)):
        eventually(lambda: events(client))
        deliver(client)
        eventually(lambda: aws.call_count("DescribeLogStreams"))
        polls = aws.call_count("FilterLogEvents")
        eventually(lambda: aws.call_count("FilterLogEvents") > polls + 10)

    assert 1 == aws.call_count("DescribeLogStreams")


def test_only_streams_of_the_prefix_are_deleted(aws: CloudWatch, client: redis.Redis) -> None:
    """The others were never read."""
    put(aws, "web-1", 2 * DAY_MS)
    put(aws, "db", 2 * DAY_MS)
    read_and_delivered(aws, client, log_stream_prefix="web-")
    look(aws, client, log_stream_prefix="web-")

    assert ["db"] == streams(aws)


@pytest.mark.parametrize("before", [{"log_stream_prefix": "web-"}, {"filter_pattern": "nothing"}])
def test_what_a_choice_of_before_left_out_is_kept(aws: CloudWatch, client: redis.Redis, before: dict[str, str]) -> None:
    """By its times it lies behind all that was read; it was not, and widening the choice does not read it."""
    put(aws, "db", 2 * DAY_MS)
    read_and_delivered(aws, client, **before)
    look(aws, client)
    look(aws, client)

    assert ["db"] == streams(aws)


def test_a_choice_that_was_made_narrower_keeps_nothing(aws: CloudWatch, client: redis.Redis) -> None:
    """All of it had been read before."""
    put(aws, "web-1", 2 * DAY_MS)
    put(aws, "db", 2 * DAY_MS)
    read_and_delivered(aws, client)
    look(aws, client, log_stream_prefix="web-")

    assert ["db"] == streams(aws)


def test_long_streams_and_many_are_deleted_page_by_page(aws: CloudWatch, client: redis.Redis) -> None:
    """Empty pages are no end, neither of a stream nor of its being read."""
    aws.paging = Paging(page_events=3, empty_pages=2, trailing_token=True)
    for number in range(60):
        put(aws, f"s{number:02}", *(2 * DAY_MS + n for n in range(4)))
    read_and_delivered(aws, client)
    look(aws, client)

    assert [] == streams(aws)


def test_what_was_there_before_reading_began_is_kept(aws: CloudWatch, client: redis.Redis) -> None:
    """only_logs_after left the older half of the stream unread, and it stays so when the setting is changed later."""
    put(aws, "half", 5 * DAY_MS, 2 * DAY_MS)
    put(aws, "whole", 2 * DAY_MS)
    read_and_delivered(aws, client, only_logs_after="3d")
    assert 2 == books.total(client).delivered
    look(aws, client)

    assert ["half"] == streams(aws)


def test_a_late_event_that_nobody_has_read_keeps_its_stream(aws: CloudWatch, client: redis.Redis) -> None:
    """It lies behind both marks: without a look at each event, its stream would seem to be done with."""
    put(aws, "late", 3 * DAY_MS)
    put(aws, "done", 3 * DAY_MS)
    read_and_delivered(aws, client)
    put(aws, "late", 3 * DAY_MS + 1, late_ms=HOUR_MS)
    look(aws, client)

    assert ["late"] == streams(aws)


def test_times_that_lag_behind_do_not_mislead_it(aws: CloudWatch, client: redis.Redis) -> None:
    """AWS may say for hours that nothing came: the events themselves say otherwise."""
    put(aws, "busy", 3 * DAY_MS)
    read_and_delivered(aws, client)
    put(aws, "busy", 2 * HOUR_MS)
    put(aws, "late", 3 * DAY_MS)
    aws.put(REGION, "/app", "late", [(aws.now_ms() - 3 * DAY_MS, "ingested just now")])
    read_and_delivered(aws, client)
    aws.stream_times_lag_ms = DAY_MS + HOUR_MS
    look(aws, client)

    assert ["busy", "late"] == streams(aws)
    assert 0 == aws.call_count("DeleteLogStream")


def test_an_event_that_comes_while_its_stream_is_looked_at_keeps_it(
    aws: CloudWatch, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last look, right before."""
    put(aws, "s", 3 * DAY_MS)
    read_and_delivered(aws, client)
    unread = deletion.DeletionTask._require_read

    def meanwhile(task: Any, *arguments: Any) -> None:
        unread(task, *arguments)
        aws.put(REGION, "/app", "s", [(aws.now_ms(), "meanwhile")])

    monkeypatch.setattr(deletion.DeletionTask, "_require_read", meanwhile)
    look(aws, client)

    assert ["s"] == streams(aws)


@pytest.mark.parametrize(
    "where", ["books", "raw", "enriched", "dead letter", "no checkpoint", "no mark", "no choice", "not swept"]
)
def test_what_is_not_known_to_be_delivered_keeps_every_stream(aws: CloudWatch, client: redis.Redis, where: str) -> None:
    """Each of these alone."""
    put(aws, "s", 2 * DAY_MS)
    read_and_delivered(aws, client)
    if where == "books":
        client.hincrby(keys.books(KEY), "delivered", -1)
    elif where in {"raw", "enriched"}:
        client.zadd(keys.outstanding(where), {f"{KEY}-1-0": 1})
    elif where == "dead letter":
        with client.pipeline() as pipe:
            dead_letters.add(pipe, f"{KEY}-1-0-n0", DeadLetter(reason="r", at_ms=1, group=GROUP))
            books.record(pipe, KEY, {"delivered": -1, "dead_lettered": 1})
            pipe.execute()
    task = a_task(aws, client)
    if where == "no checkpoint":
        client.delete(keys.checkpoint(KEY))
    elif where == "no mark":
        client.delete(keys.DIGESTS)
    elif where == "no choice":
        client.delete(keys.CHOSEN)
    elif where == "not swept":
        stored = msgspec.json.decode(client.get(keys.checkpoint(KEY)), type=Checkpoint)  # type: ignore[arg-type]
        early = msgspec.structs.replace(stored, swept_ms=aws.now_ms() - 2 * DAY_MS - HOUR_MS)
        client.set(keys.checkpoint(KEY), msgspec.json.encode(early))
    run(task)

    assert ["s"] == streams(aws)
    assert 0 == aws.call_count("DeleteLogStream")


def a_task(aws: CloudWatch, client: redis.Redis, **changes: Any) -> deletion.DeletionTask:
    """Return what deletes the streams of /app, by hand."""
    reader = a_reader(aws, client)
    source = a_source(aws, "/app", delete_log_streams=True, **changes)

    return deletion.DeletionTask(client, GROUP, source, reader._api, once=True, stop=threading.Event())


def run(task: deletion.DeletionTask) -> None:
    """Run a task until it is over for this time."""
    assert task.is_due()
    assert not task.is_due()
    while task() is not None:
        pass


def test_a_task_by_hand_deletes_what_the_tests_above_keep(aws: CloudWatch, client: redis.Redis) -> None:
    """Or they would prove nothing."""
    put(aws, "s", 2 * DAY_MS)
    read_and_delivered(aws, client)
    run(a_task(aws, client))

    assert [] == streams(aws)


def test_a_window_of_a_week_keeps_a_stream_for_a_week(aws: CloudWatch, client: redis.Redis) -> None:
    """Events may still come for it that a deep sweep is to find."""
    put(aws, "young", 3 * DAY_MS)
    put(aws, "old", 8 * DAY_MS)
    read_and_delivered(aws, client, sweep_window=7 * DAY_MS)
    run(a_task(aws, client, sweep_window=7 * DAY_MS))

    assert ["young"] == streams(aws)


@pytest.mark.parametrize("error", ["AccessDeniedException", "ThrottlingException"])
def test_what_aws_refuses_stops_no_reading(
    aws: CloudWatch, client: redis.Redis, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told with what to allow, and tried again an hour later."""
    put(aws, "s", 2 * DAY_MS)
    read_and_delivered(aws, client)
    aws.fail("DeleteLogStream", error)
    with AtWork(client, a_source(aws, "/app", delete_log_streams=True)) as work:
        eventually(lambda: aws.call_count("DeleteLogStream"))
        aws.put(REGION, "/app", "s", [(aws.now_ms(), "later")])
        eventually(lambda: events(client))
        assert {} == work.faults

    assert ["s"] == streams(aws)
    said = capsys.readouterr().out
    assert "log streams are not deleted" in said
    if error == "AccessDeniedException":
        assert f"allow logs:DeleteLogStream on arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/app:*" in said


def test_a_stream_that_is_gone_already_keeps_no_other(aws: CloudWatch, client: redis.Redis) -> None:
    """A second fetcher was faster, or somebody by hand."""
    put(aws, "a", 2 * DAY_MS)
    put(aws, "b", 2 * DAY_MS)
    read_and_delivered(aws, client)
    aws.fail("DeleteLogStream", "ResourceNotFoundException", "The specified log stream does not exist.", times=1)
    run(a_task(aws, client))

    assert 1 == len(streams(aws))
    assert b"1" == client.hget(keys.books(KEY), "streams_deleted")


def test_a_group_that_is_let_go_deletes_nothing_more(aws: CloudWatch, client: redis.Redis) -> None:
    """It may be another source's by now, which deletes nothing."""
    put(aws, "s", 2 * DAY_MS)
    read_and_delivered(aws, client)
    task = a_task(aws, client)
    assert task.is_due()
    task.retire()

    assert task() is None
    assert ["s"] == streams(aws)


def test_books_written_by_it_are_read_with_the_others(aws: CloudWatch, client: redis.Redis) -> None:
    """And the digests of what it deleted stay: an audit of that time finds what is missing at AWS, not here."""
    put(aws, "s", 2 * DAY_MS)
    read_and_delivered(aws, client)
    run(a_task(aws, client))

    assert b"1" == client.hget(keys.books(KEY), "streams_deleted")
    assert digests.read_mark(client, KEY) is not None
