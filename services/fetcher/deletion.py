"""delete_log_streams: a stream is deleted at AWS once all of it was delivered. This cannot be undone, so any doubt keeps it.

A stream goes only when all of this holds, looked at anew for each:

- AWS last took an event for it longer ago than sweep_window, and than a day;
- its events, every one of them read again here, lie behind both marks of the group and not before the start of its
  reading, and are known by their times to have been read (sweeps.is_certain);
- nothing of the group is under way, and none of its events is a dead letter;
- DescribeLogStreams, asked once more right before, says the same of it as at first.

What AWS says of a stream's times may be hours old: that is why the events themselves are asked.
"""

import threading
from collections.abc import Callable, Iterator
from time import monotonic

import msgspec
import redis
import structlog

from services.fetcher import chosen, slices, sweeps
from services.fetcher.fetch import now_ms
from shared import books, digests, keys, metrics
from shared.aws.logs_api import FoundStream, LogsApi
from shared.errors import CwpipeError, SourceError, SourceMissing
from shared.messages import Checkpoint, GroupRef, LogEvent
from shared.queues import ENRICHED, RAW
from shared.remembered import ingested
from shared.settings.model import Source

DAY_MS = 86_400_000
#: Time between two searches for streams of one group.
EVERY_SECONDS = 3600.0
#: While something of the group is under way, a look at whether it still is.
UNDER_WAY_SECONDS = 30.0
UNDER_WAY_TRIES = 20
#: Streams in a row before another task gets the thread.
STREAMS_A_TURN = 4
#: What is longer is not read again to be deleted: a gigabyte or so.
MAX_PAGES = 1000

log = structlog.get_logger()


