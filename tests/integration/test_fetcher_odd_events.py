"""Odd events, odd groups and odd clocks: what CloudWatch lets happen, over HTTP, into a real Valkey."""

from collections.abc import Iterator

import msgspec
import pytest
import redis
import structlog
from msgspec import structs

from services.fetcher import notes, slices
from services.fetcher.budget import ByteBudget
from services.operator.status import lines
from services.operator.status import read as read_status
from shared import books, keys, queues
from shared.errors import SourceError, TokenRefused
from tests.eventually import eventually
from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_contents import Paging
from tests.unit.fetcher import at_work
from tests.unit.fetcher.at_work import (
    REGION,
    AtWork,
    a_reader,
    a_source,
    batches,
    checkpoint,
    emptied,
    events,
    messages,
    read,
    read_once,
    state,
    twice,
)

NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class Clock:
    """The time, and how far off the reader's own clock is."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.off_ms = 0

    def __call__(self) -> int:
        return self.now_ms

    def ours(self) -> int:
        return self.now_ms + self.off_ms


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(server: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    """Return the stand-in, by the time of the machine."""
    return emptied(server, monkeypatch)


@pytest.fixture
def aws(live: CloudWatch, clock: Clock) -> CloudWatch:
    """Return the stand-in, by the test's own time."""
    live.now_ms = clock
    live.create_group(REGION, "/app")
    return live


def put(aws: CloudWatch, text: str, timestamp_ms: int, stream: str = "s") -> None:
    aws.put(REGION, "/app", stream, [(timestamp_ms, text)])


def test_the_oldest_and_the_newest_that_cloudwatch_takes_are_delivered_once(
    aws: CloudWatch, client: redis.Redis, clock: Clock
) -> None:
    """14 days back, found by a sweep of that depth, and two hours ahead, at the next poll."""
    reader = a_reader(aws, client, start_ms=NOW_MS - 20 * DAY_MS, sweep_window=14 * DAY_MS)
    for _ in range(4):
        clock.now_ms += 2 * HOUR_MS
        read(reader)
    put(aws, "old", clock.now_ms - 14 * DAY_MS)
    put(aws, "ahead", clock.now_ms + slices.AHEAD_MS)
    read(reader)
    assert ["ahead"] == messages(client)
    for _ in range(20):
        clock.now_ms += 2 * HOUR_MS
        read(reader)

    assert ["ahead", "old"] == messages(client)


def test_one_millisecond_and_one_text_twice_are_two_for_a_sweep_too(
    aws: CloudWatch, client: redis.Redis, clock: Clock
) -> None:
    """One of them on time, two hours late, in the same stream."""
    reader = a_reader(aws, client, start_ms=NOW_MS - DAY_MS)
    at_ms = clock.now_ms
    put(aws, "Failed password", at_ms)
    for hours in range(30):
        clock.now_ms += HOUR_MS
        if hours in {2, 5}:
            put(aws, "Failed password", at_ms)
        read(reader)

    assert ["Failed password"] * 3 == messages(client)
    assert set() == twice(client)


def test_a_stream_deleted_while_it_is_read_ends_nothing(aws: CloudWatch, client: redis.Redis) -> None:
    """Its unread events are gone; those of the other streams come, each once."""
    aws.paging = Paging(page_events=10)
    for number in range(60):
        put(aws, f"{number}", NOW_MS - MINUTE_MS + number, stream="doomed" if number % 2 else "other")
    reader = a_reader(aws, client)
    reader.poll(2, lambda: True)
    aws.groups.get(at_work.ACCOUNT, REGION, "/app").remove_stream("doomed")
    read(reader)
    read(reader)

    assert {f"{number}" for number in range(0, 60, 2)} <= set(messages(client))
    assert set() == twice(client)


def test_a_group_deleted_while_it_is_read_and_made_again_is_read_on(
    aws: CloudWatch, client: redis.Redis, clock: Clock
) -> None:
    """With its checkpoint: what is new in it comes, also what is older than the old group's last event."""
    aws.paging = Paging(page_events=10)
    for number in range(40):
        put(aws, f"old {number}", NOW_MS - MINUTE_MS + number)
    reader = a_reader(aws, client)
    reader.poll(2, lambda: True)
    aws.remove_group(REGION, "/app")
    for _ in range(3):
        with pytest.raises(SourceError, match="does not exist"):
            read(reader)
    clock.now_ms += HOUR_MS
    aws.create_group(REGION, "/app")
    put(aws, "new", clock.now_ms - 1000)
    put(aws, "new and late", clock.now_ms - 2 * HOUR_MS)
    for _ in range(15):
        clock.now_ms += 30 * MINUTE_MS
        read(reader)

    assert {"new", "new and late"} == {text for text in messages(client) if text.startswith("new")}
    assert set() == twice(client)


