"""Which groups this fetcher reads: divided with the other fetchers through Redis, by nobody in particular.

Every two seconds a fetcher says that it lives, by Redis's clock, and looks whether the owners changed. One that finds groups
without a living owner, or among its equals the first by name that finds the loads unlike, writes a new division, under WATCH of
the counter of changes: one writer wins, the others read what it wrote.

Fetchers divide groups only with those that have the same sources; others keep what they have. Nothing but the load rests on
this: two readers of one group cannot both commit.
"""

import os
import secrets
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import redis
import structlog

from services.fetcher import division
from shared import keys

BEAT_SECONDS = 2.0
#: A fetcher that has said nothing for so long is taken for dead.
GONE_SECONDS = 8
#: Loads are compared so often, and after each change of the members or of the groups known.
BALANCE_SECONDS = 30.0
#: The owner of a group that does not exist any more is kept for so long: other fetchers may not know it yet.
FORGET_SECONDS = 3600.0

_BEAT = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + ARGV[2], '+inf')
redis.call('ZADD', KEYS[1], now, ARGV[1])
return {redis.call('ZRANGE', KEYS[1], 0, -1), redis.call('GET', KEYS[2])}
"""

log = structlog.get_logger()


class Leases:
    """The division of groups as one fetcher sees it. Safe between threads; what blocks on Redis says so."""

    def __init__(self, client: redis.Redis, sources: str, changed: Callable[[], None] = lambda: None) -> None:
        """`sources` tells fetchers with the same sources from others; `changed` is called when our groups are others."""
        self.member = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}|{sources}"
        self.changed = changed
        self._client = client
        self._beat = client.register_script(_BEAT)
        self._sources = sources
        self._ticking = threading.Lock()
        self._lock = threading.Lock()
        self._alive: frozenset[str] = frozenset()
        self._version: bytes | None = None
        self._owners: dict[str, str] = {}
        self._ours: frozenset[str] = frozenset()
        self._known: set[str] = set()
        self._forgotten: dict[str, float] = {}
        self._weights: dict[str, int] = {}
        self._unsaid: dict[str, int] = {}
        self._balance_at = 0.0
        self._is_away = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        """Look once, then every two seconds on a thread of its own. Blocks on Redis."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """Leave, so that others take over at once. Blocks on Redis, and does without when it is away."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(BEAT_SECONDS * 2)
        try:
            self._client.zrem(keys.FETCHERS, self.member)
        except redis.RedisError as error:
            log.debug("could not leave the other fetchers", error=str(error))

    def members(self) -> int:
        """Return how many fetchers live, this one included."""
        return max(1, len(self._alive))

    def is_ours(self, group_key: str) -> bool:
        """Say whether this fetcher is to read the group."""
        return group_key in self._ours

    def know(self, group_key: str) -> None:
        """Have a group divided from the next look on: it exists and is to be read."""
        with self._lock:
            self._forgotten.pop(group_key, None)
            if group_key not in self._known:
                self._known.add(group_key)
                self._balance_at = 0.0

    def forget(self, group_key: str) -> None:
        """Note that a group is not to be read any more."""
        with self._lock:
            self._known.discard(group_key)
            self._forgotten[group_key] = monotonic()

    def weigh(self, group_key: str, calls_a_minute: float) -> None:
        """Note what a group costs; others are told at the next look."""
        weight = division.weight_of(calls_a_minute)
        with self._lock:
            if self._weights.get(group_key, 1) != weight:
                self._weights[group_key] = self._unsaid[group_key] = weight

    def look(self) -> None:
        """Say that we live, read what changed, and divide what nobody has. Blocks on Redis, and does without when it is away."""
        try:
            with self._ticking:
                while not self._look():
                    pass
            self._is_away = False
        except redis.RedisError as error:
            if not self._is_away:
                log.warning("Redis is away, reading the groups as they were divided", error=str(error))
            self._is_away = True

    def _run(self) -> None:
        while not self._stopped.wait(BEAT_SECONDS):
            try:
                self.look()
            except Exception:  # a fault of ours must not let the groups go
                log.exception("unexpected error", what="the division of groups")

    def _look(self) -> bool:
        """Return False when somebody else wrote a division meanwhile: it is to be read first."""
        members, version = self._beat(keys=[keys.FETCHERS, keys.DIVISION], args=[self.member, GONE_SECONDS])
        alive = frozenset(member.decode() for member in members)
        if alive != self._alive:
            log.info("fetchers that divide the groups", fetchers=len(alive))
            self._alive, self._balance_at = alive, 0.0
        if version != self._version or version is None:
            self._read(version)
        self._say_weights()
        if not self._divide():
            return False
        self._settle()
        return True

    def _read(self, version: bytes | None) -> None:
        names: dict[str, str] = {}  # one text a member, however many groups it has
        held: Any = self._client.hgetall(keys.OWNERS)
        owners = {
            group.decode(): (name := owner.decode(), names.setdefault(name, name))[1] for group, owner in held.items()
        }
        self._owners, self._version = owners, version

    def _say_weights(self) -> None:
        with self._lock:
            said, self._unsaid = self._unsaid, {}
        said = {group: weight for group, weight in said.items() if group in self._ours}
        heavy = {group: weight for group, weight in said.items() if weight > 1}
        light = [group for group, weight in said.items() if weight == 1]
        if heavy:
            self._client.hset(keys.WEIGHTS, mapping=heavy)  # type: ignore[arg-type]  # numbers are taken as well
        if light:
            self._client.hdel(keys.WEIGHTS, *light)

    def _divide(self) -> bool:
        """Write a new division if one is needed; False when somebody else was faster."""
        equals = sorted(member for member in self._alive if member.endswith(f"|{self._sources}"))
        with self._lock:
            known = set(self._known)
        may_balance = equals[:1] == [self.member] and monotonic() >= self._balance_at
        if not may_balance and all(self._owners.get(group) in self._alive for group in known):
            return True
        held: Any = self._client.hgetall(keys.WEIGHTS)
        weights = {group.decode(): int(weight) for group, weight in held.items()}
        groups = known if may_balance else {group for group in known if self._owners.get(group) not in self._alive}
        changed = division.changes(equals, self._alive, self._owners, weights, groups)
        over = self._over(known)
        if (changed or over) and not self._write(changed, over):
            return False
        with self._lock:
            if may_balance and self._known <= known:  # else there is more to divide by now
                self._balance_at = monotonic() + BALANCE_SECONDS
        return True

    def _over(self, known: set[str]) -> list[str]:
        """Return the groups whose owner is to be forgotten: of a dead one, those that nobody here reads; and those long gone."""
        now = monotonic()
        with self._lock:
            gone = {group for group, since in self._forgotten.items() if now - since > FORGET_SECONDS}
            for group in gone:
                del self._forgotten[group]
        return [
            group
            for group, owner in self._owners.items()
            if group not in known and (group in gone or owner not in self._alive)
        ]

    def _write(self, changed: dict[str, str], over: list[str]) -> bool:
        with self._client.pipeline() as pipe:
            pipe.watch(keys.DIVISION)  # type: ignore[no-untyped-call]
            if pipe.get(keys.DIVISION) != self._version:
                return False
            pipe.multi()
            if changed:
                pipe.hset(keys.OWNERS, mapping=changed)  # type: ignore[arg-type]
            if over:
                pipe.hdel(keys.OWNERS, *over)
                pipe.hdel(keys.WEIGHTS, *over)
            pipe.incr(keys.DIVISION)
            try:
                version = pipe.execute()[-1]
            except redis.WatchError:
                return False
        self._version = str(version).encode()
        self._owners |= changed
        for group in over:
            self._owners.pop(group, None)
        log.info("groups were divided", moved=len(changed), fetchers=len(self._alive))
        return True

    def _settle(self) -> None:
        ours = frozenset(group for group, owner in self._owners.items() if owner == self.member)
        if ours == self._ours:
            return
        with self._lock:
            self._ours = ours
            self._weights = {group: weight for group, weight in self._weights.items() if group in ours}
        self.changed()
