"""The stage: read a page of one group, drop what was seen, commit the rest together with the place to go on from.

What is read next, slices.py and sweeps.py say; commit.py writes what was read.
"""

import time
from collections.abc import Callable

import structlog
from msgspec.structs import replace

from services.fetcher import lateness, slices, sweeps
from services.fetcher.batches import Gathered
from services.fetcher.commit import Committer, Superseded
from services.fetcher.prefetch import PagesAhead, Permit
from shared import digests, keys
from shared.aws.logs_api import LogsApi
from shared.aws.pages import Page
from shared.errors import SourceBusy, SourceError, TokenRefused
from shared.event_columns import EventColumns
from shared.messages import Checkpoint, GroupRef, OpenSlice
from shared.queues import JobQueue
from shared.settings.model import Source

log = structlog.get_logger()


def now_ms() -> int:
    """Return the time in milliseconds since 1970 UTC."""
    return int(time.time() * 1000)


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
        self._start_ms = start_ms
        self._clock = clock
        self._ahead = PagesAhead(self._fetched)
        self._state = Committer(group, source.name, queue, start_ms=start_ms, audit_window_ms=audit_window_ms)
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
        checkpoint = self._state.checkpoint
        return checkpoint.watermark_ms if checkpoint else 0

    def unread_ms(self) -> int:
        """Return a time before which nothing is unread, unless it arrives later. 0: not known."""
        checkpoint = self._state.checkpoint
        return slices.unread_ms(checkpoint) if checkpoint else 0

    def lateness_ms(self) -> int:
        """Return the longest time from timestamp to ingestion seen lately."""
        checkpoint = self._state.checkpoint
        return lateness.latest(checkpoint) if checkpoint else 0

    def is_sweeping(self) -> bool:
        """Say whether a deep sweep is under way."""
        checkpoint = self._state.checkpoint
        deep = checkpoint.deep if checkpoint else None
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
        return slices.next_slice(checkpoint, now, late_window, self._state.seen.bytes_from(checkpoint.swept_ms))

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
                after = sweeps.restarted(checkpoint) if current.is_deep else slices.restarted(checkpoint)
                self._state.commit(after, EventColumns([]), 0, self._now())
            raise  # to be backed off from: the next token may fare no better

    def _read_page(self, current: OpenSlice) -> None:
        """Read a page, and while they are old and make one batch those behind it, and commit them together."""
        page = self._ahead.page(current)
        before, now = self._loaded(), self._now()
        events = EventColumns(page.events)
        after = self._advanced(sweeps.arranged(before, current, now, self.source), current, events, page.token, now)
        gathered = Gathered(events)
        if current.is_deep:
            events = events.where([not sweeps.is_certain(before, event) for event in page.events])
        else:
            page, after = self._gather(gathered, page, after, now)
            events = gathered.events()
        fresh = self._state.seen.unseen(events)
        # Commits are counted, not pages; a batch is named by that.
        after = self._measured(replace(after, sequence=before.sequence + 1), current, fresh, now)
        self._state.commit(after, fresh, gathered.count, self._now())
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
            page, events = behind, EventColumns(behind.events)
            gathered.add(events)
            after = self._advanced(after, following, events, page.token, self._now())
            following = self._ahead.start(after.open_slice)
        return page, after

    def _advanced(
        self, checkpoint: Checkpoint, current: OpenSlice, events: EventColumns, token: str | None, now: int
    ) -> Checkpoint:
        times_ms = events.times_ms
        if current.is_deep:
            return sweeps.advance(checkpoint, current, times_ms, token, now, self.source)
        late_window = sweeps.late_window(checkpoint, self.source)
        return slices.advance(checkpoint, current, times_ms, token, now, late_window)

    def _measured(self, checkpoint: Checkpoint, current: OpenSlice, fresh: EventColumns, now: int) -> Checkpoint:
        source, late_ms = self.source, fresh.late_ms
        checkpoint = lateness.noted(checkpoint, late_ms, now, max(source.sweep_interval, source.late_window))
        # What only a deep sweep could find is no reason for the tail to read further back.
        return slices.measured(checkpoint, [] if current.is_deep else late_ms, now, source.late_window)

    def _now(self) -> int:
        """Return the time by AWS's clock, as far as it is known: by a faster one, late events would pass for swept."""
        return self._clock() - self._api.ahead_ms

    def _loaded(self) -> Checkpoint:
        """Return the checkpoint, read from Redis if the one in memory may not be the last."""
        if self._state.checkpoint is None:
            self._state.checkpoint = self._state.load() or slices.begin(self._start_ms, self._now())
        return self._state.checkpoint
