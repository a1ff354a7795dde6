"""The threads of the stand-in: decoders and rules, and what they have in their hands between two queues.

Nothing runs at the same time here. A pool of N threads does its work in slices, and at the end of each slice it holds
what N threads would hold: events that are taken from one queue and not yet counted, or not yet in the next.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.standins.analysisd_ledger import Ledger
from tests.standins.analysisd_messages import Entry, Fate, Malformed, Route, decoded_as
from tests.standins.analysisd_pace import UNLIMITED, Credits, Dawdling, Pace
from tests.standins.analysisd_setup import Place


class InnerQueue:
    """A ring of `size` places, of which the daemon leaves one free."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self.capacity = size - 1
        self.entries: deque[Entry] = deque()
        self.deepest = 0
        self._from_agents = 0

    @property
    def room(self) -> int:
        """How many more it takes."""
        return self.capacity - len(self.entries)

    @property
    def ours(self) -> int:
        """How many of the entries came through the socket."""
        return len(self.entries) - self._from_agents

    def push(self, entry: Entry) -> None:
        """Put one in."""
        self.entries.append(entry)
        if len(self.entries) > self.deepest:
            self.deepest += 1
        if entry.__class__ is not bytes:
            self._from_agents += 1

    def push_all(self, entries: Sequence[Entry]) -> None:
        """Put some in."""
        self.entries.extend(entries)
        self.deepest = max(self.deepest, len(self.entries))
        self._from_agents += count_from_agents(entries)

    def pop(self, number: int) -> list[Entry]:
        """Take the oldest ones out."""
        take = self.entries.popleft
        taken = [take() for _ in range(number)]
        if self._from_agents:
            self._from_agents -= count_from_agents(taken)
        return taken


def count_from_agents(entries: Sequence[Entry]) -> int:
    """Return how many are not ours."""
    return len(entries) - list(map(type, entries)).count(bytes)


@dataclass
class Writer:
    """A queue to a file that somebody writes: alerts, archives. Only its depth is of interest."""

    size: int
    pace: Pace
    depth: int = 0
    written: int = 0
    idle: bool = True

    @property
    def room(self) -> int:
        """How many more it takes."""
        return self.size - 1 - self.depth

    def write(self, now: float) -> None:
        """Write what the pace allows."""
        if self.idle:
            self.pace.wake(now)
        number = min(self.depth, self.pace.allowance(now))
        self.depth -= number
        self.written += number
        self.pace.spend(number)
        self.idle = not self.depth


@dataclass
class Counters:
    """What one daemon counts while it lives."""

    received: int = 0
    received_bytes: int = 0
    processed: int = 0
    decoded: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    eps_dropped: int = 0
    dropped_not_eps: int = 0


@dataclass
class _Kept:
    """An event in the hand of a thread that does not go on for now."""

    entry: Entry
    place: Place
    until: float
    passes: int


class Pool(ABC):
    """Threads that take from one queue."""

    def __init__(self, source: InnerQueue, threads: int, now: float) -> None:
        self.source = source
        self.pace = Pace(None, now)
        self.stalled = False
        self.dawdling: dict[Place, Dawdling] = {}
        self.hands: deque[Entry] = deque()
        """Of the threads that would go on at once."""
        self._threads = threads
        self._kept: list[_Kept] = []
        self._blocked: deque[Entry] = deque()
        """Done, and waiting for a place in the next queue."""
        self._was_idle = True

    @property
    def busy(self) -> bool:
        """Whether there is something to do, now or later."""
        return bool(self.source.entries or self.hands or self._kept or self._blocked)

    def work(self, now: float, budget: int) -> int:
        """Do a slice; return how many events it did."""
        if not self.busy:
            self._was_idle = True
            return 0
        if self._was_idle:
            self._was_idle = False
            self.pace.wake(now)
        done = 0
        if not self.stalled:
            allowed = min(budget, self.pace.allowance(now), self._allowance())
            done = self._work(now, allowed)
            self.pace.spend(done)
            if done < allowed:
                self.pace.rest()
        self._pick_up()
        return done

    def in_hand(self) -> Iterator[tuple[str, list[Entry]]]:
        """Yield what is out of its queue, by place."""
        yield self._place_of_hands, list(self.hands)
        for kept in self._kept:
            yield kept.place, [kept.entry]

    def _work(self, now: float, allowed: int) -> int:
        done = 0
        while True:
            if self._kept:
                self._resume(now)
            number = self._ready(allowed - done)
            if number <= 0:
                return done
            place = next((place for place, dawdling in self.dawdling.items() if dawdling.reach(1) == 0), None)
            if place is not None:
                self._keep(place, now)
                done += 1
                continue
            for dawdling in self.dawdling.values():
                number = dawdling.reach(number)
            for kept in self._kept:
                number = min(number, kept.passes)
            for dawdling in self.dawdling.values():
                dawdling.passed(number)
            for kept in self._kept:
                kept.passes -= number
            self._finish(self._draw(number))
            done += number

    def _keep(self, place: Place, now: float) -> None:
        dawdling = self.dawdling[place]
        dawdling.strike()
        self._kept.append(_Kept(self._draw_for(place), place, now + dawdling.seconds, dawdling.overtaken_by))

    def _resume(self, now: float) -> None:
        due = [kept for kept in self._kept if kept.until <= now or kept.passes <= 0]
        for kept in due:
            self._kept.remove(kept)
            self._go_on(kept.place, kept.entry)

    def _draw(self, number: int) -> list[Entry]:
        """Return the next events: first those in hand."""
        hands = [self.hands.popleft() for _ in range(min(number, len(self.hands)))]
        return hands + self._take(number - len(hands))

    def _pick_up(self) -> None:
        """Let every thread that has nothing take something from the queue."""
        number = min(self._free - len(self.hands), len(self.source.entries))
        if number > 0:
            self.hands += self._take(number)

    @property
    def _free(self) -> int:
        """How many threads are not held up, with something in hand or not."""
        return self._threads - len(self._kept) - len(self._blocked)

    def _ready(self, wanted: int) -> int:
        """Return how many events can be done now."""
        return min(wanted, len(self.hands) + len(self.source.entries)) if self._free > 0 else 0

    def _allowance(self) -> int:
        return UNLIMITED

    def _take(self, number: int) -> list[Entry]:
        """Take from the queue."""
        return self.source.pop(number)

    def _draw_for(self, place: Place) -> Entry:
        """Return the next event for a thread that keeps it at `place`."""
        del place
        return self._draw(1)[0]

    def _go_on(self, place: Place, entry: Entry) -> None:
        """Do what is left to do with an event that was kept."""
        del place
        self._finish([entry])

    _place_of_hands: str

    @abstractmethod
    def _finish(self, batch: list[Entry]) -> None:
        """Do what these threads do."""


