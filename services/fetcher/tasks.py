"""What the fetcher's schedule runs: one task a source and region that looks for groups, one task a group that reads it.

A task fails alone: it notes why, backs off, and the others never hear of it.
"""

import random
import threading
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic

import redis
import structlog

from services.fetcher import chosen
from services.fetcher.backfill import BackfillReader
from services.fetcher.backfill_task import BackfillTask
from services.fetcher.budget import ByteBudget
from services.fetcher.deletion import DeletionTask
from services.fetcher.fetch import GroupReader, now_ms
from services.fetcher.leases import Leases
from services.fetcher.notes import GroupNotes, note_gone
from services.fetcher.owners import Owners, Reading
from services.fetcher.patience import Patience
from services.fetcher.polling import Cost, Pace, first_delay
from services.fetcher.schedule import Schedule
from services.fetcher.search import SharedSearch
from services.fetcher.start import first_start, start_of
from services.fetcher.turns import Permits, Place, Turn
from shared import digests, keys, metrics
from shared.aws import discovery
from shared.aws.discovery import READABLE_CLASS
from shared.aws.limiter import Lane
from shared.aws.logs_api import FoundGroup, LogsApi
from shared.errors import SettingRefused, SourceError, TokenRefused
from shared.messages import GroupRef, OpenSlice
from shared.queues import JobQueue
from shared.settings.model import Source

#: Pages of one group in a row before another group gets the thread.
PAGES_A_TURN = 8
PAUSED_SECONDS = 0.25
PAUSED_LOOKS_A_SECOND = 200
REDIS_AWAY_SECONDS = 1.0
UNDECIDED_SECONDS = 0.1
#: Another fetcher looks for the groups: what it found is asked for again after so long.
LOOKED_FOR_SECONDS = 0.5
#: Fetchers whose search is due together do not all come at once.
SEARCH_JITTER_SECONDS = 1.0
#: What is waited for longer than this is worth telling.
SHORT_SECONDS = 2.0

log = structlog.get_logger()


class Fetching:
    """What the tasks of one fetcher share. `once`: each group is read up to now, then its task ends.

    With `leases`, a group is read while it is ours; without, all are.
    """

    def __init__(
        self,
        queue: JobQueue,
        budget: ByteBudget,
        schedule: Schedule,
        stop: threading.Event,
        *,
        once: bool,
        audit_window_ms: int = digests.DEFAULT_WINDOW_MS,
        leases: Leases | None = None,
    ) -> None:
        self.queue = queue
        self.client: redis.Redis = queue.connection
        self.schedule = schedule
        self.once = once
        self.audit_window_ms = audit_window_ms
        self.first_start_ms = first_start(self.client, now_ms())
        self.faults: dict[str, str] = {}
        """Why something cannot be read now, by what it is: "group G, source S, region eu-west-1"."""
        self.retention_days: dict[str, int] = {}
        """By group key: after so many days AWS deletes events of the group; 0: never."""
        self.owners = Owners()
        self.leases = leases
        self._budget = budget
        self.stop = stop
        self._missing: dict[tuple[str, str], set[str]] = {}
        self._lock = threading.Lock()

    def may_go_on(self) -> bool:
        """Say whether another page may be read now."""
        return not self.stop.is_set() and self._budget.has_room()

    def claim(self, rank: int, group: GroupRef, make: Callable[[], "GroupTask"]) -> bool:
        """Have the group read by the source of this `rank`, unless it is an earlier one's; False: not decided yet."""
        decided, place = self.owners.claim(rank, group, partial(Place, group, make, self._start))
        if place is not None:
            self._settle(place)
        return decided

    def settle(self) -> None:
        """Have exactly the groups read that are ours now. Blocks on Redis: what is at its beginning is noted there."""
        self.schedule.add(self._settle_all)

    def _settle_all(self) -> float | None:
        try:
            for place in self.owners.readings():
                self._settle(place)
        except redis.RedisError as error:
            log.warning("Redis is away, waiting for it", error=str(error))
            return REDIS_AWAY_SECONDS
        return None

    def _settle(self, place: Reading) -> None:
        if isinstance(place, Place):
            place.settle(lambda: self.leases is None or self.leases.is_ours(keys.group_key(place.group)))

    def _start(self, turn: Turn) -> None:
        task = turn.reading
        if isinstance(task, GroupTask):
            delay = 0.0 if self.once else first_delay(task.source, len(self.owners))
            self.schedule.add(turn, delay, task.lane)

    def paused_seconds(self) -> float:
        """Return in how many seconds to look again whether a page may be read; of many groups, a few hundred look a second."""
        return max(PAUSED_SECONDS, len(self.owners) / PAUSED_LOOKS_A_SECOND)

    def note_missing(self, source: Source, name: str, region: str, *, missing: bool) -> None:
        """Note whether a name of the settings exists in `region`; it is at fault when it exists in none of the source's."""
        with self._lock:
            without = self._missing.setdefault((source.name, name), set())
            (without.add if missing else without.discard)(region)
            nowhere = len(without) == len(source.regions)
        why = f"there is no log group of this name in {', '.join(source.regions)}: correct log_groups or regions"
        self.fault(f"group {name}, source {source.name}", why if nowhere else "")

    def fault(self, what: str, why: str) -> None:
        """Note, and say once, why `what` cannot be read; an empty `why` takes it back."""
        if self.faults.get(what, "") != why:
            if why:
                log.error("cannot be read", what=what, why=why)
            else:
                log.info("can be read again", what=what)
        if why:
            self.faults[what] = why
        else:
            self.faults.pop(what, None)
        metrics.GROUPS_FAULTY.set(len(self.faults))


