"""Whatever happens to a group and its reader, each event is delivered once: guarantee 3 of the design."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import msgspec
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from services.fetcher import seen, slices, sweeps
from services.fetcher.fetch import GroupReader
from shared import codec, keys, queues
from shared.aws.logs_api import LogsApi
from shared.errors import SourceError
from shared.messages import Checkpoint, GroupRef, RawBatch
from shared.remembered import parse
from shared.settings.model import Source
from tests.unit.fetcher.at_work import CommitTrouble, trouble_commits
from tests.unit.fetcher.memory_redis import MemoryQueue, MemoryRedis
from tests.unit.fetcher.modelled_group import Arrival, Clock, ModelledGroup, Trouble

NOW_MS = 1_800_000_000_000
LATE_MS = 60_000
#: Reading begins in the past: the first reads are a backlog.
BEGIN_MS = NOW_MS - 3 * LATE_MS
GROUP = GroupRef(account_id="123456789012", region="eu-west-1", log_group="/app")
SOURCE = Source(name="s", regions=("eu-west-1",), log_groups=("/app",), late_window=LATE_MS)
#: The least and the most of the settings' own bounds, and some between; the second is none longer than any late_window.
WINDOWS_MS = (60_000, 2 * LATE_MS, 4 * LATE_MS, 40 * LATE_MS, 14 * 86_400_000)
INTERVALS_MS = (0, 1, LATE_MS, 6 * LATE_MS, 14 * 86_400_000)
LATE_WINDOWS_MS = (LATE_MS, LATE_MS + 1, 3 * LATE_MS)


class Bounds(NamedTuple):
    """What is 64 KiB, a million events and the like in earnest, small enough here to be crossed all the time."""

    small_bytes: int
    slice_events: int
    close_margin_ms: int
    loaded: int
    stretch_ms: int
    sizes: tuple[int, ...]
    overlap: int
    visible_ms: int
    tells_ingestion: bool
    sweep_window_ms: int
    sweep_interval_ms: int


class History:
    """A group, its two readers, and what is true of them at any time."""

    def __init__(self, bounds: Bounds, client: Any, queue: Any) -> None:
        self.clock = Clock(NOW_MS)
        self.group = ModelledGroup(self.clock, bounds.sizes, bounds.overlap)
        self.group.tells_ingestion = bounds.tells_ingestion
        self.source = msgspec.structs.replace(
            SOURCE, sweep_window=bounds.sweep_window_ms, sweep_interval=bounds.sweep_interval_ms
        )
        self._visible_ms = bounds.visible_ms
        self._always_swept = sweeps.is_on(self.source)
        self._widest_ms = max(LATE_MS, 2 * bounds.visible_ms)
        self.commit_troubles: deque[CommitTrouble] = deque()
        self._client = client
        self._queue = queue
        self._latest_ms = NOW_MS
        self._batches: dict[bytes, RawBatch] = {}
        self._delivered: Counter[str] = Counter()
        self._checkpoint: Checkpoint | None = None
        self.readers = [self._reader(), self._reader()]
        self.group.meanwhile = self._let_the_other_read
        self._reading: int | None = None
        trouble_commits(client, self.commit_troubles)

    def arrive(self, count: int, spread_ms: int, late_ms: int, delay_ms: int, message: str) -> None:
        """Let events arrive at once, to be seen in `delay_ms`, the first of them `late_ms` after its timestamp."""
        for number in range(count):
            timestamp = self.clock.now_ms + delay_ms - late_ms + number * spread_ms
            self.group.put(min(timestamp, self.clock.now_ms + slices.AHEAD_MS), delay_ms=delay_ms, message=message)

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.clock.now_ms += ms

    def set_clock(self, behind_ms: int) -> None:
        """Set the readers' clock to so much before the time, or after it, as AWS's answers will tell."""
        self.clock.behind_ms = behind_ms

    def trouble(self, pages: Sequence[Trouble], commits: Sequence[CommitTrouble]) -> None:
        """Let the next pages and commits fail, or not, in this order."""
        self.group.troubles.extend(pages)
        self.commit_troubles.extend(commits)

    def crash(self, which: int) -> None:
        """Start a reader anew: what it knew is gone."""
        self.readers[which] = self._reader()

    def set_late_window(self, which: int, late_window_ms: int) -> None:
        """Start a reader anew, with another late_window than before, or than the other reader has."""
        self.source = msgspec.structs.replace(self.source, late_window=late_window_ms)
        self._always_swept = self._always_swept and sweeps.is_on(self.source)
        self._widest_ms = max(self._widest_ms, late_window_ms)
        self.crash(which)

    def set_sweeps(self, which: int, window_ms: int, interval_ms: int) -> None:
        """Start a reader anew with other deep sweeps: what they find is not promised then, but nothing comes twice."""
        self.source = msgspec.structs.replace(self.source, sweep_window=window_ms, sweep_interval=interval_ms)
        self._always_swept = False
        self.crash(which)

    def crash_again_and_again(self, which: int, times: int) -> None:
        """Let a reader read a page at a time, and start anew after each."""
        for _ in range(times):
            self.crash(which)
            self.poll(which, 1)

    def arrive_between_pages(self, which: int, times: int, late_ms: int) -> None:
        """Let a reader read a page at a time, while late events come in before and behind its place."""
        for number in range(times):
            self.clock.now_ms += LATE_MS // 10
            self.arrive(2, 500, late_ms * (1 + number % 3), 0, "")
            self.poll(which, 1)

    def poll(self, which: int, pages: int) -> bool:
        """Let a reader read some pages, waiting out what fails as its task does; return whether its round goes on."""
        self._reading = which
        try:
            return self._turn(which, pages)
        finally:
            self.check()

    def poll_to_the_end(self, which: int) -> None:
        """Let a reader end its round, which takes it no more calls than there are events to read."""
        most = self.group.calls + 120 + 40 * (len(self.group.arrivals) + 1)
        while self.poll(which, 3):
            assert self.group.calls < most, "it calls AWS again and again"

    def live(self, times: int, ms: int) -> None:
        """Let a reader poll now and then, as in everyday life."""
        for _ in range(times):
            self.clock.now_ms += ms
            self.poll_to_the_end(0)

    def finish(self) -> None:
        """Let time pass, with polls, until nothing can be late any more."""
        self.clock.behind_ms = 0
        self.live(8, self._widest_ms // 4)
        self._check_promptness()
        self.clock.now_ms += slices.AHEAD_MS + 2 * LATE_MS
        for _ in range(3):  # the first may only end a round, the second reads, the third forgets
            self.poll_to_the_end(1)
        self.readers = [self._reader(), self._reader()]  # of one mind
        for _ in range(
            3
        ):  # the first may have begun before the last event came, the second finds all, the third forgets
            self._sweep()
        if not self.group.tells_ingestion:  # what has no ingestion time is remembered until no sweep returns to it
            self.clock.now_ms += self.source.sweep_window
            self._sweep()
            self._sweep()

    def _sweep(self) -> None:
        """Let time pass until a deep sweep is due, and is complete."""
        self.clock.now_ms += max(self.source.sweep_interval, LATE_MS)
        for _ in range(len(self.group.arrivals) + 8):
            self.clock.now_ms += 1
            self.poll_to_the_end(1)
            if self._checkpoint is None or self._checkpoint.deep is None or self._checkpoint.deep.open_slice is None:
                break
        self.clock.now_ms += LATE_MS
        self.poll_to_the_end(1)

    def promised(self, arrival: Arrival) -> bool:
        """Say whether an event has to be delivered: it came in time, or for a deep sweep in time."""
        return in_time(arrival) or (
            self._always_swept
            and arrival.visible_ms <= arrival.ingestion_ms + self._visible_ms
            and arrival.ingestion_ms <= arrival.timestamp_ms + self.source.sweep_window
        )

    def delivered(self) -> Counter[str]:
        """Return how often each event was queued, by its id."""
        for key in self._client.scan_iter(match=keys.payload("raw", "*")):
            if key not in self._batches:
                self._batches[key] = codec.decode(RawBatch, self._client.get(key.decode()))
                self._delivered.update(event.event_id for event in self._batches[key].events)
        return self._delivered

    def expected(self, is_expected: Callable[[Arrival], bool]) -> set[str]:
        """Return the ids of the events that exist for a reader, and for which `is_expected` holds."""
        return {
            arrival.event.event_id
            for arrival in self.group.arrivals
            if arrival.timestamp_ms >= BEGIN_MS and is_expected(arrival)
        }

    def check(self) -> None:
        """Compare the marks of the checkpoint with what was delivered."""
        self._latest_ms = max(self._latest_ms, self.clock.now_ms)
        stored = self._client.get(keys.checkpoint(keys.group_key(GROUP)))
        if stored is None:
            return
        now = msgspec.json.decode(stored, type=Checkpoint)
        before, self._checkpoint = self._checkpoint or now, now
        delivered = self.delivered()

        assert 1 == max(delivered.values(), default=1)
        assert before.watermark_ms <= now.watermark_ms <= self._latest_ms
        assert before.swept_ms <= now.swept_ms <= now.watermark_ms
        on_time = self.expected(lambda it: it.timestamp_ms < now.watermark_ms and it.visible_ms <= it.timestamp_ms)
        assert set() == on_time - delivered.keys()
        assert set() == self.expected(lambda it: it.timestamp_ms < now.swept_ms and in_time(it)) - delivered.keys()
        self._check_memory(now)

    def _check_memory(self, now: Checkpoint) -> None:
        """What is remembered can be read again, save for the last commit, which the next one puts right."""
        key = keys.group_key(GROUP)
        books = {name.decode(): int(count) for name, count in self._client.hgetall(keys.books(key)).items()}
        fields = [parse(name) for name in self._client.hkeys(keys.seen(key))]

        assert all(
            field.newest_ms >= now.swept_ms or (now.deep is not None and field.newest_ms >= now.deep.from_ms)
            for field in fields
            if not field.name.split(":")[3].startswith(f"{now.sequence}.")
        )
        assert books.get("fetched", 0) == books.get("duplicates", 0) + sum(self.delivered().values())

    def _check_promptness(self) -> None:
        """In everyday life an event arrives, and is forgotten, before it is one and a half late windows old."""
        old_ms = self.clock.now_ms - self._widest_ms * 3 // 2

        assert self._checkpoint is not None
        assert old_ms <= self._checkpoint.swept_ms
        assert set() == self.expected(lambda it: it.timestamp_ms < old_ms and in_time(it)) - self.delivered().keys()

    def _reader(self) -> GroupReader:
        api = cast("LogsApi", self.group)
        return GroupReader(GROUP, self.source, api, self._queue, start_ms=BEGIN_MS, clock=self.clock)

    def _turn(self, which: int, pages: int) -> bool:
        try:
            return self.readers[which].poll(pages, lambda: True)
        except (SourceError, redis.RedisError):
            return True

    def _let_the_other_read(self) -> None:
        """Let the other reader commit between this one's page and its commit."""
        if self._reading is not None:
            other, self._reading = 1 - self._reading, None
            self._turn(other, 1)


