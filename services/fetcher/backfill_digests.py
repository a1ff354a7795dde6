"""What a page of a backfill adds to the digests, that an audit can prove the past as well.

An audit compares from the group's mark on, where the tail began. The mark goes back as soon as all between is read. The tail
may have begun within a minute: what a backfill reads of that minute waits in its state until the mark goes back past it, or
an audit would take it for events that the tail read twice.
"""

from operator import not_

import msgspec
import redis
from msgspec import Struct
from msgspec.structs import replace
from redis.client import Pipeline

from services.fetcher.backfill_steps import Moved
from shared import backfills, digests, keys
from shared.digests import HOUR_MS, MINUTE_MS, MINUTES, Keeper, Mark
from shared.event_columns import EventColumns
from shared.messages import Backfills


class Planned(Struct, frozen=True, kw_only=True):
    """What to write, in the transaction of the page."""

    state: Backfills
    keeper: Keeper
    group_key: str
    fresh: EventColumns
    now_ms: int
    mark: Mark | None = None
    """Where the digests begin from now on; None: where they did."""
    flushed: Backfills | None = None
    """The state whose waiting minute goes into the digests now."""
    window_ms: int = 0

    def record(self, pipe: Pipeline) -> None:
        """Add it to the transaction in `pipe`."""
        self.keeper.add(pipe, self.fresh, self.now_ms)
        if self.mark is not None:
            pipe.hset(keys.DIGESTS, self.group_key, msgspec.json.encode(self.mark))
        if self.flushed is not None and self.flushed.edge_count:
            self._flush(pipe, self.flushed)

    def _flush(self, pipe: Pipeline, edge: Backfills) -> None:
        hour, minute = divmod(edge.edge_minute, MINUTES)
        if (hour + 1) * HOUR_MS + self.window_ms <= self.now_ms:
            return
        name = keys.digest(self.group_key, hour)
        pipe.hincrby(name, str(minute), edge.edge_count)
        pipe.hincrby(name, f"{minute}:sum", edge.edge_sum)
        pipe.expire(name, ((hour + 2) * HOUR_MS + self.window_ms - self.now_ms) // 1000)


def planned(
    client: redis.Redis, group_key: str, moved: Moved, fresh: EventColumns, window_ms: int, now_ms: int
) -> Planned:
    """Return what to write of `fresh` events, which were never delivered before. Blocks on Redis."""
    state, mark = moved.state, digests.read_mark(client, group_key)
    plan = Planned(
        state=state,
        keeper=Keeper(client, group_key, window_ms),
        group_key=group_key,
        fresh=fresh,
        now_ms=now_ms,
        window_ms=window_ms,
    )
    if mark is None or not mark.from_start:
        return plan
    edge = mark.from_ms // MINUTE_MS if mark.from_ms % MINUTE_MS else -1
    are_at_edge = [time_ms // MINUTE_MS == edge for time_ms in fresh.times_ms]
    if True in are_at_edge:
        state = _waiting(state, edge, fresh.where(are_at_edge))
        fresh = fresh.where(list(map(not_, are_at_edge)))
    before = backfills.holding(state.covered, mark.from_ms - 1) if moved.completed else None
    longer = digests.extended(mark, before.from_ms) if before else mark
    if longer == mark:
        return replace(plan, state=state, fresh=fresh)
    rest = replace(state, edge_minute=0, edge_count=0, edge_sum=0)
    return replace(plan, state=rest, fresh=fresh, mark=longer, flushed=state)


def _waiting(state: Backfills, minute: int, fresh: EventColumns) -> Backfills:
    count, total = (state.edge_count, state.edge_sum) if state.edge_minute == minute else (0, 0)
    total += sum(map(digests.hashed, fresh.hashes))
    return replace(state, edge_minute=minute, edge_count=count + len(fresh), edge_sum=total)
