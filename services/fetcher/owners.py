"""Which source reads which group: the first in the settings that matches, whichever finds it first."""

import threading
from collections.abc import Callable
from typing import Protocol

import structlog

from shared import keys
from shared.messages import GroupRef
from shared.settings import log_groups
from shared.settings.model import Source

log = structlog.get_logger()


class Reading(Protocol):
    """A task that reads a group."""

    group: GroupRef

    def __call__(self) -> float | None:
        """Read a while; return the seconds until the next time, or None when it is over."""

    def retire(self, *, gone: bool = False) -> None:
        """Leave the group alone from now on: it is another source's, or `gone`."""


class Owners:
    """The groups being read, and by which source. Sources go by rank, their place in the settings. Safe between threads."""

    def __init__(self) -> None:
        self._owners: dict[str, tuple[int, Reading]] = {}
        self._awaited: dict[tuple[int, str], Source] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._owners)

    def readings(self) -> list[Reading]:
        """Return what reads the groups now."""
        with self._lock:
            return [reading for _, reading in self._owners.values()]

    def expect(self, rank: int, region: str, source: Source) -> None:
        """Have later sources leave to this one what its names and globs match, until it has looked for itself."""
        self._awaited[rank, region] = source

    def has_looked(self, rank: int, region: str) -> None:
        """Note that a source claimed what it found in `region`, or that it is not to be waited for."""
        with self._lock:
            self._awaited.pop((rank, region), None)

    def claim(self, rank: int, group: GroupRef, make: Callable[[], Reading]) -> tuple[bool, Reading | None]:
        """Give the group to a source, unless an earlier one has it.

        Return whether that is decided, and the task that `make` made, to be started. It is not decided while an earlier
        source that matches the group has not looked yet.
        """
        group_key = keys.group_key(group)
        with self._lock:
            before, owner = self._owners.get(group_key, (rank + 1, None))
            if before <= rank:
                return True, None
            if any(
                earlier < rank and region == group.region and log_groups.covers(source, group)
                for (earlier, region), source in self._awaited.items()
            ):
                return False, None
            task = make()
            self._owners[group_key] = (rank, task)
        if owner is not None:
            owner.retire()
        return True, task

    def release(self, rank: int, region: str, found: set[GroupRef]) -> list[GroupRef]:
        """Let go of the groups that a source had in `region` and that are not there any more; return them."""
        with self._lock:
            gone = {
                group_key: task
                for group_key, (owner, task) in self._owners.items()
                if owner == rank and task.group.region == region and task.group not in found
            }
            for group_key in gone:
                del self._owners[group_key]
        for task in gone.values():
            log.info("group is gone", group=task.group.log_group, region=region)
            task.retire(gone=True)
        return [task.group for task in gone.values()]
