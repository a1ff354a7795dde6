"""What a list shows of any number of entries: how many by reason and group, and the newest of them. Memory is bounded."""

import heapq
import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from services.operator.dead_letters.selection import Entry
from services.operator.dead_letters.text import moment, row
from shared.visible import visible

#: Pairs of reason and group that are told apart: a reason may quote the event, and then there are as many as events.
MAX_KINDS = 1_000
#: Of these, so many are shown.
SHOWN_KINDS = 30
#: A reason in a line; `show` has the whole.
REASON_CHARACTERS = 160

OTHERS = ("other reasons", "other groups")


class Kind(msgspec.Struct):
    """Entries of one reason and group."""

    entries: int = 0
    events: int = 0
    bytes: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0

    def add(self, entry: Entry) -> None:
        """Count one more."""
        at_ms = entry.letter.at_ms
        self.oldest_ms = min(self.oldest_ms, at_ms) if self.entries else at_ms
        self.newest_ms = max(self.newest_ms, at_ms) if self.entries else at_ms
        self.entries += 1
        self.events += entry.letter.events
        self.bytes += len(entry.data)


class Overview:
    """Entries, counted by kind; the newest `limit` of them at hand."""

    def __init__(self, entries: Iterable[Entry], limit: int = 0) -> None:
        """Take all of `entries`, however long that takes."""
        self.total = Kind()
        self.kinds: dict[tuple[str, str], Kind] = {}
        newest: list[tuple[int, str, dict[str, Any]]] = []
        for entry in entries:
            self.total.add(entry)
            self._kind(entry).add(entry)
            if not limit:
                continue
            place = (entry.letter.at_ms, f"{entry.id} {self.total.entries}")
            if len(newest) < limit:
                heapq.heappush(newest, (*place, _row(entry)))
            elif place > newest[0][:2]:
                heapq.heapreplace(newest, (*place, _row(entry)))
        self.newest = [shown for _, _, shown in sorted(newest, key=lambda one: one[:2])]
        """Rows, the newest last."""

    @property
    def left_out(self) -> int:
        """Entries that are not among the newest."""
        return self.total.entries - len(self.newest)

    def _kind(self, entry: Entry) -> Kind:
        group = entry.letter.group
        name = (_short(entry.letter.reason), group.log_group if group else "")
        if name not in self.kinds and len(self.kinds) >= MAX_KINDS:
            name = OTHERS
        return self.kinds.setdefault(name, Kind())

    def summary(self, what: str) -> Iterator[str]:
        """Yield how many there are, as lines for people; `what` they are, in the plural."""
        events = f" of {self.total.events:,} events" if self.total.events else ""
        yield f"{self.total.entries:,} {what}{events}, {self.total.bytes:,} bytes in Redis"
        kinds = sorted(self.kinds.items(), key=lambda kind: -kind[1].entries)
        if not kinds:
            return
        yield ""
        yield f"{'count':>9}  {'oldest':20}  {'newest':20}  group  reason"
        for (reason, group), kind in kinds[:SHOWN_KINDS]:
            times = f"{moment(kind.oldest_ms):20}  {moment(kind.newest_ms):20}"
            yield f"{kind.entries:>9,}  {times}  {visible(group) or '-'}  {visible(reason) or '-'}"
        rest = sum(kind.entries for _, kind in kinds[SHOWN_KINDS:])
        if rest:
            yield f"{rest:>9,}  of {len(kinds) - SHOWN_KINDS:,} more kinds"

    def lines(self, what: str) -> Iterator[str]:
        """Yield the whole list as lines for people."""
        yield from self.summary(what)
        if self.left_out:
            yield from ("", f"{self.left_out:,} older ones are not shown: see --limit")
        elif self.newest:
            yield ""
        for shown in self.newest:
            where = "  ".join(visible(shown[name]) or "-" for name in ("region", "log_group", "log_stream"))
            reason = visible(shown["reason"]) or "-"
            yield f"{shown['at']}  {visible(shown['id'])}  {where}  {shown['bytes']:,} bytes  {reason}"

    def json_lines(self) -> Iterator[str]:
        """Yield the whole list as JSON objects: a summary a reason and group, the entries, and how many were left out."""
        for (reason, group), kind in self.kinds.items():
            counts = {"entries": kind.entries, "events": kind.events, "bytes": kind.bytes}
            times = {"oldest": moment(kind.oldest_ms), "newest": moment(kind.newest_ms)}
            yield json.dumps({"kind": "summary", "reason": reason, "log_group": group, **counts, **times})
        yield from map(json.dumps, self.newest)
        if self.left_out:
            yield json.dumps({"kind": "left_out", "entries": self.left_out})


def _row(entry: Entry) -> dict[str, Any]:
    return row(entry) | {"reason": _short(entry.letter.reason)}


def _short(reason: str) -> str:
    return reason if len(reason) <= REASON_CHARACTERS else reason[: REASON_CHARACTERS - 3] + "..."
