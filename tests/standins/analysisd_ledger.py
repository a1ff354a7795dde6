"""What became of the events, over all lives of a stand-in: processed, dropped, or lost with a daemon that died."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from tests.standins.analysisd_messages import Entry

_PROCESSED, _DROPPED, _BESIDE = b"P", b"D", b"B"
_LONGEST_LINE = 1 << 17


def digest(message: bytes) -> bytes:
    """Return 64 bits that tell one datagram from another, in hex."""
    return hashlib.blake2b(message, digest_size=8).hexdigest().encode()


def identity(pattern: str | None, otherwise: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return what names an event: the first group of `pattern` where it is found in the datagram."""
    if pattern is None:
        return otherwise
    search = re.compile(pattern.encode()).search

    def name(message: bytes) -> bytes:
        found = search(message)
        return found[1] if found else otherwise(message)

    return name


class Ledger:
    """Our events are those that came through the socket. `keep`: hold them whole, in the order they were processed."""

    def __init__(self, *, keep: bool, id_pattern: str | None, journal: Path | None) -> None:
        self.processed: list[bytes] = []
        self.processed_total = 0
        self.read = 0
        self.probes = 0
        self.errors = 0
        """Too short, or impossible to take apart: lost with a line in the daemon's log."""
        self.cut = 0
        """Longer than what the daemon reads of a datagram."""
        self.ended_in_decoders = 0
        """Of kinds that no rule sees (syscheck, dbsync, ...)."""
        self.dropped: dict[str, int] = {}
        self.lost: dict[str, int] = {}
        """By the place where they were when the daemon died; `unread` ones were still in the kernel's queue."""
        self.agents_processed = 0
        self.agents_dropped: dict[str, int] = {}
        self.agents_dropped_beside_ours = 0
        """Dropped while an event of ours took a place in the same queue."""
        self.archives_lost = 0
        self.deepest: dict[str, int] = {}
        self._keep = keep
        self._name = identity(id_pattern, bytes if keep else digest)
        self._journal_name = identity(id_pattern, digest)
        self._counts: Counter[bytes] = Counter()
        self._dropped: Counter[bytes] = Counter()
        self._lost: Counter[bytes] = Counter()
        self._journal = _open(journal) if journal is not None else None

    @property
    def counts(self) -> dict[bytes, int]:
        """How often each event was processed."""
        return Counter(map(self._name, list(self.processed))) if self._keep else dict(self._counts)

    @property
    def dropped_events(self) -> dict[bytes, int]:
        """How often each event was dropped."""
        return dict(self._dropped)

    @property
    def lost_events(self) -> dict[bytes, int]:
        """How often each event was lost with a daemon that died."""
        return dict(self._lost)

    def close(self) -> None:
        """Let go of the journal."""
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None

    def record(self, batch: Collection[Entry]) -> None:
        """Note events that are through the rules."""
        ours = [entry for entry in batch if isinstance(entry, bytes)]
        self.processed_total += len(ours)
        self.agents_processed += len(batch) - len(ours)
        if self._keep:
            self.processed += ours
        if self._journal is not None:
            names = list(map(self._journal_name, ours))
            if not self._keep:
                self._counts.update(names)
            self._write(_PROCESSED, names)
        elif not self._keep:
            self._counts.update(map(self._name, ours))

    def drop(self, entry: Entry, counter: str, *, ours_queued: int) -> None:
        """Note an event that found no place in its queue."""
        if isinstance(entry, bytes):
            self.dropped[counter] = self.dropped.get(counter, 0) + 1
            self._dropped[self._name(entry)] += 1
            self._write(_DROPPED, [self._journal_name(entry)])
            return
        self.agents_dropped[counter] = self.agents_dropped.get(counter, 0) + 1
        if ours_queued:
            self.agents_dropped_beside_ours += 1
            self._write(_BESIDE, [b"1"])

    def lose(self, place: str, entries: Collection[Entry]) -> None:
        """Note events that died with the daemon."""
        ours = [entry for entry in entries if isinstance(entry, bytes)]
        if ours:
            self.lost[place] = self.lost.get(place, 0) + len(ours)
            self._lost.update(map(self._name, ours))

    def _write(self, kind: bytes, names: list[bytes]) -> None:
        if self._journal is not None and names:
            os.write(self._journal, b"".join(b"%s %s\n" % (kind, name) for name in names))


@dataclass
class Journaled:
    """What a journal says, by id or digest."""

    processed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    agents_dropped_beside_ours: int = 0

    @property
    def caused_a_drop(self) -> bool:
        """Whether an event of ours was dropped, or one of the agents' for which ours left no place."""
        return bool(self.dropped or self.agents_dropped_beside_ours)


def read_journal(path: Path) -> Journaled:
    """Return what the journal at `path` holds so far; a line that a kill cut short counts for nothing."""
    said = Journaled()
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for line in whole.split(b"\n"):
        kind, _, name = line.partition(b" ")
        if kind == _PROCESSED:
            said.processed[name.decode()] += 1
        elif kind == _DROPPED:
            said.dropped[name.decode()] += 1
        elif kind == _BESIDE:
            said.agents_dropped_beside_ours += 1
    return said


def _open(path: Path) -> int:
    """Open a journal to append to it, without the last line if a kill cut it short."""
    journal = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    size = os.fstat(journal).st_size
    tail_at = max(0, size - _LONGEST_LINE)
    tail = os.pread(journal, _LONGEST_LINE, tail_at)
    os.ftruncate(journal, tail_at + tail.rfind(b"\n") + 1)
    return journal
