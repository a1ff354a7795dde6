"""A fetcher at work in the test's own process: one reader by hand, or the whole schedule on a thread."""

import threading
from collections import Counter, deque
from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
import pytest
import redis

from services.fetcher import patience
from services.fetcher.budget import ByteBudget
from services.fetcher.discovery_task import DiscoveryTask
from services.fetcher.fetch import GroupReader, now_ms
from services.fetcher.fetching import Fetching
from services.fetcher.leases import Leases
from services.fetcher.schedule import Schedule
from shared import books, codec, keys, queues
from shared.aws.limiter import Limiter
from shared.aws.logs_api import LogsApi
from shared.aws.sessions import SourceSession
from shared.messages import Checkpoint, GroupRef, LogEvent, RawBatch
from shared.settings.model import Source
from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_contents import Paging
from tests.standins.cloudwatch_groups import Groups

ACCOUNT = "123456789012"
REGION = "eu-west-1"

CommitTrouble = Literal["none", "lost", "answer lost", "superseded"]


def emptied(aws: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    """Return a stand-in that other tests used, as new; with credentials for it, and failures that are soon over."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.02)
    monkeypatch.setattr(patience, "FIRST_LASTING_SECONDS", 0.02)
    monkeypatch.setattr(patience, "LONGEST_LASTING_SECONDS", 0.1)
    aws.recover()
    aws.throttle("FilterLogEvents", None)
    aws.throttle("DescribeLogGroups", None)
    aws.calls.clear()
    aws.groups = Groups()
    aws.paging = Paging()
    aws.group_paging = {}
    aws.now_ms = now_ms
    return aws


def a_source(aws: CloudWatch, *log_groups: str, **changes: Any) -> Source:
    """Return a source that reads from the stand-in, everything there is, and looks again and again."""
    fields: dict[str, Any] = {
        "name": "s",
        "regions": (REGION,),
        "log_groups": log_groups or ("/app",),
        "endpoint_url": aws.endpoint_url,
        "sts_endpoint_url": aws.endpoint_url,
        "only_logs_after": "2000-01-01",
        "poll_interval": 20,
        "discovery_interval": 50,
    }
    return Source(**(fields | changes))


def an_api(source: Source, region: str = REGION, limiter: Limiter | None = None) -> LogsApi:
    """Return the way to a region, by a session that sources of the same credentials share: making one takes long."""
    session = _session(msgspec.structs.replace(source, name="", log_groups=()))
    return LogsApi(session, source.name, region, _count, limiter)


def a_reader(
    aws: CloudWatch,
    client: redis.Redis,
    log_group: str = "/app",
    *,
    start_ms: int = 0,
    clock: Callable[[], int] | None = None,
    **changes: Any,
) -> GroupReader:
    """Return the reader of one group, by the stand-in's clock if no other is given."""
    source = a_source(aws, log_group, **changes)
    queue = queues.open_queue(client, queues.RAW)
    group = GroupRef(account_id=ACCOUNT, region=REGION, log_group=log_group)
    return GroupReader(group, source, an_api(source), queue, start_ms=start_ms, clock=clock or aws.now_ms)


def read(reader: GroupReader) -> None:
    """Let a reader read until its round is over."""
    while reader.poll(8, lambda: True):
        pass


class AtWork:
    """Fetches on a thread of its own, from `with` on; `once`: `join` waits for the end, else the end of `with` stops it."""

    def __init__(
        self,
        client: redis.Redis,
        *sources: Source,
        once: bool = False,
        queued_bytes: int = 1 << 30,
        threads: int = 4,
        limiter: Limiter | None = None,
        leases: Leases | None = None,
    ) -> None:
        self.stop = threading.Event()
        self.schedule = Schedule(threads, self.stop)
        budget = ByteBudget(client, queued_bytes)
        queue = queues.open_queue(client, queues.RAW)
        self.fetching = Fetching(queue, budget, self.schedule, self.stop, once=once, leases=leases)
        if leases is not None:
            leases.changed = self.fetching.settle
        for rank, source in enumerate(sources):
            for region in source.regions:
                self.schedule.add(DiscoveryTask(self.fetching, rank, source, an_api(source, region, limiter)))
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    @property
    def faults(self) -> dict[str, str]:
        return dict(self.fetching.faults)

    def join(self) -> Self:
        """Wait until everything is read, and raise what the schedule raised."""
        self._thread.join(30)
        assert not self._thread.is_alive(), "still reading"
        if self._error is not None:
            raise self._error
        return self

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None and self.fetching.once:
            self.join()
        self.stop.set()
        self._thread.join(30)
        if error is None:
            self.join()

    def _run(self) -> None:
        try:
            self.schedule.run()
        except BaseException as error:  # noqa: BLE001 - raised by join()
            self._error = error


def read_once(client: redis.Redis, *sources: Source) -> dict[str, str]:
    """Read everything there is, as `--once` does; return what could not be read, and why."""
    with AtWork(client, *sources, once=True) as work:
        pass
    return work.faults


def batches(client: redis.Redis) -> list[RawBatch]:
    """Return the batches on the queue, in the order in which they were committed."""
    found = [client.get(key) for key in client.scan_iter(match=keys.payload("raw", "*"), count=1000)]
    made = [codec.decode(RawBatch, payload) for payload in found if isinstance(payload, bytes)]
    return sorted(made, key=lambda batch: [int(part.strip("b")) for part in batch.batch_id.split("-")[1:3]])


def events(client: redis.Redis, log_group: str = "") -> list[LogEvent]:
    """Return the events queued, of one group if it is named."""
    return [event for batch in batches(client) if log_group in ("", batch.group.log_group) for event in batch.events]


def messages(client: redis.Redis, log_group: str = "") -> list[str]:
    """Return what the queued events say, sorted."""
    return sorted(event.message for event in events(client, log_group))


def twice(client: redis.Redis) -> set[str]:
    """Return the ids that were queued more than once."""
    return {event_id for event_id, times in Counter(event.event_id for event in events(client)).items() if times > 1}


def checkpoint(client: redis.Redis, group_key: str) -> Checkpoint:
    """Return the checkpoint of a group that has one."""
    return msgspec.json.decode(client.get(keys.checkpoint(group_key)), type=Checkpoint)  # type: ignore[arg-type]


def state(client: redis.Redis, log_group: str) -> books.GroupState:
    """Return what was last said of a group."""
    found = [state for state, _ in books.read(client).values() if state.group.log_group == log_group]
    return found[-1]


def account(client: redis.Redis) -> books.Account:
    """Return the books of all groups together, also of those whose reader runs without a task."""
    rows = [client.hgetall(key) for key in client.scan_iter(match=keys.books("*"))]
    entries = [{name.decode(): int(count) for name, count in row.items()} for row in rows]  # type: ignore[union-attr]
    return sum((books.Account(**entry) for entry in entries), books.Account())


def trouble_commits(client: Any, troubles: deque[CommitTrouble]) -> None:
    """Let transactions fail before or after they were carried out, as `troubles` says, one after the other."""
    make = client.pipeline

    def pipeline(*arguments: Any, **named: Any) -> Any:
        pipe = make(*arguments, **named)
        execute = pipe.execute

        def troubled(*arguments: Any, **named: Any) -> Any:
            trouble = troubles.popleft() if troubles else "none"
            if trouble == "lost":
                raise redis.ConnectionError("lost before it got there")
            if trouble == "superseded":
                raise redis.WatchError("Watched variable changed.")
            answer = execute(*arguments, **named)
            if trouble == "answer lost":
                raise redis.ConnectionError("lost on the way back")
            return answer

        pipe.execute = troubled
        return pipe

    client.pipeline = pipeline


@cache
def _session(source: Source) -> SourceSession:
    return SourceSession(source)


def _count(operation: str) -> None:
    """Count nothing."""
