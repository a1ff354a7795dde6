"""The stage: read a page of one group, drop what was seen, commit the rest together with the place to go on from."""

import time
from collections.abc import Callable
from functools import partial

import msgspec
import redis
import structlog
from msgspec.structs import replace

from services.fetcher import batches, lateness, slices, sweeps
from services.fetcher.batches import Gathered
from services.fetcher.prefetch import PagesAhead, Permit
from services.fetcher.seen import SeenEvents
from shared import books, codec, digests, keys, metrics, queues
from shared.aws.logs_api import LogsApi
from shared.aws.pages import Page
from shared.errors import SourceBusy, SourceError, TokenRefused
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
        audit_window_ms: int = digests.DEFAULT_WINDOW_MS,
    ) -> None:
        self.group = group
        self.key = keys.group_key(group)
        self.source = source
        self.pages = 0
        """Pages read and committed so far."""
        self.brought = 0
        """Events committed so far that had not been read before."""
        self._api = api
        self._queue = queue
        self._client = queue.connection
        self._start_ms = start_ms
        self._clock = clock
        self._ahead = PagesAhead(self._fetched)
        self._seen = SeenEvents(self._client, self.key)
        self._digests = digests.Keeper(self._client, self.key, audit_window_ms)
        self._stored: bytes | None = None
        self._checkpoint: Checkpoint | None = None
        self._round_ms: int | None = None
        self._tail_read = False
        self._deep_pages = 0
        self._deep_read = False

    def poll(
        self,
        pages: int,
        go_on: Callable[[], bool],
        *,
        once: bool = False,
        permit: Permit | None = None,
    ) -> bool:
        """Read up to `pages` pages of a round: the tail up to the time the round began, then a sweep that is due, then a few
        pages of a deep sweep; with `once`, for there will be no other round, all of it.

        Return True while the round is not over, and early, at a page's end, when `go_on` says no. With `permit`, which is asked
        before each call to AWS, a page may be fetched while those before it are committed, and old ones are committed
        together; refused, a deep sweep ends the round.
        """
        self._ahead.begin(pages, go_on, permit)
        try:
            while self._ahead.may_go_on():
                current = self._current(once=once)
                if current is None or not self._ahead.is_permitted(current):
                    is_over = current is None or current.is_deep
                    self._round_ms = None if is_over else self._round_ms
                    return not is_over
                try:
                    self._read_page_or_restart(current)
                except Superseded:
                    log.debug("another fetcher read this group meanwhile", group=self.group.log_group)
            return True
        finally:
            self._ahead.end()

    def load(self) -> None:
        """Read from Redis how far the group was read, unless it is known; for those who ask before anything is read."""
        self._loaded()

    def read_to_ms(self) -> int:
        """Return the watermark: every event older than this was read, unless it arrives later. 0: not known."""
        return self._checkpoint.watermark_ms if self._checkpoint else 0

    def unread_ms(self) -> int:
        """Return a time before which nothing is unread, unless it arrives later. 0: not known."""
        return slices.unread_ms(self._checkpoint) if self._checkpoint else 0

    def lateness_ms(self) -> int:
        """Return the longest time from timestamp to ingestion seen lately."""
        return lateness.latest(self._checkpoint) if self._checkpoint else 0

    def is_sweeping(self) -> bool:
        """Say whether a deep sweep is under way."""
        deep = self._checkpoint.deep if self._checkpoint else None
        return deep is not None and deep.open_slice is not None

    def _fetched(self, current: OpenSlice) -> Page:
        page = self._api.page(self.group.log_group, current.from_ms, current.to_ms, current.token)
        if page.token and page.token == current.token:
            raise SourceBusy(f"group {self.group.log_group}: AWS returned the page token it was given, reading again")
        return page

    def _current(self, *, once: bool) -> OpenSlice | None:
        """Return the slice to read from now, or None when the round is over."""
        checkpoint, now = self._loaded(), self._now()
        if self._round_ms is None or now < self._round_ms:  # a clock that was set back would have the round never end
            self._round_ms, self._tail_read, self._deep_pages, self._deep_read = now, False, 0, False
        late_window = sweeps.late_window(checkpoint, self.source)
        if checkpoint.open_slice is None and self._tail_read:
            return slices.due_sweep(checkpoint, now, late_window) or self._deep(checkpoint, now, once=once)
        return slices.next_slice(checkpoint, now, late_window, self._seen.bytes_from(checkpoint.swept_ms))

    def _deep(self, checkpoint: Checkpoint, now: int, *, once: bool) -> OpenSlice | None:
        """Return the deep sweep to read from now, if one is due and this round may read more of it."""
        if self._deep_read:
            return None
        deep = sweeps.due(checkpoint, now, self.source)
        if deep is None or once or self._deep_pages < sweeps.pages_a_round(deep, now, self.source):
            return deep
        return None

    def _read_page_or_restart(self, current: OpenSlice) -> None:
        try:
            self._read_page(current)
        except SourceError as error:
            if current.is_deep:
                self._round_ms = None  # the tail does not wait until a deep sweep can be read again
            if isinstance(error, TokenRefused):
                log.warning(
                    "a page token is no longer taken, reading the slice again",
                    group=self.group.log_group,
                    why=str(error),
                )
                checkpoint = self._loaded()
                self._commit(sweeps.restarted(checkpoint) if current.is_deep else slices.restarted(checkpoint), [], 0)
            raise  # to be backed off from: the next token may fare no better

    def _read_page(self, current: OpenSlice) -> None:
        """Read a page, and while they are old and make one batch those behind it, and commit them together."""
        page = self._ahead.page(current)
        before, now = self._loaded(), self._now()
        after = self._advanced(sweeps.arranged(before, current, now, self.source), current, page, now)
        gathered = Gathered(page.events)
        if current.is_deep:
            fresh = self._seen.unseen([event for event in page.events if not sweeps.is_certain(before, event)])
        else:
            page, after = self._gather(gathered, page, after, now)
            fresh = self._seen.unseen(gathered.events)
        # Commits are counted, not pages; a batch is named by that.
        after = replace(after, sequence=before.sequence + 1)
        after = self._measured(after, current, [event for event, _ in fresh], now)
        self._commit(after, fresh, len(gathered.events))
        self.pages, self.brought = self.pages + gathered.pages, self.brought + len(fresh)
        if current.is_deep:
            self._deep_pages, self._deep_read = self._deep_pages + 1, not page.token
        elif not page.token and not current.is_sweep and current.started_ms >= (self._round_ms or 0):
            self._tail_read = True

    def _gather(self, gathered: Gathered, page: Page, after: Checkpoint, now: int) -> tuple[Page, Checkpoint]:
        """Add the pages behind `page` that belong to one commit with it. Return the last, and the checkpoint after it.

        The one behind that is being fetched then, if it may be.
        """
        following = self._ahead.start(after.open_slice)
        while following is not None and gathered.has_room(now):
            behind = self._ahead.started()
            if behind is None:
                break  # what was read is committed, and then the error is met
            page = behind
            gathered.add(page.events)
            after = self._advanced(after, following, page, self._now())
            following = self._ahead.start(after.open_slice)
        return page, after

    def _advanced(self, checkpoint: Checkpoint, current: OpenSlice, page: Page, now: int) -> Checkpoint:
        if current.is_deep:
            return sweeps.advance(checkpoint, current, page.events, page.token, now, self.source)
        late_window = sweeps.late_window(checkpoint, self.source)
        return slices.advance(checkpoint, current, page.events, page.token, now, late_window)

    def _measured(self, checkpoint: Checkpoint, current: OpenSlice, fresh: list[LogEvent], now: int) -> Checkpoint:
        source = self.source
        checkpoint = lateness.noted(checkpoint, fresh, now, max(source.sweep_interval, source.late_window))
        # What only a deep sweep could find is no reason for the tail to read further back.
        return slices.measured(checkpoint, [] if current.is_deep else fresh, now, source.late_window)

    def _commit(self, after: Checkpoint, fresh: list[tuple[LogEvent, int]], fetched: int) -> None:
        """Write batches, jobs, remembered ids, books and checkpoint in one transaction.

        Raises Superseded, with nothing written, when the checkpoint is no longer the one we started from.
        """
        made = [
            batches.batch(self.key, self.group, self.source.name, after.sequence, number, events)
            for number, events in enumerate(batches.split([event for event, _ in fresh]))
        ]
        payloads = [codec.encode(one) for one in made]
        told = [batches.facts(self.key, one) for one in made]
        stored = msgspec.json.encode(after)
        place = keys.checkpoint(self.key)
        expected, self._checkpoint = self._stored, None  # whatever goes wrong below, the next call loads it anew
        with self._client.pipeline() as pipe:
            pipe.watch(place)  # type: ignore[no-untyped-call]
            if pipe.get(place) != expected:
                raise Superseded
            pipe.multi()
            for one, payload, each in zip(made, payloads, told, strict=True):
                queues.put(pipe, self._queue, RAW, one.batch_id, payload, each)
            additions = self._seen.add(pipe, fresh, after.sequence, partial(sweeps.is_needed, after))
            pruned = self._seen.prune(pipe, after.swept_ms, partial(sweeps.is_needed, after))
            books.record(pipe, self.key, {"fetched": fetched, "duplicates": fetched - len(fresh)})
            self._digests.record(pipe, fresh, after.sequence, self._start_ms, self._now())
            pipe.set(place, stored)
            try:
                pipe.execute()
            except redis.WatchError:
                raise Superseded from None
        self._seen.committed(additions, pruned)
        metrics.EVENTS_FETCHED.inc(fetched)
        metrics.EVENTS_DUPLICATE.inc(fetched - len(fresh))
        metrics.BYTES_FETCHED.labels(*metrics.of_group(self.group)).inc(sum(each["bytes"] for each in told))
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
                self._decoded(self._stored) if self._stored is not None else slices.begin(self._start_ms, self._now())
            )
        return self._checkpoint

    def _decoded(self, stored: bytes) -> Checkpoint:
        try:
            return _checkpoints.decode(stored)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SourceError(
                f"{keys.checkpoint(self.key)} in Redis, of {self.group.log_group}, is no checkpoint of this release "
                f"({error}), it is left as it is: run the newer release everywhere"
            ) from None