class Decoders(Pool):
    """Take from a queue, wait for an EPS credit, count the event decoded, and put it into the queue `processed`.

    When that is full each waits with one event in hand that is counted already.
    """

    _place_of_hands = "decoding"

    def __init__(
        self,
        source: InnerQueue,
        target: InnerQueue,
        route: Route | None,
        threads: int,
        counters: Counters,
        ledger: Ledger,
        now: float,
    ) -> None:
        super().__init__(source, threads, now)
        self.credits = Credits(0, 1, now)
        self._target = target
        self._route = route
        self._counters = counters
        self._ledger = ledger

    def in_hand(self) -> Iterator[tuple[str, list[Entry]]]:
        """Yield what is out of its queue, by place."""
        yield from super().in_hand()
        yield "decoded", list(self._blocked)

    def _work(self, now: float, allowed: int) -> int:
        self._push()
        done = super()._work(now, allowed)
        self.credits.take(done)
        return done

    def _ready(self, wanted: int) -> int:
        # Into a full queue each thread decodes one more, and waits with it.
        return min(super()._ready(wanted), self._target.room or self._free)

    def _allowance(self) -> int:
        return self.credits.available

    def _finish(self, batch: list[Entry]) -> None:
        counts = self._counters.decoded
        go_on = self._blocked.append
        for entry in batch:
            try:
                counter, fate = self._decode(entry)
            except Malformed:
                self._ledger.errors += 1
                continue
            counts[counter] = counts.get(counter, 0) + 1
            if fate != "decoder":
                go_on(entry)
            elif isinstance(entry, bytes):
                self._ledger.ended_in_decoders += 1
        self._push()

    def _decode(self, entry: Entry) -> tuple[str, Fate]:
        if not isinstance(entry, bytes):
            return entry.decoded_as, entry.fate
        if self._route is not None:
            return self._route.counter, self._route.fate
        return decoded_as(entry)

    def _push(self) -> None:
        room = self._target.room
        if len(self._blocked) <= room:
            self._target.push_all(self._blocked)
            self._blocked.clear()
        else:
            self._target.push_all([self._blocked.popleft() for _ in range(room)])


class Rules(Pool):
    """Take from the queue `processed`, count, and only then run the rules: alerts and archives come after them.

    A full queue of alerts holds the threads up; an archive line that finds no place is lost without a word.
    """

    _place_of_hands = "rules"

    def __init__(self, source: InnerQueue, threads: int, counters: Counters, ledger: Ledger, now: float) -> None:
        super().__init__(source, threads, now)
        self.alert_one_in = 0
        self.archive = False
        self.alerts: Writer
        self.archives: Writer
        self._counters = counters
        self._ledger = ledger
        self._since_alert = 0

    def _ready(self, wanted: int) -> int:
        ready = super()._ready(wanted)
        if self.alert_one_in:
            ready = min(ready, (self.alerts.room + 1) * self.alert_one_in - self._since_alert - 1)
        return ready

    def _take(self, number: int) -> list[Entry]:
        taken = super()._take(number)
        self._count(taken)
        return taken

    def _draw_for(self, place: Place) -> Entry:
        if place == "labels" and self.source.entries:
            return super()._take(1)[0]
        return super()._draw_for(place)

    def _go_on(self, place: Place, entry: Entry) -> None:
        if place == "labels":
            self._count([entry])
        super()._go_on(place, entry)

    def _count(self, taken: list[Entry]) -> None:
        ignored = sum(entry.fate == "ignored" for entry in taken if not isinstance(entry, bytes))
        self._counters.processed += len(taken) - ignored

    def _finish(self, batch: list[Entry]) -> None:
        self._ledger.record(batch)
        number = len(batch)
        if self.alert_one_in:
            alerts, self._since_alert = divmod(self._since_alert + number, self.alert_one_in)
            self.alerts.depth += alerts
        if self.archive:
            written = min(number, self.archives.room)
            self.archives.depth += written
            self._ledger.archives_lost += number - written
