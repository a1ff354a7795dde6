"""One life of the daemon, without its sockets: queues, threads, counters, and the events that agents bring."""

from collections.abc import Iterator

from tests.standins.analysisd_ledger import Ledger
from tests.standins.analysisd_messages import MIN_BYTES, ROUTES, Entry, dropped_as
from tests.standins.analysisd_pace import Credits, Dawdling, Pace
from tests.standins.analysisd_setup import Orders, Setup, Traffic
from tests.standins.analysisd_threads import Counters, Decoders, InnerQueue, Pool, Rules, Writer

#: A slice of work is so many events in each pool: some milliseconds.
SLICE = 512
#: Agents that could not send for a while bring at most what they had for so long.
_TRAFFIC_SECONDS = 0.25


class Inside:
    """`take` is what the daemon's reader does with a datagram, `work` what its other threads do."""

    def __init__(self, setup: Setup, orders: Orders, ledger: Ledger, now: float, started_at: int) -> None:
        self.started_at = started_at
        self.counters = Counters()
        self.credits = Credits(0, 1, now)
        self._ledger = ledger
        self._others = InnerQueue("others", setup.others_size)
        self._processed = InnerQueue("processed", setup.processed_size)
        self._routes = {byte: InnerQueue(route.queue, setup.size) for byte, route in ROUTES.items()}
        self.queues = {queue.name: queue for queue in (self._others, self._processed, *self._routes.values())}
        self._rules = Rules(self._processed, setup.rule_threads, self.counters, ledger, now)
        self._rules.alerts = self.alerts = Writer(setup.size, Pace(None, now))
        self._rules.archives = self.archives = Writer(setup.size, Pace(None, now))
        self._decoders = [
            Decoders(queue, self._processed, route, setup.decoder_threads, self.counters, ledger, now)
            for queue, route in [(self._others, None), *((self._routes[byte], ROUTES[byte]) for byte in ROUTES)]
        ]
        self._pools: list[Pool] = [*self._decoders, self._rules]
        self._out_of_credits = False
        self._traffic: list[tuple[Traffic, Pace]] = []
        self.obey(orders, now)

    def obey(self, orders: Orders, now: float) -> None:
        """Work as ordered from now on."""
        for pool in self._decoders:
            pool.stalled = orders.decoders_stalled
            _dawdle(pool, {place: how for place, how in orders.dawdling.items() if place == "decoding"})
        _dawdle(self._rules, {place: how for place, how in orders.dawdling.items() if place != "decoding"})
        self._decoders[0].pace = Pace(orders.decoders_per_second, now)
        self._rules.pace = Pace(orders.rules_per_second, now)
        self._rules.stalled = orders.rules_stalled
        self._rules.alert_one_in = orders.alert_one_in
        self._rules.archive = orders.archive
        self.alerts.pace = Pace(orders.alerts_per_second, now)
        self.archives.pace = Pace(orders.archives_per_second, now)
        self._traffic = [(traffic, Pace(traffic.per_second, now)) for traffic in orders.traffic]

    def limit_eps(self, maximum: int, timeframe: int, now: float) -> None:
        """Start a limit with all its credits."""
        self.credits = Credits(maximum, timeframe, now)
        for pool in self._decoders:
            pool.credits = self.credits

    @property
    def busy(self) -> bool:
        """Whether there is something to do, now or later."""
        return bool(self._traffic or self.alerts.depth or self.archives.depth) or not self.idle

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way to the rules."""
        return not any(pool.busy for pool in self._pools)

    def take(self, datagram: bytes) -> None:
        """Put a datagram into its queue, or drop it."""
        message = datagram[: datagram.index(0)] if b"\0" in datagram else datagram
        if len(message) < MIN_BYTES:
            self._ledger.errors += 1
            return
        self._ledger.read += 1
        self._arrive(message, self._routes.get(message[0], self._others), len(datagram))

    def bring(self, traffic: Traffic, number: int) -> None:
        """Have agents send something."""
        queue = self.queues[traffic.queue]
        for _ in range(number):
            self._arrive(traffic.event, queue, traffic.message_bytes)

    def work(self, now: float) -> bool:
        """Do a slice of everything; return whether there was anything to do."""
        self.credits.tick(now)
        done = 0
        for traffic, pace in self._traffic:
            number = pace.allowance(now)
            pace.spend(number)
            self.bring(traffic, min(number, int(traffic.per_second * _TRAFFIC_SECONDS) + 1))
        for pool in self._pools:
            done += pool.work(now, SLICE)
        for writer in (self.alerts, self.archives):
            if writer.depth:
                writer.write(now)
        return done > 0

    def contents(self) -> Iterator[tuple[str, list[Entry]]]:
        """Yield every event that is inside, by the place where it is."""
        for pool in self._pools:
            yield pool.source.name, list(pool.source.entries)
            yield from pool.in_hand()

    def _arrive(self, entry: Entry, queue: InnerQueue, size: int) -> None:
        counters = self.counters
        counters.received += 1
        counters.received_bytes += size
        if len(queue.entries) < queue.capacity:
            queue.push(entry)
            self._out_of_credits = False
            return
        if not isinstance(entry, bytes):
            counter = entry.dropped_as
        elif queue is self._others:
            counter = dropped_as(entry)
        else:
            counter = ROUTES[entry[0]].counter
        counters.dropped[counter] = counters.dropped.get(counter, 0) + 1
        self._ledger.drop(entry, counter, ours_queued=queue.ours)
        # For the limit's own counters: once without credits, every drop is the limit's until something gets in.
        self._out_of_credits = self._out_of_credits or self.credits.used_up
        if self._out_of_credits:
            counters.eps_dropped += 1
        else:
            counters.dropped_not_eps += 1


def _dawdle(pool: Pool, orders: dict[str, tuple[int, float, int]]) -> None:
    pool.dawdling = {place: Dawdling(*how) for place, how in orders.items()}  # type: ignore[misc]
