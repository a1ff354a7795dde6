"""A group's backfills on the schedule: a page a turn, and only while the tail of the group has nothing to do."""

import threading
from collections.abc import Callable
from typing import Protocol

import redis
import structlog

from services.fetcher.backfill import BackfillReader, Interrupted
from services.fetcher.patience import Patience
from services.fetcher.schedule import Schedule
from services.fetcher.turns import Lane
from shared import queues
from shared.errors import PoisonMessage, SourceError, TokenRefused

#: A backfill waits while so many batches are on their way: what happens now must not queue behind the past.
MAX_BATCHES = 16
WAITING_SECONDS = 0.25
#: The live tail has the quota for itself; what it leaves is asked for again so soon.
WITHOUT_PERMIT_SECONDS = 1.0
#: Another fetcher was quicker: it goes on alone for so long, and this one looks again in case it dies.
INTERRUPTED_SECONDS = 5.0
REDIS_AWAY_SECONDS = 1.0

log = structlog.get_logger()


class Fetching(Protocol):
    """What the tasks of a fetcher share, as far as it is needed here."""

    client: redis.Redis
    schedule: Schedule

    def may_go_on(self) -> bool:
        """Say whether another page may be read now."""


class BackfillTask:
    """Reads what was asked for of one group's past; `is_idle` says whether the group's tail has nothing to do.

    A page a turn: a tail that is due waits no longer for a thread than that takes.
    """

    def __init__(
        self,
        fetching: Fetching,
        reader: BackfillReader,
        is_idle: Callable[[], bool],
        what: str,
        lane: Lane | None = None,
    ) -> None:
        self._lane = lane
        self._fetching = fetching
        self._reader = reader
        self._is_idle = is_idle
        self._what = what
        self._patience = Patience(once=False)
        self._scheduled = False
        self._retired = False
        self._fault = ""
        self._lock = threading.Lock()

    def look(self) -> None:
        """Have it read if something was asked for. Blocks on Redis; raises redis.RedisError."""
        with self._lock:
            if self._scheduled or self._retired or not self._is_wanted():
                return
            self._scheduled = True
        self._fetching.schedule.add(self)

    def say_waiting(self) -> None:
        """Say that something was asked for which this fetcher leaves alone. Blocks on Redis."""
        if self._is_wanted():
            log.warning(
                "a backfill waits, which --once does not read: `cwpipe run` or `cwpipe fetcher` do", what=self._what
            )

    def retire(self) -> None:
        """Leave the group alone from now on: it is gone, or another source's."""
        self._retired = True

    def __call__(self) -> float | None:
        try:
            delay = self._turn()
        except SourceError as error:
            delay = self._failed(error)
        except Interrupted:
            delay = INTERRUPTED_SECONDS
        except redis.RedisError as error:
            log.warning("Redis does not take it, waiting", what=self._what, error=str(error))
            delay = REDIS_AWAY_SECONDS
        except Exception as error:  # a fault of ours in one backfill must not stop the tail
            log.exception("unexpected error", what=self._what)
            delay = self._failed(SourceError(f"{self._what}: unexpected error {error!r}, see the log"))
        if delay is None:
            with self._lock:
                self._scheduled = False
        return delay

    def _turn(self) -> float | None:
        """Read a page if nothing stands against it; return the seconds until the next turn, None: nothing is wanted."""
        if self._retired:
            return None
        if not self._is_idle() or not self._fetching.may_go_on() or self._are_many_queued():
            return WAITING_SECONDS
        if self._lane is not None and not self._lane.reserve(low_priority=True):
            return WITHOUT_PERMIT_SECONDS
        if not self._reader.read_page():
            if self._lane is not None:
                self._lane.release()
            return None
        self._patience.succeeded()
        self._fault = ""
        return 0.0

    def _is_wanted(self) -> bool:
        """Say whether something was asked for. What cannot be read there is no reason for the tail to stop."""
        try:
            return self._reader.is_wanted()
        except PoisonMessage as error:
            if self._fault != str(error):
                self._fault = str(error)
                log.error("a backfill cannot be read", what=self._what, why=self._fault)
            return False

    def _are_many_queued(self) -> bool:
        return sum(queues.outstanding(self._fetching.client).values()) >= MAX_BATCHES

    def _failed(self, error: SourceError) -> float:
        if not isinstance(error, TokenRefused) and self._fault != str(error):
            self._fault = str(error)
            log.error("a backfill cannot be read", what=self._what, why=self._fault)
            self._note()
        return self._patience.failed(error) or REDIS_AWAY_SECONDS

    def _note(self) -> None:
        try:
            self._reader.note_fault(self._fault)
        except (redis.RedisError, PoisonMessage) as error:
            log.debug("fault not noted", what=self._what, error=str(error))
