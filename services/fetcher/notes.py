"""What a group's fetcher tells the operator of it: its state, for `status`, and a log line when a risk begins."""

import threading
from collections.abc import Callable
from time import monotonic

import msgspec
import redis
import structlog
from msgspec.structs import replace

from services.fetcher import sweeps
from services.fetcher.fetch import GroupReader, now_ms
from shared import keys, risks
from shared.books import GroupState
from shared.messages import GroupRef

#: In a round that takes long, and while fetching pauses, the state is told anew at most so often.
REFRESH_SECONDS = 10.0

log = structlog.get_logger()


class GroupNotes:
    """The notes on one group. Safe between threads; blocks on Redis, and does without when it is away."""

    def __init__(self, client: redis.Redis, reader: GroupReader, retention_days: Callable[[], int]) -> None:
        self._client = client
        self._reader = reader
        self._retention_days = retention_days
        self._lock = threading.Lock()
        self._written_at = 0.0
        self._fault = ""
        told = self._told()
        self._read_ms = told.read_ms if told is not None else 0
        self._came_ms = (told.came_ms if told is not None else 0) or now_ms()
        self._brought = 0
        self._known: set[str] = set()
        self._ended = False

    def write(self, fault: str) -> None:
        """Tell how the group does at the end of a round, or why it cannot be read."""
        self._fault, self._read_ms = fault, self._reader.read_to_ms() or self._read_ms
        self._write()

    def refresh(self) -> None:
        """Tell the same anew, with how far it has been read by now, unless that was just done. Raises redis.RedisError."""
        if monotonic() - self._written_at >= REFRESH_SECONDS:
            self._reader.load()
            self._write()

    def end(self, *, gone: bool) -> None:
        """Tell nothing any more, after this: the group is gone, or it is another source's, which tells of it itself."""
        with self._lock:
            self._ended = True
            if gone:
                self._store(replace(self._state(), fault="", gone=True))

    def _told(self) -> GroupState | None:
        """Return what was told of the group before this process began."""
        try:
            told = self._client.hget(keys.GROUPS, self._reader.key)
        except redis.RedisError:
            return None
        return msgspec.json.decode(told, type=GroupState) if isinstance(told, bytes) else None

    def _write(self) -> None:
        with self._lock:
            if self._ended:
                return
            self._written_at = monotonic()
            state = self._state()
            self._store(state)
            self._warn(state)

    def _state(self) -> GroupState:
        source = self._reader.source
        if self._reader.brought != self._brought:
            self._brought, self._came_ms = self._reader.brought, now_ms()
        return GroupState(
            group=self._reader.group,
            source=source.name,
            fault=self._fault,
            since_ms=now_ms(),
            read_ms=self._read_ms,
            unread_ms=self._reader.unread_ms(),
            lateness_ms=self._reader.lateness_ms(),
            late_window_ms=source.late_window,
            sweep_window_ms=source.sweep_window if sweeps.is_on(source) else 0,
            retention_days=self._retention_days(),
            came_ms=self._came_ms,
            silent_after_ms=source.silent_after,
        )

    def _store(self, state: GroupState) -> None:
        try:
            self._client.hset(keys.GROUPS, self._reader.key, msgspec.json.encode(state))
        except redis.RedisError as error:
            log.debug("state not noted", group=state.group.log_group, error=str(error))

    def _warn(self, state: GroupState) -> None:
        """Say what is about to go wrong, once for as long as it lasts."""
        found = risks.by_kind(state, now_ms())
        for kind, text in found.items():
            if text and kind not in self._known:
                place = {"group": state.group.log_group, "region": state.group.region}
                log.warning("a risk to events", risk=kind, **place, why=text)
        self._known = {kind for kind, text in found.items() if text}


def note_gone(client: redis.Redis, source: str, region: str, there: set[GroupRef]) -> None:
    """Note of the groups that `source` once read in `region` and that are not `there` any more that they are gone."""
    for key, value in client.hgetall(keys.GROUPS).items():
        state = msgspec.json.decode(value, type=GroupState)
        is_its = state.source == source and state.group.region == region
        if is_its and not state.gone and state.group not in there:
            client.hset(keys.GROUPS, key, msgspec.json.encode(replace(state, fault="", gone=True)))
