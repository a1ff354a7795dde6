"""The stage: read a page of one group, drop what was seen, commit the rest together with the place to go on from."""

import time
from collections.abc import Callable

import msgspec
import redis
import structlog

from services.fetcher import batches, slices
from services.fetcher.seen import SeenEvents
from shared import books, codec, keys, metrics, queues
from shared.aws.logs_api import LogsApi
from shared.errors import SourceBusy, TokenRefused
from shared.messages import Checkpoint, GroupRef, LogEvent, OpenSlice
from shared.queues import RAW, JobQueue
from shared.settings.model import Source

log = structlog.get_logger()

_checkpoints = msgspec.json.Decoder(Checkpoint)


def now_ms() -> int:
    """Return the time in milliseconds since 1970 UTC."""
    return int(time.time() * 1000)


class Superseded(Exception):
    """Somebody else committed for this group since we read its checkpoint: start again from theirs."""


class GroupReader:
    """Reads one log group. Not safe between threads; every method blocks on AWS or Redis.

    Raises what LogsApi raises, and redis.RedisError; after either, the next call starts from what Redis holds.
    """

    def __init__(
        self,
        group: GroupRef,
        source: Source,
        api: LogsApi,
        queue: JobQueue,
        *,
        start_ms: int,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.group = group
        self.key = keys.group_key(group)
        self.source = source
        self.pages = 0
        """Pages read and committed so far."""
        self._api = api
        self._queue = queue
        self._client = queue.connection
        self._start_ms = start_ms
        self._clock = clock
        self._seen = SeenEvents(self._client, self.key)
        self._stored: bytes | None = None
        self._checkpoint: Checkpoint | None = None
        self._round_ms: int | None = None
        self._tail_read = False

    def poll(self, pages: int, go_on: Callable[[], bool]) -> bool:
        """Read up to `pages` pages of a round: the tail up to the time the round began, then a sweep that is due.

        Return True while the round is not over, and early, at a page's end, when `go_on` says no.
        """
        for _ in range(pages):
            if not go_on():
                return True
            current = self._current()
            if current is None:
                self._round_ms = None
                return False
            try:
                self._read_page_or_restart(current)
            except Superseded:
                log.debug("another fetcher read this group meanwhile", group=self.group.log_group)
        return True

    def read_to_ms(self) -> int:
        """Return the watermark: every event older than this was read, unless it arrives later. 0: not known."""
        return self._checkpoint.watermark_ms if self._checkpoint else 0

    def _current(self) -> OpenSlice | None:
        """Return the slice to read from now, or None when the round is over."""
        checkpoint, now = self._loaded(), self._now()
        if self._round_ms is None or now < self._round_ms:  # a clock that was set back would have the round never end
            self._round_ms, self._tail_read = now, False
        if checkpoint.open_slice is None and self._tail_read:
            return slices.due_sweep(checkpoint, now, self.source.late_window)
        return slices.next_slice(checkpoint, now, self.source.late_window, self._seen.remembered_bytes)

    def _read_page_or_restart(self, current: OpenSlice) -> None:
        try:
            self._read_page(current)
        except TokenRefused as refused:
            log.warning("a page token is no longer taken, reading the slice again", why=str(refused))
            self._commit(slices.restarted(self._loaded()), [], 0)
            raise  # to be backed off from: the next token may fare no better

    def _read_page(self, current: OpenSlice) -> None:
        page = self._api.page(self.group.log_group, current.from_ms, current.to_ms, current.token)
        if page.token and page.token == current.token:
            raise SourceBusy(f"group {self.group.log_group}: AWS returned the page token it was given, reading again")
        fresh = self._seen.unseen(page.events)
        now, late_window = self._now(), self.source.late_window
        after = slices.advance(self._loaded(), current, page.events, page.token, now, late_window)
        after = slices.measured(after, [event for event, _ in fresh], now, late_window)
        self._commit(after, fresh, len(page.events))
        self.pages += 1
        if not page.token and not current.is_sweep and current.started_ms >= (self._round_ms or 0):
            self._tail_read = True

    def _commit(self, after: Checkpoint, fresh: list[tuple[LogEvent, int]], fetched: int) -> None:
        """Write batches, jobs, remembered ids, books and checkpoint in one transaction.

        Raises Superseded, with nothing written, when the checkpoint is no longer the one we started from.
        """
        made = [
            batches.batch(self.key, self.group, self.source.name, after.sequence, number, events)
            for number, events in enumerate(batches.split([event for event, _ in fresh]))
        ]
        payloads = [codec.encode(one) for one in made]
        stored = msgspec.json.encode(after)
        place = keys.checkpoint(self.key)
        expected, self._checkpoint = self._stored, None  # whatever goes wrong below, the next call loads it anew
        with self._client.pipeline() as pipe:
            pipe.watch(place)  # type: ignore[no-untyped-call]
            if pipe.get(place) != expected:
                raise Superseded
            pipe.multi()
            for one, payload in zip(made, payloads, strict=True):
                queues.put(pipe, self._queue, RAW, one.batch_id, payload, batches.facts(self.key, one))
            additions = self._seen.add(pipe, fresh, after.sequence)
            pruned = self._seen.prune(pipe, after.swept_ms)
            books.record(pipe, self.key, {"fetched": fetched, "duplicates": fetched - len(fresh)})
            pipe.set(place, stored)
            try:
                pipe.execute()
            except redis.WatchError:
                raise Superseded from None
        self._seen.committed(additions, pruned)
        metrics.EVENTS_FETCHED.inc(fetched)
        metrics.EVENTS_DUPLICATE.inc(fetched - len(fresh))
        self._checkpoint, self._stored = after, stored

    def _now(self) -> int:
        """Return the time by AWS's clock, as far as it is known: by a faster one, late events would pass for swept."""
        return self._clock() - self._api.ahead_ms

    def _loaded(self) -> Checkpoint:
        """Return the checkpoint, read from Redis if the one in memory may not be the last."""
        if self._checkpoint is None:
            stored = self._client.get(keys.checkpoint(self.key))
            self._stored = stored if isinstance(stored, bytes) else None
            self._seen.reload()
            self._checkpoint = (
                _checkpoints.decode(self._stored)
                if self._stored is not None
                else slices.begin(self._start_ms, self._now())
            )
        return self._checkpoint
