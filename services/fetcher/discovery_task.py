"""The task that looks for the groups of one source in one region, again and again. It fails alone: others never hear of it."""

import random
from collections.abc import Iterable
from functools import partial

import redis
import structlog

from services.fetcher import chosen
from services.fetcher.backfill import BackfillReader
from services.fetcher.deletion import DeletionTask
from services.fetcher.fetch import GroupReader, now_ms
from services.fetcher.fetching import REDIS_AWAY_SECONDS, SHORT_SECONDS, Fetching
from services.fetcher.group_task import GroupTask
from services.fetcher.notes import note_gone
from services.fetcher.patience import Patience
from services.fetcher.search import SharedSearch
from services.fetcher.start import start_of
from shared import keys
from shared.aws import discovery
from shared.aws.discovery import READABLE_CLASS
from shared.aws.logs_api import FoundGroup, LogsApi
from shared.errors import SourceError
from shared.messages import GroupRef
from shared.settings.model import Source

UNDECIDED_SECONDS = 0.1
#: Another fetcher looks for the groups: what it found is asked for again after so long.
LOOKED_FOR_SECONDS = 0.5
#: Fetchers whose search is due together do not all come at once.
SEARCH_JITTER_SECONDS = 1.0

log = structlog.get_logger()


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
            self._fetching.claim(self._rank, reference, partial(self._reader, group), self._source, self._api.lane())
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

    def _reader(self, group: FoundGroup) -> GroupTask:
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
