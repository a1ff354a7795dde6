"""Log groups that hold the events put into them, by account and region."""

import itertools
import threading
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter

from tests.standins.cloudwatch_errors import not_found
from tests.standins.cloudwatch_events import Chunk, Event, Limits, Position, Query, cut, make_event
from tests.standins.cloudwatch_request import partition

#: Arrival, over all groups of this process: what makes every position and every eventId unique.
SEQUENCE = itertools.count(1)

_timestamp = itemgetter(0)
_position = itemgetter(0, 1, 2)


@dataclass(kw_only=True)
class Details:
    """What DescribeLogGroups says about a group."""

    account: str
    region: str
    name: str
    created_ms: int
    log_class: str = "STANDARD"
    retention_days: int | None = None

    @property
    def arn(self) -> str:
        """The form that logGroupIdentifier takes, without the trailing `:*`."""
        return f"arn:{partition(self.region)}:logs:{self.region}:{self.account}:log-group:{self.name}"


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What DescribeLogStreams says about a stream."""

    name: str
    created_ms: int
    first_ms: int | None = None
    last_ms: int | None = None
    last_ingestion_ms: int | None = None


class Group:
    """What every group can do; where its events come from is the subclass's business."""

    def __init__(self, details: Details) -> None:
        self.details = details

    def scan(self, query: Query, after: Position | None, now_ms: int) -> Iterator[Event]:
        """Yield the visible events that `query` wants after a position, in its direction."""
        raise NotImplementedError

    def streams(self, now_ms: int) -> list[Stream]:
        """Return the streams, by name, as the events ingested up to `now_ms` show them."""
        raise NotImplementedError

    def has_stream(self, name: str) -> bool:
        """Return whether such a stream exists."""
        raise NotImplementedError

    def stored_bytes(self) -> int:
        """Return what the group's events weigh."""
        raise NotImplementedError

    def remove_stream(self, name: str) -> None:
        """Delete a stream with its events."""
        raise NotImplementedError

    def at(self, positions: Sequence[Position]) -> list[Event]:
        """Return the events at exactly these positions."""
        raise NotImplementedError

    def read(self, query: Query, after: Position | None, limits: Limits, now_ms: int) -> Chunk:
        """Return one page."""
        return cut(self.scan(query, after, now_ms), limits)


class StoredGroup(Group):
    """A group whose events were put into it. Safe between threads."""

    def __init__(self, details: Details) -> None:
        super().__init__(details)
        self._events: list[Event] = []
        self._arrived: list[Event] = []
        self._bytes = 0
        self._streams: dict[str, int] = {}
        self._lock = threading.RLock()

    def add_stream(self, name: str, created_ms: int) -> None:
        """Make a stream, unless there is one."""
        with self._lock:
            self._streams.setdefault(name, created_ms)

    def remove_stream(self, name: str) -> None:
        """Delete a stream with its events."""
        with self._lock:
            del self._streams[name]
            self._events = [event for event in self._in_order() if event.stream != name]
            self._bytes = sum(event.size for event in self._events)

    def add(self, stream: str, events: Sequence[tuple[int, str]], ingestion_ms: int, visible_at_ms: int) -> list[Event]:
        """Append events as they arrive, in any order of time."""
        made = [
            make_event(Position(timestamp_ms, ingestion_ms, next(SEQUENCE)), stream, message, visible_at_ms)
            for timestamp_ms, message in events
        ]
        with self._lock:
            self.add_stream(stream, ingestion_ms)
            self._arrived.extend(made)
            self._bytes += sum(event.size for event in made)
        return made

    def scan(self, query: Query, after: Position | None, now_ms: int) -> Iterator[Event]:
        """Yield the visible events that `query` wants after a position, in its direction."""
        events = self._in_order()
        low = bisect_left(events, query.start_ms, key=_timestamp)
        high = bisect_right(events, query.end_ms, key=_timestamp)
        if after is not None and query.newest_first:
            high = min(high, bisect_left(events, after, key=_position))
        elif after is not None:
            low = max(low, bisect_right(events, after, key=_position))
        for index in range(high - 1, low - 1, -1) if query.newest_first else range(low, high):
            event = events[index]
            if event.visible_at_ms <= now_ms and query.matches(event.stream, event.message):
                yield event

    def at(self, positions: Sequence[Position]) -> list[Event]:
        """Return the events at exactly these positions."""
        events = self._in_order()
        indexes = [bisect_left(events, position, key=_position) for position in positions]
        return [events[index] for index in indexes if index < len(events) and events[index].position in positions]

    def streams(self, now_ms: int) -> list[Stream]:
        """Return the streams, by name, as the events ingested up to `now_ms` show them."""
        by_stream: dict[str, list[Event]] = defaultdict(list)
        for event in self._in_order():
            if event.ingestion_ms <= now_ms:
                by_stream[event.stream].append(event)
        with self._lock:
            names = sorted(self._streams.items())
        return [_stream(name, created_ms, by_stream[name]) for name, created_ms in names]

    def has_stream(self, name: str) -> bool:
        """Return whether such a stream exists."""
        return name in self._streams

    def stored_bytes(self) -> int:
        """Return what the group's events weigh."""
        return self._bytes

    def _in_order(self) -> list[Event]:
        """Return the events sorted, in a list that nobody changes any more."""
        with self._lock:
            if self._arrived:
                self._events = sorted(self._events + self._arrived)
                self._arrived = []
            return self._events


class Groups:
    """Every group of every account and region, and which accounts show theirs to which other."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], dict[str, Group]] = defaultdict(dict)
        self._links: dict[str, set[str]] = defaultdict(set)
        self._lock = threading.Lock()

    def add(self, group: Group) -> None:
        """Make a group known; one of the same name is replaced."""
        with self._lock:
            self._groups[group.details.account, group.details.region][group.details.name] = group

    def remove(self, account: str, region: str, name: str) -> None:
        """Delete a group."""
        with self._lock:
            del self._groups[account, region][name]

    def find(self, account: str, region: str, name: str) -> Group | None:
        """Return a group, None when there is none."""
        with self._lock:
            return self._groups[account, region].get(name)

    def get(self, account: str, region: str, name: str) -> Group:
        """Return a group; a ResourceNotFoundException when there is none."""
        group = self.find(account, region, name)
        if group is None:
            raise not_found("log group")
        return group

    def listed(self, accounts: Sequence[str], region: str) -> list[Group]:
        """Return the groups of some accounts in one region, in ASCII order."""
        with self._lock:
            found = [group for account in accounts for group in self._groups[account, region].values()]
        return sorted(found, key=attrgetter("details.name", "details.account"))

    def link(self, monitoring: str, source: str) -> None:
        """Let `monitoring` read the groups of `source`, by ARN."""
        with self._lock:
            self._links[monitoring].add(source)

    def linked(self, monitoring: str) -> list[str]:
        """Return the accounts whose groups `monitoring` may read."""
        with self._lock:
            return sorted(self._links[monitoring])


def _stream(name: str, created_ms: int, events: Sequence[Event]) -> Stream:
    if not events:
        return Stream(name=name, created_ms=created_ms)
    return Stream(
        name=name,
        created_ms=created_ms,
        first_ms=events[0].timestamp_ms,
        last_ms=events[-1].timestamp_ms,
        last_ingestion_ms=max(event.ingestion_ms for event in events),
    )
