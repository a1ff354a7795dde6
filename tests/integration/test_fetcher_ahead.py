"""One page ahead: faster, and nothing else. No page is lost, committed out of order, or fetched for nothing."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from services.fetcher import batches as fetcher_batches
from services.fetcher.fetch import GroupReader
from shared.aws.pages import Page
from shared.errors import SourceBusy, TokenRefused
from shared.messages import OpenSlice
from tests.eventually import eventually
from tests.standins.cloudwatch import CloudWatch
from tests.unit.fetcher.at_work import (
    REGION,
    CommitTrouble,
    a_reader,
    account,
    batches,
    emptied,
    messages,
    trouble_commits,
    twice,
)


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def aws(server: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    return emptied(server, monkeypatch)


def fill(aws: CloudWatch, events: int = 100, a_page: int = 10, *, age_ms: int = 20_000) -> list[str]:
    """Let events arrive, so many a page; return what they say."""
    aws.paging.page_events = a_page
    now_ms = aws.now_ms()
    aws.put(REGION, "/app", "s", [(now_ms - age_ms + n, f"{n:03}") for n in range(events)])
    return [f"{n:03}" for n in range(events)]


def always(current: OpenSlice) -> bool:
    del current
    return True


def old(aws: CloudWatch, events: int = 100) -> list[str]:
    """The same, but that the events wait already, as in a backlog."""
    return fill(aws, events, age_ms=3_600_000)


def sizes(client: redis.Redis) -> list[int]:
    """Return the number of events of each batch, in the order of the commits."""
    return [len(batch.events) for batch in batches(client)]


def read_ahead(reader: GroupReader) -> None:
    """Let a reader read to the end of its round, one page ahead."""
    while reader.poll(8, lambda: True, permit=always):
        pass


def test_pages_read_ahead_are_committed_once_and_in_order(aws: CloudWatch, client: redis.Redis) -> None:
    """And each is fetched once."""
    expected = fill(aws)
    read_ahead(a_reader(aws, client))

    assert expected == [event.message for batch in batches(client) for event in batch.events]
    assert 10 == aws.call_count("FilterLogEvents")


def test_the_next_page_is_fetched_while_the_last_one_is_committed(
    aws: CloudWatch, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit here waits for the call that comes after it."""
    expected = fill(aws, 50)
    reader = a_reader(aws, client)
    commit = reader._state.commit
    seen: list[int] = []

    def waiting(*arguments: object) -> None:
        seen.append(len(seen) + 1)
        if len(seen) < 5:
            eventually(lambda: aws.call_count("FilterLogEvents") == len(seen) + 1)
        commit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reader._state, "commit", waiting)
    read_ahead(reader)

    assert expected == messages(client)
    assert 5 == aws.call_count("FilterLogEvents")


def test_no_page_is_kept_from_one_turn_to_the_next(aws: CloudWatch, client: redis.Redis) -> None:
    """A thousand groups with a backlog would hold a thousand pages."""
    fill(aws)
    reader = a_reader(aws, client)
    for turn in range(1, 4):
        assert reader.poll(3, lambda: True, permit=always)
        assert 3 * turn == aws.call_count("FilterLogEvents")


def test_without_a_permit_for_the_next_page_none_is_fetched(aws: CloudWatch, client: redis.Redis) -> None:
    """The turn ends there, and goes on from there."""
    expected = fill(aws)
    reader = a_reader(aws, client)
    permits = iter([True, True, False, False])

    assert reader.poll(8, lambda: True, permit=lambda _: next(permits))
    assert 2 == aws.call_count("FilterLogEvents")
    assert expected[:20] == messages(client)
    read_ahead(reader)
    assert expected == messages(client)


def test_an_error_of_the_page_ahead_comes_when_that_page_is_wanted(aws: CloudWatch, client: redis.Redis) -> None:
    """What was read before it is committed; the failed call is not made twice."""
    expected = fill(aws)
    reader = a_reader(aws, client)
    permits = iter([True])
    assert reader.poll(2, lambda: True, permit=lambda _: next(permits, False))
    fault = aws.fail("FilterLogEvents", "ThrottlingException", times=None)
    with pytest.raises(SourceBusy):
        reader.poll(8, lambda: True, permit=always)

    assert 1 == fault.hits
    fault.cancel()
    read_ahead(reader)
    assert expected == messages(client)
    assert set() == twice(client)


