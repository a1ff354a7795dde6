"""What is written into CloudWatch, and when: all of it drawn from one seed, none of it from a clock."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

REGION = "us-east-1"
#: Group 0 is read in a role whose sessions expire; it and group 1 get the bursts.
BUSY_GROUPS = 2
#: What is promised: a late event is read when it arrives within late_window (60 s here) of its timestamp.
LATEST_MS = 50_000
#: What comes later than that is found by a deep sweep, within sweep_window (10 min here).
VERY_LATE_MS, VERY_LATEST_MS = 130_000, 500_000
#: CloudWatch takes what is stamped up to two hours ahead.
FURTHEST_AHEAD_MS = 100 * 60_000
#: The first group of it names a datagram in the receiver's journal: its location, its origin if it is JSON, and its id.
JOURNAL_PATTERN = r"(?s)^1:(.*?\be[0-9]{7}\b)"

_LOCATION = re.compile(r"((?:[^:|]|\|.)*):(.*)", re.DOTALL)
_ORIGIN = re.compile(r'"log_group":"(.*?)","log_stream":"(.*?)"')


@dataclass(frozen=True)
class Event:
    """One event, its time relative to the moment when it is put. `copies`: that many, alike in all but CloudWatch's id."""

    id: str
    offset_ms: int
    text: str
    copies: int = 1


@dataclass(frozen=True)
class Put:
    """Events that arrive together in one stream."""

    at_seconds: float
    group: str
    stream: str
    events: tuple[Event, ...]

    @property
    def location(self) -> str:
        """What analysisd is to be told of them, as it stands in a datagram."""
        return f"Wazuh-AWS|:{REGION}|:{self.group}|:{self.stream}"


@dataclass(frozen=True)
class Size:
    """How much is written, over how long. `bursts` of so many events each come beside the trickle."""

    groups: int
    streams: int
    """Over all groups."""
    events: int
    bursts: int
    burst_events: int
    seconds: float
    late_everywhere: bool = True
    """Late events also in the busy groups, where it takes a sweep of a minute and more to find them."""
    very_late: bool = False
    """And events that only a deep sweep finds."""


def make(size: Size, random: Random) -> list[Put]:
    """Return what is written, oldest first."""
    numbers = iter(range(10_000_000))
    puts = [_burst(size, random, numbers) for _ in range(size.bursts)]
    left = size.events - sum(event.copies for put in puts for event in put.events)
    while left > 0:
        put = _trickle(size, random, numbers, min(left, random.choice((1, 3, 10, 30, 60))))
        left -= sum(event.copies for event in put.events)
        puts.append(put)
    return sorted(puts, key=lambda put: put.at_seconds)


def group_names(groups: int) -> list[str]:
    """Return the names of the groups."""
    return [f"/torture/{number:02d}" for number in range(groups)]


def events(random: Random, numbers: Iterator[int], count: int) -> list[Event]:
    """Return events of the last seconds, of all kinds, in the order of their time."""
    return [_event(random, next(numbers), at // 50 - 5_000) for at in range(count)]


def found_in(name: str) -> tuple[str, str]:
    """Return location and id from a name in the journal; a wrong origin in the event itself is seen in the location."""
    whole = _LOCATION.fullmatch(name)
    if whole is None:
        return name, ""
    location, rest = whole.groups()
    origin = _ORIGIN.search(rest)
    if origin is not None and not location.endswith(f"|:{origin[1]}|:{origin[2]}"):
        location += f" with the origin {origin[0]}"
    return location, rest[-8:]


def _burst(size: Size, random: Random, numbers: Iterator[int]) -> Put:
    group, stream = _place(size, random, busy=True)
    first_ms = -random.randint(0, 9_000)
    count = random.randint(size.burst_events // 2, size.burst_events)
    events = tuple(_event(random, next(numbers), first_ms + at // 50) for at in range(count))
    return Put(random.uniform(0.0, size.seconds), group, stream, events)


def _trickle(size: Size, random: Random, numbers: Iterator[int], count: int) -> Put:
    busy = random.random() < BUSY_GROUPS / size.groups
    group, stream = _place(size, random, busy=busy)
    when = random.random()
    if when < 0.05 and (size.late_everywhere or not busy):
        low, high = -LATEST_MS, -15_000
    elif when < 0.06 and size.very_late:
        low, high = -VERY_LATEST_MS, -VERY_LATE_MS
    elif when < 0.08:
        low, high = 60_000, FURTHEST_AHEAD_MS
    else:
        low, high = -5_000, 0
    same = random.randint(low, high)
    events = [
        # Some share their millisecond, and some are twins, alike to the last byte.
        _event(
            random,
            next(numbers),
            same if random.random() < 0.2 else random.randint(low, high),
            copies=2 if random.random() < 0.02 else 1,
        )
        for _ in range(count)
    ]
    return Put(random.uniform(0.0, size.seconds), group, stream, tuple(events))


def _place(size: Size, random: Random, *, busy: bool) -> tuple[str, str]:
    number = random.randrange(BUSY_GROUPS) if busy else random.randrange(BUSY_GROUPS, size.groups)
    stream = random.randrange(max(1, size.streams // size.groups))
    return f"/torture/{number:02d}", f"2026/11/[$LATEST]web-{number:02d}-{stream:03d}"


def _event(random: Random, number: int, offset_ms: int, copies: int = 1) -> Event:
    name = f"e{number:07d}"
    kind = random.random()
    if kind < 0.4:
        text = json.dumps({"torture": name, "user": "älice", "n": number, "pad": "x" * random.randint(0, 150)})
    elif kind < 0.45:
        text = f"{name} first line\n\tat second.line({number})\n\tat third"
    else:
        text = f"{name} sshd[{number % 30_000}]: Accepted publickey for user {'y' * random.randint(0, 150)}"
    return Event(name, offset_ms, text, copies)