class DiscoveryTask:
    """Looks for the groups of one source in one region, again and again."""

    def __init__(self, fetching: Fetching, rank: int, source: Source, api: LogsApi) -> None:
        self._fetching = fetching
        self._rank = rank
        self._source = source
        self._api = api
        self._region = api.region
        self._undecided: discovery.Discovered | None = None
        self._unreadable: set[str] = set()
        """The groups that nobody can read, by what they are called in faults."""
        self._has_looked = False
        self._search = SharedSearch(fetching.client, source, api)
        self._patience = Patience(once=fetching.once)
        self._what = f"source {source.name}, region {api.region}"
        fetching.owners.expect(rank, api.region, source)

    def __call__(self) -> float | None:
        try:
            found = self._undecided or self._look()
            if found is None:
                return LOOKED_FOR_SECONDS
            self._undecided = None if self._take(found) else found
            if self._undecided is not None:
                return UNDECIDED_SECONDS
            self._fetching.owners.has_looked(self._rank, self._region)
            if found.denied is not None:
                return self._failed(found.denied)
        except SourceError as error:
            return self._failed(error)
        except redis.RedisError as error:
            log.warning("Redis is away, waiting for it", error=str(error))
            return REDIS_AWAY_SECONDS
        except Exception as error:  # a fault of ours in one source must not stop the others
            log.exception("unexpected error", what=self._what)
            return self._failed(SourceError(f"{self._what}: unexpected error {error!r}, see the log"))
        self._patience.succeeded()
        self._fetching.fault(self._what, "")
        return None if self._fetching.once else self._seconds_to_next()

    def _look(self) -> discovery.Discovered | None:
        """Return what there is; None: another fetcher is looking. A fetcher without others looks for itself when it starts."""
        leases = self._fetching.leases
        if leases is None:
            return discovery.look(self._source, self._api)
        return self._search.look(anew=not self._has_looked and leases.members() == 1)

    def _seconds_to_next(self) -> float:
        if self._fetching.leases is None:
            return self._source.discovery_interval / 1000
        return self._search.seconds_to_wait() + random.random() * SEARCH_JITTER_SECONDS  # noqa: S311 - no secret

    def _take(self, found: discovery.Discovered) -> bool:
        """Have what was found read, and what is not there left alone; False while an earlier source may want some of it."""
        for name in self._source.log_groups:
            self._fetching.note_missing(self._source, name, self._region, missing=name in found.missing)
        unreadable = {
            f"{discovery.title(group)}, {self._what}": group.log_class
            for group in found.groups
            if group.log_class != READABLE_CLASS
        }
        for what in self._unreadable - unreadable.keys():
            self._fetching.fault(what, "")
        self._unreadable = set(unreadable)
        for what, log_class in unreadable.items():
            why = f"it is of class {log_class}, which CloudWatch Logs lets nobody read this way: only {READABLE_CLASS}"
            self._fetching.fault(what, why)
        readable = {
            discovery.reference(group, self._region): group
            for group in found.groups
            if group.log_class == READABLE_CLASS
        }
        for reference, group in readable.items():
            self._fetching.retention_days[keys.group_key(reference)] = group.retention_days
        for group in (group for group in found.groups if not group.arn):
            self._api.know_account(group.account_id)
            break
        self._divide(readable)
        decided = [
            self._fetching.claim(self._rank, reference, partial(self._reader, group))
            for reference, group in readable.items()
        ]
        if found.denied is None:
            self._let_go(set(readable))
        return all(decided)

    def _divide(self, groups: Iterable[GroupRef]) -> None:
        """Have groups that were found divided at once."""
        leases = self._fetching.leases
        if leases is not None:
            for group in groups:
                leases.know(keys.group_key(group))
            leases.look()

    def _let_go(self, readable: set[GroupRef]) -> None:
        """Let go of groups that are not there any more, and note of them that they are gone."""
        if not self._has_looked:
            note_gone(self._fetching.client, self._source.name, self._region, readable)
            self._has_looked = True
        if not self._fetching.once:
            for group in self._fetching.owners.release(self._rank, self._region, readable):
                if self._fetching.leases is not None:
                    self._fetching.leases.forget(keys.group_key(group))

    def _failed(self, error: SourceError) -> float | None:
        self._fetching.fault(self._what, str(error))
        delay = self._patience.failed(error)
        if error.lasting or delay is None or delay > SHORT_SECONDS:
            self._fetching.owners.has_looked(self._rank, self._region)
        return delay

    def _reader(self, group: FoundGroup) -> "GroupTask":
        api, fetching = self._api.of(group), self._fetching
        found = discovery.reference(group, self._region)
        chosen.note(fetching.client, keys.group_key(found), self._source, now_ms())
        reader = GroupReader(
            found,
            self._source,
            api,
            fetching.queue,
            start_ms=start_of(self._source, group, fetching.first_start_ms, now_ms()),
            audit_window_ms=fetching.audit_window_ms,
        )
        past = BackfillReader(found, self._source, api, fetching.queue, audit_window_ms=fetching.audit_window_ms)
        what = f"{discovery.title(group)}, {self._what}"
        return GroupTask(fetching, reader, past, what, api.lane(), self._deletion(group, api))

    def _deletion(self, group: FoundGroup, api: LogsApi) -> DeletionTask | None:
        """Return what deletes streams of a group, where that is wanted: AWS does it for groups of the own account only."""
        if not self._source.delete_log_streams or group.arn:
            return None
        return DeletionTask(
            self._fetching.client,
            discovery.reference(group, self._region),
            self._source,
            api,
            once=self._fetching.once,
            stop=self._fetching.stop,
        )


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
