"""One page ahead: faster, and nothing else. No page is lost, committed out of order, or fetched for nothing."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from services.fetcher.fetch import GroupReader
from shared.errors import SourceBusy, TokenRefused
from shared.messages import OpenSlice
from tests.eventually import eventually
from tests.standins.cloudwatch import CloudWatch
from tests.unit.fetcher.at_work import (
    REGION,
    CommitTrouble,
    a_reader,
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


def fill(aws: CloudWatch, events: int = 100, a_page: int = 10) -> list[str]:
    """Let events arrive, so many a page; return what they say."""
    aws.paging.page_events = a_page
    now_ms = aws.now_ms()
    aws.put(REGION, "/app", "s", [(now_ms - 60_000 + n, f"{n:03}") for n in range(events)])
    return [f"{n:03}" for n in range(events)]


def always(current: OpenSlice) -> bool:
    del current
    return True


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
    commit = reader._commit
    seen: list[int] = []

    def waiting(*arguments: object) -> None:
        seen.append(len(seen) + 1)
        if len(seen) < 5:
            eventually(lambda: aws.call_count("FilterLogEvents") == len(seen) + 1)
        commit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reader, "_commit", waiting)
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


@pytest.mark.parametrize("trouble", ["lost", "answer lost", "superseded"])
def test_a_commit_that_fails_throws_the_page_ahead_away(
    aws: CloudWatch, client: redis.Redis, trouble: CommitTrouble
) -> None:
    """Whether it was carried out or not: nothing is lost, and nothing comes twice."""
    expected = fill(aws)
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
