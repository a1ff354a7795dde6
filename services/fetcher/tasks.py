"""What the fetcher's schedule runs: one task a source and region that looks for groups, one task a group that reads it.

A task fails alone: it notes why, backs off, and the others never hear of it.
"""

import threading
from collections.abc import Callable
from functools import partial

import redis
import structlog

from services.fetcher.backfill import BackfillReader
from services.fetcher.backfill_task import BackfillTask
from services.fetcher.budget import ByteBudget
from services.fetcher.fetch import GroupReader, now_ms
from services.fetcher.notes import GroupNotes, note_gone
from services.fetcher.owners import Owners
from services.fetcher.patience import Patience
from services.fetcher.schedule import Schedule
from services.fetcher.start import first_start, start_of
from shared import digests, keys, metrics
from shared.aws import discovery
from shared.aws.discovery import READABLE_CLASS
from shared.aws.logs_api import FoundGroup, LogsApi
from shared.errors import SourceError, TokenRefused
from shared.messages import GroupRef
from shared.queues import JobQueue
from shared.settings.model import Source

#: Pages of one group in a row before another group gets the thread.
PAGES_A_TURN = 8
PAUSED_SECONDS = 0.25
REDIS_AWAY_SECONDS = 1.0
UNDECIDED_SECONDS = 0.1
#: What is waited for longer than this is worth telling.
SHORT_SECONDS = 2.0

log = structlog.get_logger()


class Fetching:
    """What the tasks of one fetcher share. `once`: each group is read up to now, then its task ends."""

    def __init__(
        self,
        queue: JobQueue,
        budget: ByteBudget,
        schedule: Schedule,
        stop: threading.Event,
        *,
        once: bool,
        audit_window_ms: int = digests.DEFAULT_WINDOW_MS,
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
        self._budget = budget
        self._stop = stop
        self._missing: dict[tuple[str, str], set[str]] = {}
        self._lock = threading.Lock()

    def may_go_on(self) -> bool:
        """Say whether another page may be read now."""
        return not self._stop.is_set() and self._budget.has_room()

    def claim(self, rank: int, group: GroupRef, make: Callable[[], "GroupTask"]) -> bool:
        """Have the group read by the source of this `rank`, unless it is an earlier one's; False: not decided yet."""
        decided, task = self.owners.claim(rank, group, make)
        if task is not None:
            self.schedule.add(task)
        return decided

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
        self._has_looked = False
        self._patience = Patience(once=fetching.once)
        self._what = f"source {source.name}, region {api.region}"
        fetching.owners.expect(rank, api.region, source)

    def __call__(self) -> float | None:
        try:
            found = self._undecided or discovery.look(self._source, self._api)
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
        return None if self._fetching.once else self._source.discovery_interval / 1000

    def _take(self, found: discovery.Discovered) -> bool:
        """Have what was found read, and what is not there left alone; False while an earlier source may want some of it."""
        for name in self._source.log_groups:
            self._fetching.note_missing(self._source, name, self._region, missing=name in found.missing)
        unreadable = {group.name: group.log_class for group in found.groups if group.log_class != READABLE_CLASS}
        for name in self._unreadable - unreadable.keys():
            self._fetching.fault(f"group {name}, {self._what}", "")
        self._unreadable = set(unreadable)
        for name, log_class in unreadable.items():
            why = f"it is of class {log_class}, which CloudWatch Logs lets nobody read this way: only {READABLE_CLASS}"
            self._fetching.fault(f"group {name}, {self._what}", why)
        readable = {group.name: group for group in found.groups if group.name not in unreadable}
        for group in readable.values():
            key = keys.group_key(discovery.reference(group, self._region))
            self._fetching.retention_days[key] = group.retention_days
        decided = [
            self._fetching.claim(self._rank, discovery.reference(group, self._region), partial(self._reader, group))
            for group in readable.values()
        ]
        if found.denied is None:
            self._let_go(set(readable))
        return all(decided)

    def _let_go(self, readable: set[str]) -> None:
        """Let go of groups that are not there any more, and note of them that they are gone."""
        if not self._has_looked:
            note_gone(self._fetching.client, self._source.name, self._region, readable)
            self._has_looked = True
        if not self._fetching.once:
            self._fetching.owners.release(self._rank, self._region, readable)

    def _failed(self, error: SourceError) -> float | None:
        self._fetching.fault(self._what, str(error))
        delay = self._patience.failed(error)
        if error.lasting or delay is None or delay > SHORT_SECONDS:
            self._fetching.owners.has_looked(self._rank, self._region)
        return delay

    def _reader(self, group: FoundGroup) -> "GroupTask":
        fetching, found = self._fetching, discovery.reference(group, self._region)
        reader = GroupReader(
            found,
            self._source,
            self._api,
            fetching.queue,
            start_ms=start_of(self._source, group, fetching.first_start_ms, now_ms()),
            audit_window_ms=fetching.audit_window_ms,
        )
        past = BackfillReader(found, self._source, self._api, fetching.queue, audit_window_ms=fetching.audit_window_ms)
        return GroupTask(fetching, reader, past, f"group {group.name}, {self._what}")


class GroupTask:
    """Reads one group, poll after poll."""

    def __init__(self, fetching: Fetching, reader: GroupReader, past: BackfillReader, what: str) -> None:
        self.group = reader.group
        self.is_idle = False
        """The last round came to its end: backfills of the group may be read until the next."""
        self._fetching = fetching
        self._reader = reader
        self._patience = Patience(once=fetching.once)
        self._what = what
        self._retired = False
        self._notes = GroupNotes(fetching.client, reader, lambda: fetching.retention_days.get(reader.key, 0))
        self._notes.write("")
        self._backfill = BackfillTask(fetching, past, lambda: self.is_idle, f"backfill of {what}")

    def retire(self, *, gone: bool = False) -> None:
        """Leave the group alone from now on: it is gone, or another source's."""
        self._retired = True
        self._backfill.retire()
        self._fetching.fault(self._what, "")
        self._notes.end(gone=gone)

    def __call__(self) -> float | None:
        if self._retired:
            return None
        pages_before = self._reader.pages
        try:
            if not self._fetching.may_go_on():
                self._notes.refresh()
                return PAUSED_SECONDS
            more = self._reader.poll(PAGES_A_TURN, self._fetching.may_go_on, once=self._fetching.once)
            self.is_idle = not more
            if self.is_idle:
                (self._backfill.say_waiting if self._fetching.once else self._backfill.look)()
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
        if more:
            self._notes.refresh()
            return 0.0 if self._fetching.may_go_on() else PAUSED_SECONDS
        self._notes.write("")
        return None if self._fetching.once else self._reader.source.poll_interval / 1000

    def _failed(self, error: SourceError) -> float | None:
        self.is_idle = False
        delay = self._patience.failed(error)
        if error.lasting or delay is None or delay > SHORT_SECONDS:
            self._fetching.fault(self._what, str(error))
            self._notes.write(str(error))
        if self._retired:  # meanwhile: what it says does not matter any more
            self._forgive()
        return delay

    def _forgive(self) -> None:
        if self._what in self._fetching.faults:
            self._fetching.fault(self._what, "")
            self._notes.write("")
