"""What the tasks of one fetcher share: the groups that are its to read, what is at fault, and whether to go on."""

import threading
from collections.abc import Callable
from functools import partial

import redis
import structlog

from services.fetcher.budget import ByteBudget
from services.fetcher.fetch import now_ms
from services.fetcher.leases import Leases
from services.fetcher.owners import Owners, Reading
from services.fetcher.polling import first_delay
from services.fetcher.schedule import Schedule
from services.fetcher.start import first_start
from services.fetcher.turns import Place, Turn
from shared import digests, keys, metrics
from shared.aws.limiter import Lane
from shared.messages import GroupRef
from shared.queues import JobQueue
from shared.settings.model import Source

PAUSED_SECONDS = 0.25
PAUSED_LOOKS_A_SECOND = 200
REDIS_AWAY_SECONDS = 1.0
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

    def claim(self, rank: int, group: GroupRef, make: Callable[[], Reading], source: Source, lane: Lane | None) -> bool:
        """Have the group read by the source of this `rank`, unless it is an earlier one's; False: not decided yet."""
        start = partial(self._start, source, lane)
        decided, place = self.owners.claim(rank, group, partial(Place, group, make, start))
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

    def _start(self, source: Source, lane: Lane | None, turn: Turn) -> None:
        self.schedule.add(turn, 0.0 if self.once else first_delay(source, len(self.owners)), lane)

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