def test_status_says_that_a_group_is_gone_until_it_is_back(live: CloudWatch, client: redis.Redis) -> None:
    """It is let go, not forgotten: its books stay, and a group that nobody reads must not look like a quiet one."""
    for group in ("/app/a", "/app/b"):
        live.put(REGION, group, "s", [(live.now_ms(), group)])
    with AtWork(client, a_source(live, "/app/*")) as work:
        eventually(lambda: 2 == len(events(client)))
        live.remove_group(REGION, "/app/a")
        eventually(lambda: state(client, "/app/a").gone)
        shown = lines(read_status(client, live.now_ms() / 1000))
        at = next(number for number, line in enumerate(shown) if "  /app/a  " in line)

        assert "0 of 1 events delivered" in shown[at]
        assert "    gone: CloudWatch Logs has no such group any more" in shown[at + 1]
        assert not state(client, "/app/b").gone
        assert not work.faults
        live.put(REGION, "/app/a", "s", [(live.now_ms(), "again")])
        eventually(lambda: "again" in messages(client))
        eventually(lambda: not state(client, "/app/a").gone)

    assert ["/app/a", "/app/b", "again"] == messages(client)


def test_a_group_that_went_while_nobody_looked_is_gone(live: CloudWatch, client: redis.Redis) -> None:
    """Between two runs of a `--once`, or while the fetcher was down."""
    for group in ("/app/a", "/app/b"):
        live.put(REGION, group, "s", [(live.now_ms(), group)])
    read_once(client, a_source(live, "/app/*"), a_source(live, "/other", name="other"))
    live.remove_group(REGION, "/app/b")
    read_once(client, a_source(live, "/app/*"), a_source(live, "/other", name="other"))

    assert [False, True] == [state(client, "/app/a").gone, state(client, "/app/b").gone]
    assert state(client, "/app/b").read_ms > 0


def test_the_retention_of_a_group_and_its_lateness_are_told(live: CloudWatch, client: redis.Redis) -> None:
    live.create_group(REGION, "/app", retention_days=7)
    late_ms = 40 * MINUTE_MS - MINUTE_MS // 2  # far from where advice is rounded up to another minute
    live.put(REGION, "/app", "s", [(live.now_ms() - late_ms, "late"), (live.now_ms() + HOUR_MS, "early")])
    read_once(client, a_source(live, "/app"))
    told = state(client, "/app")
    (group,) = read_status(client, live.now_ms() / 1000).groups

    assert [7, 900_000, DAY_MS] == [told.retention_days, told.late_window_ms, told.sweep_window_ms]
    assert late_ms <= told.lateness_ms < 40 * MINUTE_MS
    assert 0 <= live.now_ms() - told.unread_ms < MINUTE_MS
    assert ['set late_window = "41m"'] == [risk[risk.index("set late") :][:23] for risk in group.risks]


