"""`cwpipe fetcher --once`, whole: from settings to an exit that says what could not be read."""

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
import redis
import structlog

from services.fetcher import patience
from services.fetcher.__main__ import main
from shared import keys
from shared.errors import Incomplete, SettingsError, Unreachable
from shared.settings.load import Loaded
from shared.settings.model import Settings, Source
from tests.eventually import eventually
from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_contents import Paging
from tests.unit.fetcher.at_work import REGION, a_source, account, emptied, events, messages, state

HOUR_MS = 3_600_000
#: Noon of a day, UTC.
NOON_MS = 1_782_043_200_000
LATE_MS = 900_000


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def aws(server: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    return emptied(server, monkeypatch)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Put back what the main function of a process may take for itself: signals and logging."""
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}
    root, log_handlers, level = logging.getLogger(), logging.getLogger().handlers, logging.getLogger().level
    yield
    for signum, handler in handlers.items():
        signal.signal(signum, handler)
    root.handlers, root.level = log_handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def fetch_once(redis_url: str, *sources: Source, **settings: Any) -> None:
    """Do what `cwpipe fetcher --once` does."""
    main(Loaded(Settings(redis_url=redis_url, sources=sources, **settings), {}, None), once=True)


@contextmanager
def _at_the_sixth_page(aws: CloudWatch, act: Callable[[], object]) -> Iterator[None]:
    """Act, on a thread of its own, in the midst of what is read."""

    def wait() -> None:
        eventually(lambda: 5 < aws.call_count("FilterLogEvents"))
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_once_reads_all_there_is_and_ends(aws: CloudWatch, client: redis.Redis, redis_url: str) -> None:
    """To the last page of every group, with exact books; the second time there is nothing new."""
    aws.paging = Paging(page_events=100, empty_pages=3, overlap=3)
    for group in ("/app/a", "/app/b"):
        aws.put(REGION, group, "s", [(aws.now_ms() - 100_000 + n, f"{group} {n}") for n in range(1000)])
    fetch_once(redis_url, a_source(aws, "/app/*"))
    fetched = account(client).fetched
    fetch_once(redis_url, a_source(aws, "/app/*"))

    assert sorted(f"{group} {n}" for group in ("/app/a", "/app/b") for n in range(1000)) == messages(client)
    assert 2000 < fetched < account(client).fetched
    assert 2000 == account(client).fetched - account(client).duplicates
    assert ["", ""] == [state(client, group).fault for group in ("/app/a", "/app/b")]


def test_when_something_last_came_is_remembered_over_restarts(
    aws: CloudWatch, client: redis.Redis, redis_url: str
) -> None:
    """A group that fell silent while no fetcher ran is silent all the same."""
    came: list[int] = []
    for more in (1, 0, 1):
        aws.put(REGION, "/app", "s", [(aws.now_ms(), f"{n} of {len(came)}") for n in range(more)])
        fetch_once(redis_url, a_source(aws, silent_after=60_000))
        came.append(state(client, "/app").came_ms)

    assert 0 < came[0] == came[1] < came[2]
    assert 60_000 == state(client, "/app").silent_after_ms


def test_once_counts_every_call_in_redis(aws: CloudWatch, client: redis.Redis, redis_url: str) -> None:
    """The summary of a run says how many it made."""
    aws.put(REGION, "/app", "s", [(aws.now_ms(), "x")])
    aws.fail("FilterLogEvents", "ThrottlingException", times=2)
    fetch_once(redis_url, a_source(aws))

    assert {
        f"{REGION} DescribeLogGroups".encode(): b"1",
        f"{REGION} FilterLogEvents".encode(): b"3",
    } == client.hgetall(keys.API_CALLS)


def test_what_could_not_be_read_is_named(aws: CloudWatch, client: redis.Redis, redis_url: str) -> None:
    """Everything else is read; the exit code is 4, and nobody has to search the log for why."""
    for group in ("/app/a", "/app/denied", "/app/c"):
        aws.put(REGION, group, "s", [(aws.now_ms(), group)])
    aws.create_group(REGION, "/app/cheap", log_class="INFREQUENT_ACCESS")
    aws.fail("FilterLogEvents", "AccessDeniedException", group="/app/denied")
    sources = (a_source(aws, "/app/*", "/typo"), a_source(aws, "/app", name="broken", profile="none"))

    with pytest.raises(Incomplete) as caught:
        fetch_once(redis_url, *sources)
    assert 4 == caught.value.exit_code
    assert (
        f"4 could not be read: group /app/cheap, source s, region {REGION}; group /app/denied, source s, region {REGION}; "
        f"group /typo, source s; source broken, region {REGION}"
    ) == str(caught.value)
    assert ["/app/a", "/app/c"] == messages(client)
    assert "allow logs:FilterLogEvents" in state(client, "/app/denied").fault


def test_static_credentials_that_expired_end_it(aws: CloudWatch, client: redis.Redis, redis_url: str) -> None:
    """In the middle of a group: what was read until then is kept, and the next run goes on from there."""
    aws.paging = Paging(page_events=1)
    aws.put(REGION, "/app", "s", [(aws.now_ms() - 10_000 + n, str(n)) for n in range(500)])

    with (
        pytest.raises(Incomplete, match="1 could not be read: group /app, source s"),
        _at_the_sixth_page(aws, lambda: aws.fail("FilterLogEvents", "ExpiredTokenException")),
    ):
        fetch_once(redis_url, a_source(aws))
    kept = len(events(client))
    aws.recover()
    aws.paging = Paging()
    fetch_once(redis_url, a_source(aws))

    assert 5 <= kept < 500
    assert 500 == len(events(client)) == len(set(messages(client)))


def test_an_endpoint_that_nobody_answers_at_is_given_up_after_a_while(
    aws: CloudWatch, client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A region may be a typing mistake; a service would wait for its network."""
    monkeypatch.setattr(patience, "UNREACHABLE_SECONDS", 0.1)
    aws.put(REGION, "/app", "s", [(aws.now_ms(), "x")])
    lost = a_source(aws, name="lost", endpoint_url="http://127.0.0.1:1")

    with pytest.raises(Incomplete, match="1 could not be read: source lost, region eu-west-1"):
        fetch_once(redis_url, lost, a_source(aws))
    assert ["x"] == messages(client)


def test_a_signal_ends_it_and_does_not_pass_for_the_end_of_the_work(
    aws: CloudWatch, client: redis.Redis, redis_url: str
) -> None:
    """A supervisor that sees exit code 0 would take the unread rest for read."""
    aws.paging = Paging(page_events=1)
    aws.put(REGION, "/app", "s", [(aws.now_ms() - 10_000 + n, str(n)) for n in range(500)])

    with (
        pytest.raises(Incomplete, match="stopped before every group was read"),
        _at_the_sixth_page(aws, lambda: signal.raise_signal(signal.SIGTERM)),
    ):
        fetch_once(redis_url, a_source(aws))
    assert 5 <= len(events(client)) < 500


@pytest.mark.parametrize(
    ("only_logs_after", "first_ms"),
    [
        ("2026-06-21", NOON_MS - 12 * HOUR_MS),
        ("2026-06-21T10:30:00Z", NOON_MS - 3 * HOUR_MS // 2),
        ("2026-06-21T10:30:00.250+02:00", NOON_MS - 7 * HOUR_MS // 2 + 250),
        ("", NOON_MS - 12 * HOUR_MS),
    ],
    ids=["date", "time", "time with zone", "day of the first start"],
)
def test_reading_begins_where_the_settings_say(
    aws: CloudWatch, client: redis.Redis, redis_url: str, only_logs_after: str, first_ms: int
) -> None:
    """The very millisecond belongs to it, the one before does not."""
    client.set(keys.FIRST_START, NOON_MS)
    aws.create_group(REGION, "/app", created_ms=NOON_MS - 1)
    aws.put(REGION, "/app", "s", [(first_ms - 1, "before"), (first_ms, "first"), (first_ms + 1, "second")])
    fetch_once(redis_url, a_source(aws, only_logs_after=only_logs_after))

    assert ["first", "second"] == messages(client)


def test_reading_may_begin_at_an_age(aws: CloudWatch, client: redis.Redis, redis_url: str) -> None:
    """Counted from the first sight of a group, once: the next start does not move it."""
    now_ms = aws.now_ms()
    aws.put(REGION, "/app", "s", [(now_ms - 3 * HOUR_MS, "old"), (now_ms - HOUR_MS, "young")])
    fetch_once(redis_url, a_source(aws, only_logs_after="2h"))

    assert ["young"] == messages(client)
    aws.put(REGION, "/app", "s", [(now_ms - 10_000, "new")])
    fetch_once(redis_url, a_source(aws, only_logs_after="1ms"))
    assert ["new", "young"] == messages(client)


def test_a_group_made_after_the_first_start_is_read_from_its_creation(
    aws: CloudWatch, client: redis.Redis, redis_url: str
) -> None:
    """Less a late window, for events that an application had before it had the group."""
    client.set(keys.FIRST_START, NOON_MS)
    aws.create_group(REGION, "/app", created_ms=NOON_MS + HOUR_MS)
    first_ms = NOON_MS + HOUR_MS - LATE_MS
    aws.put(REGION, "/app", "s", [(first_ms - 1, "before"), (first_ms, "first")])
    fetch_once(redis_url, a_source(aws, only_logs_after=""))

    assert ["first"] == messages(client)


def test_without_sources_or_redis_it_says_so(aws: CloudWatch, redis_url: str) -> None:
    """Before anything is asked of AWS."""
    with pytest.raises(SettingsError, match="no log groups to read"):
        fetch_once(redis_url)
    with pytest.raises(Unreachable, match="cannot be reached"):
        fetch_once("redis://127.0.0.1:1", a_source(aws))
    assert 0 == len(aws.calls)


def test_moto_is_read_like_cloudwatch(aws: CloudWatch, client: redis.Redis, redis_url: str) -> None:
    """Another implementation of the service, written by others: names, globs, pages and the account in the ARN."""
    command = [sys.executable, "-m", "services.demo.cloudwatch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            logs = boto3.client("logs", region_name=REGION, endpoint_url=url)
            for group, count in (("/app/a", 5100), ("/app/b", 10), ("/other", 1)):
                logs.create_log_group(logGroupName=group)
                for stream in ("s", "t"):
                    logs.create_log_stream(logGroupName=group, logStreamName=stream)
                    logs.put_log_events(
                        logGroupName=group,
                        logStreamName=stream,
                        logEvents=[
                            {"timestamp": aws.now_ms() - 9000 + n // 2, "message": f"{group} {stream} {n}"}
                            for n in range(count)
                        ],
                    )
            fetch_once(redis_url, a_source(aws, "/app/*", endpoint_url=url, sts_endpoint_url=url))
        finally:
            process.terminate()

    assert 10_220 == len(events(client)) == len(set(messages(client)))
    assert {"s", "t"} == {event.log_stream for event in events(client)}
