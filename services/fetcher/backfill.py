"""The stage of a backfill: read a page of a group's past, commit it beside the tail, under a state of its own."""

import time
from collections.abc import Callable

import msgspec
import redis
import structlog
from msgspec.structs import replace
from redis.client import Pipeline

from services.fetcher import backfill_digests, backfill_steps, batches
from services.fetcher.backfill_steps import Ids, Moved
from shared import backfills, books, digests, keys, metrics, queues
from shared.aws.logs_api import LogsApi
from shared.aws.pages import Page
from shared.backfills import Stored
from shared.errors import SourceBusy, TokenRefused
from shared.event_columns import EventColumns
from shared.messages import Backfill, Backfills, GroupRef
from shared.queues import RAW, JobQueue
from shared.settings.model import Source

log = structlog.get_logger()


class Interrupted(Exception):
    """The state changed while a page was read: another fetcher is at it, or somebody asked for something."""


class BackfillReader:
    """Reads what was asked for of one group. Not safe between threads; every method blocks on AWS or Redis.

    Raises what LogsApi raises, Interrupted, and redis.RedisError; after each, the next call starts from what Redis holds.
    """

    def __init__(
        self,
        group: GroupRef,
        source: Source,
        api: LogsApi,
        queue: JobQueue,
        *,
        audit_window_ms: int = digests.DEFAULT_WINDOW_MS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.group = group
        self.key = keys.group_key(group)
        self._batches = batches.Maker(group, source.name, backfill=True)
        self._api = api
        self._queue = queue
        self._client: redis.Redis = queue.connection
        self._audit_window_ms = audit_window_ms
        self._clock = clock

    def is_wanted(self) -> bool:
        """Say whether there is something to read."""
        return backfills.active(backfills.read(self._client, self.key).state) is not None

    def read_page(self) -> bool:
        """Read and commit one page; False: there is nothing to read."""
        stored = backfills.read(self._client, self.key)
        asked = backfills.active(stored.state)
        if asked is None:
            return False
        one = backfill_steps.begun(asked, self._now())
        try:
            page = self._page(one)
        except TokenRefused as error:
            log.warning(
                "a page token of a backfill is no longer taken, going on from the newest event",
                group=self.group.log_group,
                backfill=one.backfill_id,
                why=str(error),
            )
            self._restart(stored, one)
            raise
        events = EventColumns(page.events)
        fresh = backfill_steps.unseen(events, stored.ids)
        moved = backfill_steps.advance(stored.state, one, events, fresh, page.token, stored.ids, self._now())
        self._commit(stored, backfill_steps.current(one).again, moved, fresh, len(events))
        if moved.one.state == "done":
            log.info("backfill is done", group=self.group.log_group, backfill=one.backfill_id, events=moved.one.events)
        return True

    def note_fault(self, why: str) -> None:
        """Note why the backfill cannot be read now."""

        def noted(state: Backfills) -> Backfills:
            one = backfills.active(state)
            return backfills.replaced(state, replace(one, fault=why)) if one else state

        backfills.change(self._client, self.key, noted)

    def _page(self, one: Backfill) -> Page:
        """Call AWS: the one place of backfills that does, below the tail in priority."""
        part = backfill_steps.current(one)
        page = self._api.page(self.group.log_group, one.begin_ms, part.to_ms, one.token)
        if page.token and page.token == one.token:
            raise SourceBusy(f"group {self.group.log_group}: AWS returned the page token it was given, reading again")
        return page

    def _restart(self, stored: Stored, one: Backfill) -> None:
        if not one.in_order:
            log.warning(
                "a backfill's pages were out of order, so events may be delivered twice",
                group=self.group.log_group,
                backfill=one.backfill_id,
            )
        state = backfill_steps.restarted(stored.state, one)
        self._transact(stored, lambda pipe: self._store(pipe, state, stored.ids))

    def _commit(self, stored: Stored, again: bool, moved: Moved, fresh: EventColumns, fetched: int) -> None:
        """Write batches, jobs, state, ids, books and digests in one transaction."""
        made = self._batches.make(moved.state.sequence, fresh)
        kept = backfill_digests.planned(
            self._client, self.key, moved, EventColumns([]) if again else fresh, self._audit_window_ms, self._now()
        )

        def write(pipe: Pipeline) -> None:
            for one in made:
                queues.put(pipe, self._queue, RAW, one.batch_id, one.payload, one.facts)
            books.record(pipe, self.key, {"fetched": fetched, "duplicates": fetched - len(fresh)})
            kept.record(pipe)
            self._store(pipe, kept.state, moved.ids)

        self._transact(stored, write)
        metrics.EVENTS_FETCHED.inc(fetched)
        metrics.EVENTS_DUPLICATE.inc(fetched - len(fresh))
        metrics.BYTES_FETCHED.labels(*metrics.of_group(self.group)).inc(sum(fresh.sizes))

    def _store(self, pipe: Pipeline, state: Backfills, ids: Ids) -> None:
        name = keys.backfills(self.key)
        pipe.hset(name, backfills.STATE, msgspec.json.encode(state))
        pipe.hset(name, backfills.IDS, backfills.packed(ids))

    def _transact(self, stored: Stored, write: Callable[[Pipeline], None]) -> None:
        """Do what `write` adds to a transaction. Raises Interrupted, with nothing written, when the state is another."""
        name = keys.backfills(self.key)
        with self._client.pipeline() as pipe:
            pipe.watch(name)  # type: ignore[no-untyped-call]
            if pipe.hget(name, backfills.STATE) != stored.raw:
                raise Interrupted
            pipe.multi()
            write(pipe)
            try:
                pipe.execute()
            except redis.WatchError:
                raise Interrupted from None

    def _now(self) -> int:
        return int(self._clock() * 1000) - self._api.ahead_ms
