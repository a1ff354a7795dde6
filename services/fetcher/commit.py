"""What Redis holds of one group's reading: the checkpoint, and all that is written in one transaction with it.

    batches, jobs, remembered ids, books, digests, checkpoint: all of a read, or nothing

The transaction goes through only while the checkpoint is the one that the read began from, so of two fetchers that read the
same, one commits.
"""

from functools import partial

import msgspec
import redis
from redis.client import Pipeline

from services.fetcher import sweeps
from services.fetcher.batches import Maker
from services.fetcher.seen import SeenEvents
from shared import books, digests, keys, metrics, queues
from shared.errors import SourceError
from shared.event_columns import EventColumns
from shared.messages import Checkpoint, GroupRef
from shared.queues import RAW, JobQueue

_checkpoints = msgspec.json.Decoder(Checkpoint)


class Superseded(Exception):
    """Somebody else committed for this group since we read its checkpoint: start again from theirs."""


class Committer:
    """One group. Not safe between threads; every method blocks on Redis, and raises redis.RedisError."""

    def __init__(
        self,
        group: GroupRef,
        source: str,
        queue: JobQueue,
        *,
        start_ms: int,
        audit_window_ms: int = digests.DEFAULT_WINDOW_MS,
    ) -> None:
        """`start_ms`: where the reading of the group begins, or began."""
        self._group = group
        self._key = keys.group_key(group)
        self._queue = queue
        self._client: redis.Redis = queue.connection
        self._start_ms = start_ms
        self._batches = Maker(group, source)
        self._digests = digests.Keeper(self._client, self._key, audit_window_ms)
        self._stored: bytes | None = None
        self.seen = SeenEvents(self._client, self._key)
        """The ids of what was committed, as far as they may be read again."""
        self.checkpoint: Checkpoint | None = None
        """Where reading goes on from. None: `load` it, it was not read yet or may be another by now."""

    def load(self) -> Checkpoint | None:
        """Return the checkpoint in Redis, and take note of the ids remembered there. None: the group was never read.

        Raises SourceError where it is not one of this release.
        """
        stored = self._client.get(keys.checkpoint(self._key))
        self._stored = stored if isinstance(stored, bytes) else None
        self.seen.reload()
        return None if self._stored is None else self._decoded(self._stored)

    def commit(self, after: Checkpoint, fresh: EventColumns, fetched: int, now_ms: int) -> None:
        """Write what a read brought: `fresh` of `fetched` events, and the checkpoint behind it.

        Raises Superseded, with nothing written, when the checkpoint is no longer the one that was loaded.
        """
        made = self._batches.make(after.sequence, fresh)
        by_time = fresh.by_time()
        is_needed = partial(sweeps.is_needed, after)
        stored = msgspec.json.encode(after)
        self.checkpoint = None  # whatever goes wrong below, it is to be read anew
        with self._client.pipeline() as pipe:
            self._watch(pipe)
            for one in made:
                queues.put(pipe, self._queue, RAW, one.batch_id, one.payload, one.facts)
            additions = self.seen.add(pipe, by_time, after.sequence, is_needed)
            pruned = self.seen.prune(pipe, after.swept_ms, is_needed)
            books.record(pipe, self._key, {"fetched": fetched, "duplicates": fetched - len(fresh)})
            self._digests.record(pipe, by_time, after.sequence, self._start_ms, now_ms)
            pipe.set(keys.checkpoint(self._key), stored)
            try:
                pipe.execute()
            except redis.WatchError:
                raise Superseded from None
        self.seen.committed(additions, pruned)
        self.checkpoint, self._stored = after, stored
        metrics.EVENTS_FETCHED.inc(fetched)
        metrics.EVENTS_DUPLICATE.inc(fetched - len(fresh))
        metrics.BYTES_FETCHED.labels(*metrics.of_group(self._group)).inc(sum(fresh.sizes))

    def _watch(self, pipe: Pipeline) -> None:
        """Begin a transaction that goes through only while the checkpoint stays the one that was loaded."""
        place = keys.checkpoint(self._key)
        pipe.watch(place)  # type: ignore[no-untyped-call]
        if pipe.get(place) != self._stored:
            raise Superseded
        pipe.multi()

    def _decoded(self, stored: bytes) -> Checkpoint:
        try:
            return _checkpoints.decode(stored)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SourceError(
                f"{keys.checkpoint(self._key)} in Redis, of {self._group.log_group}, is no checkpoint of this release "
                f"({error}), it is left as it is: run the newer release everywhere"
            ) from None