def test_a_token_that_expires_ahead_has_the_slice_read_again(aws: CloudWatch, client: redis.Redis) -> None:
    """As one that is refused at the time."""
    expected = fill(aws)
    reader = a_reader(aws, client)
    assert reader.poll(2, lambda: True, permit=always)
    aws.fail("FilterLogEvents", "InvalidParameterException", "token", times=1)
    with pytest.raises(TokenRefused):
        reader.poll(8, lambda: True, permit=always)
    read_ahead(reader)

    assert expected == messages(client)
    assert set() == twice(client)


@pytest.mark.parametrize("age_ms", [20_000, 3_600_000], ids=["live", "backlog"])
@pytest.mark.parametrize("trouble", ["lost", "answer lost", "superseded"])
def test_a_commit_that_fails_throws_the_page_ahead_away(
    aws: CloudWatch, client: redis.Redis, trouble: CommitTrouble, age_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was carried out or not, of one page or of several: nothing is lost, and nothing comes twice."""
    monkeypatch.setattr(fetcher_batches, "MAX_EVENTS", 25)
    expected = fill(aws, age_ms=age_ms)
    reader = a_reader(aws, client)
    trouble_commits(client, deque(["none", trouble, "none", "none", trouble, trouble]))
    for _ in range(8):
        with suppress(redis.ConnectionError):
            read_ahead(reader)

    assert expected == messages(client)
    assert set() == twice(client)


def test_two_readers_ahead_of_each_other_commit_each_event_once(aws: CloudWatch, client: redis.Redis) -> None:
    """A lease that two believe in for a moment."""
    expected = fill(aws, 300)
    readers = [a_reader(aws, client) for _ in range(2)]
    threads = [threading.Thread(target=read_ahead, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert expected == messages(client)
    assert set() == twice(client)


def test_the_pages_of_a_backlog_are_committed_together(aws: CloudWatch, client: redis.Redis) -> None:
    """A batch costs some milliseconds of each role, whatever is in it. A turn of 8 pages ends where it did."""
    expected = old(aws)
    read_ahead(a_reader(aws, client))

    assert [80, 20] == sizes(client)
    assert expected == [event.message for batch in batches(client) for event in batch.events]
    assert 10 == aws.call_count("FilterLogEvents")


@pytest.mark.parametrize(("bound", "value"), [("MAX_EVENTS", 39), ("MAX_CHARACTERS", 95)])
def test_pages_are_committed_together_as_long_as_they_make_one_batch(
    aws: CloudWatch, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    """Three pages of ten events, of three characters each, and no fourth."""
    monkeypatch.setattr(fetcher_batches, bound, value)
    expected = old(aws)
    read_ahead(a_reader(aws, client))

    assert [30, 30, 20, 20] == sizes(client)  # of a turn of eight pages, and of the next
    assert expected == messages(client)


def test_what_arrives_now_waits_for_no_other_page(aws: CloudWatch, client: redis.Redis) -> None:
    """It would arrive at Wazuh the later for it."""
    fill(aws)
    read_ahead(a_reader(aws, client))

    assert [10] * 10 == sizes(client)


def test_what_was_read_before_an_error_is_committed(
    aws: CloudWatch, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Throttled at every third page, a group with a backlog gets on all the same. No failed call is made twice."""
    expected = old(aws)
    reader = a_reader(aws, client)
    fetched, calls = reader._ahead._fetch, []

    def failing(current: OpenSlice) -> Page:
        calls.append(current)
        if len(calls) == 3:
            raise SourceBusy("throttled")
        return fetched(current)

    monkeypatch.setattr(reader._ahead, "_fetch", failing)
    with pytest.raises(SourceBusy):
        reader.poll(8, lambda: True, permit=always)

    assert [20] == sizes(client)
    assert [3, 2] == [len(calls), aws.call_count("FilterLogEvents")]
    read_ahead(reader)
    assert expected == messages(client)
    assert set() == twice(client)


def test_pages_that_overlap_are_committed_together_without_repeats(aws: CloudWatch, client: redis.Redis) -> None:
    """An event on two pages is one event, and the books say how often it was read."""
    expected = old(aws)
    aws.paging.overlap = 3
    read_ahead(a_reader(aws, client))

    assert expected == [event.message for batch in batches(client) for event in batch.events]
    assert account(client).fetched == 100 + account(client).duplicates > 100


def test_a_stop_is_heard_between_two_pages_that_would_be_committed_together(
    aws: CloudWatch, client: redis.Redis
) -> None:
    """A page may take AWS a minute."""
    old(aws)
    going = iter([True, True, True])
    assert a_reader(aws, client).poll(8, lambda: next(going, False), permit=always)

    assert [30] == sizes(client)
    assert 3 == aws.call_count("FilterLogEvents")