def test_a_pause_that_will_cost_events_is_said_once_and_shown(
    live: CloudWatch, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver down since yesterday, and a group that is kept for a day; the fetcher was started again meanwhile."""
    monkeypatch.setattr(notes, "REFRESH_SECONDS", 0.01)
    live.create_group(REGION, "/app", retention_days=1)
    live.put(REGION, "/app", "s", [(live.now_ms(), "x")])
    read_once(client, a_source(live, "/app"))
    (key,) = books.read(client)
    unread_ms = live.now_ms() - 20 * HOUR_MS
    lagging = structs.replace(checkpoint(client, key), watermark_ms=unread_ms, swept_ms=unread_ms)
    client.set(keys.checkpoint(key), msgspec.json.encode(lagging))
    client.hset(keys.BYTES, "dead_letters", 2000)
    with structlog.testing.capture_logs() as said, AtWork(client, a_source(live, "/app"), queued_bytes=1000):
        eventually(lambda: unread_ms == state(client, "/app").unread_ms)
        first = state(client, "/app").since_ms
        eventually(lambda: state(client, "/app").since_ms > first)
    (group,) = read_status(client, live.now_ms() / 1000).groups
    warnings = [entry["why"] for entry in said if entry["event"] == "a risk to events"]

    assert ["CloudWatch deletes events that were not read yet in 3 hours"] == [
        text.partition(":")[0] for text in warnings
    ]
    assert warnings == group.risks
    assert group.read_seconds_ago is not None


@pytest.mark.parametrize("off_ms", [5 * HOUR_MS, -5 * HOUR_MS, 26 * HOUR_MS, -26 * HOUR_MS])
def test_a_clock_of_ours_that_jumps_doubles_nothing_and_what_it_misses_it_finds(
    aws: CloudWatch, client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch, off_ms: int
) -> None:
    """AWS tells the time with each answer; here as far as it would sign for us, five minutes, it does not matter."""
    reader = a_reader(aws, client, start_ms=NOW_MS - DAY_MS, clock=clock.ours)
    monkeypatch.setattr(
        type(reader._api), "ahead_ms", property(lambda _: max(0, clock.off_ms), lambda *_: None), raising=False
    )
    expected = []
    for number in range(60):
        clock.off_ms = off_ms if 20 <= number < 40 else 0
        clock.now_ms += 20 * MINUTE_MS
        for late_ms in (0, 10 * MINUTE_MS, 3 * HOUR_MS):
            expected.append(f"{number} {late_ms}")
            put(aws, expected[-1], clock.now_ms - late_ms)
        read(reader)
    for _ in range(30):
        clock.now_ms += HOUR_MS
        read(reader)

    assert sorted(expected) == messages(client)
    assert checkpoint(client, reader.key).watermark_ms <= clock.now_ms


@pytest.mark.parametrize("ahead_ms", [4 * MINUTE_MS, -4 * MINUTE_MS])
def test_a_clock_of_aws_that_is_not_ours_loses_nothing(
    aws: CloudWatch, client: redis.Redis, clock: Clock, ahead_ms: int
) -> None:
    """Ingestion times are by theirs, the start of a reading is by ours."""
    clock.off_ms = -ahead_ms
    reader = a_reader(aws, client, start_ms=NOW_MS - DAY_MS, clock=clock.ours, late_window=5 * MINUTE_MS)
    expected = []
    for number in range(50):
        clock.now_ms += 15 * MINUTE_MS
        for late_ms in (0, 4 * MINUTE_MS, 9 * MINUTE_MS, 2 * HOUR_MS):
            expected.append(f"{number} {late_ms}")
            put(aws, expected[-1], clock.now_ms - late_ms)
        read(reader)
    for _ in range(16):
        clock.now_ms += HOUR_MS
        read(reader)

    assert sorted(expected) == messages(client)


def test_a_receiver_that_was_down_for_a_day_gets_all_of_it_once_and_oldest_first(
    aws: CloudWatch, client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetching pauses at the byte budget and CloudWatch keeps the rest; a page token ends meanwhile, and is not missed."""
    monkeypatch.setattr("services.fetcher.budget.REFRESH_SECONDS", 0.0)
    aws.paging = Paging(page_events=20)
    budget = ByteBudget(client, 6_000)
    reader = a_reader(aws, client, start_ms=NOW_MS - HOUR_MS)
    expected, delivered = [], []
    for number in range(96):
        clock.now_ms += 15 * MINUTE_MS
        for n in range(10):
            expected.append(f"{number} {n} {hash((number, n))}")
            put(aws, expected[-1], clock.now_ms - 1000 + n)
        reader.poll(8, budget.has_room)
    held = sum(int(client.hget(keys.BYTES, queue) or 0) for queue in ("raw", "enriched"))
    assert held < 8_000
    assert len(events(client)) < len(expected) // 2
    clock.now_ms += DAY_MS + HOUR_MS
    for _ in range(400):
        try:
            reader.poll(8, budget.has_room)
        except TokenRefused:
            continue
        for batch in batches(client):
            payload = queues.take(client, queues.RAW, batch.batch_id) or b""
            queues.finish(client, queues.RAW, batch.batch_id, len(payload), lambda _: None)
            delivered += [event.message for event in batch.events]
        clock.now_ms += 30_000
        if len(delivered) >= len(expected):
            break

    assert expected == delivered