class DeletionTask:
    """Looks for the streams of one group that are done with. On the schedule, once it is due, until it has seen them all."""

    def __init__(
        self,
        client: redis.Redis,
        group: GroupRef,
        source: Source,
        api: LogsApi,
        *,
        once: bool,
        stop: threading.Event,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._client = client
        self._group = group
        self._key = keys.group_key(group)
        self._source = source
        self._api = api
        self._tries = 1 if once else UNDER_WAY_TRIES
        self._stop = stop
        self._clock = clock
        self._began: float | None = None
        self._tries_left = 0
        self._streams: Iterator[FoundStream] | None = None
        self._is_active = False
        self._retired = False

    def is_due(self) -> bool:
        """Say whether to look for streams now; from then on it is not, for an hour, and until that look is over."""
        if self._retired or self._is_active or (self._began is not None and monotonic() - self._began < EVERY_SECONDS):
            return False
        self._began, self._tries_left, self._is_active = monotonic(), self._tries, True
        return True

    def retire(self) -> None:
        """Delete nothing any more."""
        self._retired = True

    def __call__(self) -> float | None:
        delay = self._told_turn()
        if delay is None:
            self._streams, self._is_active = None, False
        return delay

    def _told_turn(self) -> float | None:
        try:
            return self._turn()
        except SourceError as error:
            log.error("log streams are not deleted", group=self._group.log_group, why=str(error))
        except redis.RedisError as error:
            log.warning("log streams are not deleted, Redis is away", group=self._group.log_group, error=str(error))
        except Exception:  # a fault of ours here must not stop the reading
            log.exception("unexpected error, log streams are not deleted", group=self._group.log_group)
        return None

    def _turn(self) -> float | None:
        """Look at a few streams; return the seconds until the next few, or None when it is over for this time."""
        checkpoint = self._checkpoint()
        if checkpoint is None:
            return None
        if not is_settled(self._client, self._key):
            self._tries_left -= 1
            return UNDER_WAY_SECONDS if self._tries_left > 0 else None
        if self._streams is None:
            self._streams = self._quiet(self._api.streams(self._group.log_group, self._source.log_stream_prefix))
        for _ in range(STREAMS_A_TURN):
            stream = next(self._streams, None)
            if stream is None or self._is_over():
                return None
            self._consider(stream, checkpoint)
        return 0.0

    def _consider(self, stream: FoundStream, checkpoint: Checkpoint) -> None:
        try:
            self._require(self._may_go(stream, checkpoint), "its times leave a doubt")
            self._require_read(stream, checkpoint)
            self._require(self._is_unchanged(stream), "it changed meanwhile")
            self._require(is_settled(self._client, self._key), "something of the group is under way again")
            self._require(not self._is_over(), "reading ends")
            self._api.delete_stream(self._group.log_group, stream.name)
        except (_Doubt, SourceMissing) as doubt:  # missing: another fetcher deleted it, or somebody
            log.debug("log stream kept", group=self._group.log_group, stream=stream.name, why=str(doubt))
            return
        metrics.STREAMS_DELETED.inc()
        log.info(
            "log stream deleted, all of it was delivered",
            group=self._group.log_group,
            region=self._group.region,
            stream=stream.name,
            last_event_ms=stream.last_ms,
        )
        with self._client.pipeline() as pipe:
            books.record(pipe, self._key, {"streams_deleted": 1})
            pipe.execute()

    def _quiet(self, streams: Iterator[FoundStream]) -> Iterator[FoundStream]:
        """Yield those that have been quiet for long; without a prefix, the first that has not been ends them."""
        for stream in streams:
            if is_quiet(stream, self._source, self._now()):
                yield stream
            elif stream.last_ms > self._now() - quiet_ms(self._source) and not self._source.log_stream_prefix:
                return

    def _may_go(self, stream: FoundStream, checkpoint: Checkpoint) -> bool:
        """Say whether what AWS tells of a stream speaks for its being read; the events themselves decide."""
        marks = min(checkpoint.watermark_ms, checkpoint.swept_ms)
        return (
            is_quiet(stream, self._source, self._now())
            and self._begin_ms() <= stream.first_ms <= stream.last_ms < marks
        )

    def _require_read(self, stream: FoundStream, checkpoint: Checkpoint) -> None:
        """Read the stream again. Raises _Doubt at the first event that is not known to have been read by now."""
        begin_ms, until_ms = self._begin_ms(), self._now() - quiet_ms(self._source)
        marks = min(checkpoint.watermark_ms, checkpoint.swept_ms)
        count = 0
        for event in self._events(stream):
            count += 1
            self._require(event.log_stream == stream.name, "AWS answered with another stream")
            self._require(begin_ms <= event.timestamp_ms < marks, "it holds events that were not read")
            self._require(ingested(event) < until_ms, "it holds events that arrived lately")
            late_ms = ingested(event) - event.timestamp_ms + sweeps.VISIBLE_MS
            self._require(late_ms <= self._source.sweep_window, "it holds events later than sweep_window")
            self._require(sweeps.is_certain(checkpoint, event), "it holds events that a deep sweep may still find")
        self._require(count > 0, "it holds nothing any more")

    def _events(self, stream: FoundStream) -> Iterator[LogEvent]:
        """Yield every event of a stream."""
        token, to_ms = (
            "",
            max(self._now() + slices.AHEAD_MS, stream.last_ms),
        )  # one for all pages: a token is bound to it
        for _ in range(MAX_PAGES):
            self._require(not self._is_over(), "reading ends")
            page = self._api.stream_page(self._group.log_group, stream.name, 0, to_ms, token)
            yield from page.events
            if not page.token:
                return
            self._require(page.token != token, "AWS returned the page token it was given")
            token = page.token
        raise _Doubt("it is too long to be read again")

    def _is_unchanged(self, stream: FoundStream) -> bool:
        again = (one for one in self._api.streams(self._group.log_group, stream.name) if one.name == stream.name)
        return next(again, None) == stream

    def _begin_ms(self) -> int:
        """Return where reading of the group began, and of all that the settings choose now: earlier was never read."""
        mark = digests.read_mark(self._client, self._key)
        choice = chosen.read(self._client, self._key)
        if mark is None or choice is None:
            raise _Doubt("it is not known where reading began")
        return max(mark.from_ms, choice.since_ms)

    def _checkpoint(self) -> Checkpoint | None:
        """Return how far the group was read; None: too little to delete anything."""
        stored = self._client.get(keys.checkpoint(self._key))
        if not isinstance(stored, bytes) or not sweeps.is_on(self._source):
            return None
        checkpoint = msgspec.json.decode(stored, type=Checkpoint)
        return checkpoint if checkpoint.deep is not None else None

    def _is_over(self) -> bool:
        return self._retired or self._stop.is_set()

    def _now(self) -> int:
        return self._clock() - self._api.ahead_ms

    def _require(self, holds: bool, why: str) -> None:
        if not holds:
            raise _Doubt(why)


class _Doubt(CwpipeError):
    """Why a stream is kept."""


def quiet_ms(source: Source) -> int:
    """Return how long nothing may have come for a stream before it is deleted."""
    return max(source.sweep_window, DAY_MS)


def is_quiet(stream: FoundStream, source: Source, now: int) -> bool:
    """Say whether a stream has events, the last of which came long ago."""
    before_ms = now - quiet_ms(source)
    return stream.first_ms > 0 and 0 < stream.last_ms < before_ms and 0 < stream.last_ingestion_ms < before_ms


def is_settled(client: redis.Redis, group_key: str) -> bool:
    """Say whether every event read of a group was delivered, or discarded by a rule. Blocks on Redis.

    No batch of it is on a queue, no dead letter waits for an operator, and the books say the same before and after.
    """
    before: dict[bytes, bytes] = client.hgetall(keys.books(group_key))  # type: ignore[assignment]  # as in shared/books.py
    if books.Account(**{name.decode(): int(count) for name, count in before.items()}).in_flight != 0:
        return False
    batches = f"{group_key}-*"
    for route in (RAW, ENRICHED):
        if next(client.zscan_iter(keys.outstanding(route.queue), match=batches, count=1000), None) is not None:
            return False
    if next(client.hscan_iter(keys.DEAD_LETTERS, match=batches, count=1000), None) is not None:
        return False
    return client.hgetall(keys.books(group_key)) == before
