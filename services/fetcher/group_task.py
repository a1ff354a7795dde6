"""The task that reads one group, poll after poll. It notes why it fails, backs off, and others never hear of it."""

from functools import partial
from time import monotonic

import redis
import structlog

from services.fetcher.backfill import BackfillReader
from services.fetcher.backfill_task import BackfillTask
from services.fetcher.deletion import DeletionTask
from services.fetcher.fetch import GroupReader
from services.fetcher.fetching import REDIS_AWAY_SECONDS, SHORT_SECONDS, Fetching
from services.fetcher.notes import GroupNotes
from services.fetcher.patience import Patience
from services.fetcher.polling import Cost, Pace
from services.fetcher.turns import Permits
from shared.aws.limiter import Lane
from shared.errors import SettingRefused, SourceError, TokenRefused
from shared.messages import OpenSlice

#: Pages of one group in a row before another group gets the thread.
PAGES_A_TURN = 8

log = structlog.get_logger()


class GroupTask:
    """Reads one group, poll after poll."""

    def __init__(
        self,
        fetching: Fetching,
        reader: GroupReader,
        past: BackfillReader,
        what: str,
        lane: Lane | None = None,
        deletion: DeletionTask | None = None,
    ) -> None:
        self.group = reader.group
        self.source = reader.source
        self.lane = lane
        self.is_idle = False
        """The last round came to its end: backfills of the group may be read until the next."""
        self._fetching = fetching
        self._reader = reader
        self._patience = Patience(once=fetching.once)
        self._pace = Pace(reader.source, monotonic())
        self._cost = Cost(monotonic())
        self._brought = 0
        self._what = what
        self._at_fault = what
        self._deletion = deletion
        self._retired = False
        self._notes = GroupNotes(fetching.client, reader, lambda: fetching.retention_days.get(reader.key, 0))
        self._notes.write("")
        self._backfill = BackfillTask(fetching, past, lambda: self.is_idle, f"backfill of {what}", lane)

    def retire(self, *, gone: bool = False) -> None:
        """Leave the group alone from now on: it is gone, or another source's or fetcher's."""
        self._retired = True
        if self._deletion is not None:
            self._deletion.retire()
        self._backfill.retire()
        self._fetching.fault(self._at_fault, "")
        self._notes.end(gone=gone)

    def __call__(self) -> float | None:
        permits = Permits(self.lane, self._is_waited_for)
        try:
            return self._turn(permits)
        finally:
            permits.release()

    def _is_waited_for(self) -> bool:
        return self.lane is not None and self._fetching.schedule.is_waited_for(self.lane)

    def _may_go_on(self) -> bool:
        return not self._retired and self._fetching.may_go_on()

    def _turn(self, permits: Permits) -> float | None:
        if self._retired:
            return None
        pages_before = self._reader.pages
        self._pace.begin(monotonic())
        try:
            if not self._fetching.may_go_on():
                self._notes.refresh()
                return self._fetching.paused_seconds()
            more = self._reader.poll(
                PAGES_A_TURN, self._may_go_on, once=self._fetching.once, permit=partial(self._ask, permits)
            )
            self._look_at_the_past(is_idle=not more)
        except SourceError as error:
            if self._reader.pages > pages_before and not isinstance(error, TokenRefused):
                self._patience.succeeded()  # throttled after some pages, it must not wait ever longer between them
            return self._failed(error)
        except redis.RedisError as error:
            log.warning("Redis does not take it, waiting", what=self._what, error=str(error))
            return REDIS_AWAY_SECONDS
        except Exception as error:  # a fault of ours in one group must not stop the others
            log.exception("unexpected error", what=self._what)
            return self._failed(SourceError(f"{self._what}: unexpected error {error!r}, see the log"))
        self._patience.succeeded()
        self._forgive()
        self._weigh(self._reader.pages - pages_before)
        if more:
            self._notes.refresh()
            return 0.0 if self._fetching.may_go_on() else self._fetching.paused_seconds()
        self._notes.write("")
        if self._deletion is not None and self._deletion.is_due():
            self._fetching.schedule.add(self._deletion)
        brought, self._brought = self._reader.brought - self._brought, self._reader.brought
        if self._fetching.once:
            return None
        return self._pace.end(monotonic(), brought_new=brought > 0, is_sweeping=self._reader.is_sweeping())

    def _look_at_the_past(self, *, is_idle: bool) -> None:
        """Have backfills read while the tail has nothing to do."""
        self.is_idle = is_idle
        if is_idle:
            (self._backfill.say_waiting if self._fetching.once else self._backfill.look)()

    def _ask(self, permits: Permits, current: OpenSlice) -> bool:
        return permits.ask(low_priority=current.is_deep and not self._fetching.once)

    def _weigh(self, calls: int) -> None:
        calls_a_minute = self._cost.add(calls, monotonic())
        if self._fetching.leases is not None:
            self._fetching.leases.weigh(self._reader.key, calls_a_minute)

    def _failed(self, error: SourceError) -> float | None:
        self.is_idle = False
        delay = self._patience.failed(error)
        if error.lasting or delay is None or delay > SHORT_SECONDS:
            # One value of the settings that AWS refuses is one fault, however many groups it is for.
            at_fault = error.about if isinstance(error, SettingRefused) else self._what
            if at_fault != self._at_fault:
                self._fetching.fault(self._at_fault, "")
            self._at_fault = at_fault
            self._fetching.fault(at_fault, str(error))
            self._notes.write(str(error))
        if self._retired:  # meanwhile: what it says does not matter any more
            self._forgive()
        return delay

    def _forgive(self) -> None:
        if self._at_fault in self._fetching.faults:
            self._fetching.fault(self._at_fault, "")
            self._notes.write("")