def in_time(arrival: Arrival) -> bool:
    """Say whether an event could be seen within the late window: such events are promised."""
    return arrival.visible_ms <= arrival.timestamp_ms + LATE_MS


Step = tuple[Any, ...]
"""The name of a method of History, and its arguments."""

moments = st.one_of(st.sampled_from([0, 1, 1000, LATE_MS // 4, LATE_MS // 2, LATE_MS]), st.integers(0, LATE_MS))
lateness = st.one_of(
    st.sampled_from([0, 1, LATE_MS - 1, LATE_MS, LATE_MS, 2 * LATE_MS, -1000, -LATE_MS, -slices.AHEAD_MS]),
    st.sampled_from([LATE_MS + 1, 3 * LATE_MS, *WINDOWS_MS, 50 * LATE_MS]),
    st.integers(0, LATE_MS),
    st.integers(LATE_MS, 6 * LATE_MS),
)
readers = st.integers(0, 1)
arrivals = st.tuples(
    st.just("arrive"),
    st.integers(1, 12),
    st.sampled_from([0, 0, 1, 500, 5000]),
    lateness,
    moments,
    st.sampled_from(["", "x", "x" * 50]),
)
steps = st.one_of(
    arrivals,
    arrivals,
    st.tuples(st.just("wait"), st.one_of(moments, st.just(LATE_MS * 3))),
    st.tuples(st.just("live"), st.integers(1, 6), st.sampled_from([1, 999, LATE_MS // 5, LATE_MS // 2])),
    st.tuples(st.just("poll"), readers, st.integers(1, 6)),
    st.tuples(st.just("poll_to_the_end"), readers),
    st.tuples(st.just("crash"), readers),
    st.tuples(st.just("crash_again_and_again"), readers, st.integers(2, 20)),
    st.tuples(st.just("arrive_between_pages"), readers, st.integers(5, 25), st.sampled_from([1, LATE_MS, 2 * LATE_MS])),
    st.tuples(st.just("set_late_window"), readers, st.sampled_from(LATE_WINDOWS_MS)),
    st.tuples(
        st.just("set_clock"), st.sampled_from([0, 1000, LATE_MS, 3_600_000, 2 * slices.AHEAD_MS, -1000, -5 * LATE_MS])
    ),
    st.tuples(
        st.just("trouble"),
        st.lists(
            st.sampled_from(["none", "busy", "refused", "refused meanwhile", "repeated", "meanwhile"]), max_size=4
        ),
        st.lists(st.sampled_from(["none", "lost", "answer lost"]), max_size=3),
    ),
)
bounds = st.builds(
    Bounds,
    small_bytes=st.sampled_from([-1, 30, 64 * 1024]),
    slice_events=st.sampled_from([1, 7, 20, 1_000_000]),
    close_margin_ms=st.sampled_from([1, 1000, 10_000]),
    loaded=st.sampled_from([1, 10, 250_000]),
    stretch_ms=st.sampled_from([1, 1000, 300_000]),
    sizes=st.lists(st.integers(0, 7), max_size=4).map(lambda sizes: (*sizes, 3)),
    overlap=st.integers(0, 2),
    visible_ms=st.sampled_from([1, 1000, LATE_MS]),
    tells_ingestion=st.sampled_from([True, True, True, False]),
    sweep_window_ms=st.sampled_from(WINDOWS_MS),
    sweep_interval_ms=st.sampled_from(INTERVALS_MS),
)
switches = st.tuples(st.just("set_sweeps"), readers, st.sampled_from(WINDOWS_MS), st.sampled_from(INTERVALS_MS))


def _live(bounds: Bounds, history_steps: list[Step], client: Any, queue: Any) -> History:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "SMALL_BYTES", bounds.small_bytes)
        patch.setattr(slices, "MAX_SLICE_EVENTS", bounds.slice_events)
        patch.setattr(slices, "CLOSE_MARGIN_MS", bounds.close_margin_ms)
        patch.setattr(seen, "MAX_LOADED", bounds.loaded)
        patch.setattr(seen, "STRETCH_MS", bounds.stretch_ms)
        patch.setattr(sweeps, "VISIBLE_MS", bounds.visible_ms)
        history = History(bounds, client, queue)
        for name, *arguments in history_steps:
            getattr(history, name)(*arguments)
        history.finish()
    return history


def _assert_delivered_once(history: History) -> None:
    delivered = history.delivered()

    assert set() == history.expected(history.promised) - delivered.keys()
    assert {1} >= set(delivered.values())
    assert delivered.keys() <= history.expected(lambda _: True)


@settings(max_examples=150, deadline=None)
@given(bounds, st.lists(steps, min_size=4, max_size=40))
def test_every_event_in_time_is_delivered_once(bounds: Bounds, history_steps: list[Step]) -> None:
    """Late, early, equal, many: two readers, their crashes, lost commits and refused tokens lose and double none."""
    client = MemoryRedis()
    history = _live(bounds, history_steps, client, MemoryQueue(client))

    _assert_delivered_once(history)
    assert [] == client.hkeys(keys.seen(keys.group_key(GROUP)))


@settings(max_examples=150, deadline=None)
@given(bounds, st.lists(st.one_of(steps, steps, switches), min_size=4, max_size=40))
def test_sweeps_that_come_and_go_double_nothing(bounds: Bounds, history_steps: list[Step]) -> None:
    """An operator tries settings, on one fetcher first: what is late is found or not, but never delivered twice."""
    client = MemoryRedis()
    history = _live(bounds, history_steps, client, MemoryQueue(client))

    _assert_delivered_once(history)


@settings(max_examples=8, deadline=None)
@given(bounds, st.lists(steps, min_size=4, max_size=20))
def test_valkey_agrees_with_the_model_of_it(redis_url: str, bounds: Bounds, history_steps: list[Step]) -> None:
    """The histories above run on a stand-in of a few commands; here the same on a server."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    history = _live(bounds, history_steps, client, queues.open_queue(client, queues.RAW))

    _assert_delivered_once(history)
    assert [] == client.hkeys(keys.seen(keys.group_key(GROUP)))
    client.close()
