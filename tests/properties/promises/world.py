"""The whole pipeline in one process: two of each role, two groups, a receiver, and a Redis with a past."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import redis

from services.fetcher import slices
from shared import keys
from shared.errors import SourceError
from shared.settings.model import Source
from tests.properties.promises import snapshots, state
from tests.properties.promises.cloudwatch import DISCARDED, CloudWatchGroup, Kind, Put, label_of
from tests.properties.promises.effects import NO_FAULT, Crash, Fault
from tests.properties.promises.ledger import Ledger
from tests.properties.promises.receiver import Receiver
from tests.properties.promises.stages import Connections, Fetcher, ForwarderProcess, new_normalizer
from tests.unit.fetcher.modelled_group import Clock

NOW_MS = 1_800_000_000_000
LATE_MS = 60_000
#: Reading begins in the past: the first reads are a backlog.
BEGIN_MS = NOW_MS - 3 * LATE_MS
#: More calls than any round takes here.
MANY_POLLS = 100


class World:
    """What there is, and what may happen in it."""

    def __init__(self, connections: Connections, sizes: tuple[int, ...], *, sweeps_deep: bool) -> None:
        self._source = Source(
            name="s",
            regions=("eu-west-1",),
            log_groups=("/*",),
            late_window=LATE_MS,
            sweep_window=5 * LATE_MS,
            sweep_interval=2 * LATE_MS if sweeps_deep else 0,
            discard_regex=DISCARDED,
        )
        self.effects = connections.effects
        self.clock = Clock(NOW_MS)
        self.groups = [CloudWatchGroup(name, self.clock, self.effects, sizes) for name in ("/a", "/b")]
        self.receiver = Receiver()
        self.ledger = Ledger()
        self.rollbacks = 0
        self._connections = connections
        self._client = connections.observer
        self._client.flushdb()
        self._labels = 0
        self._latest_ms = NOW_MS
        self._past: tuple[snapshots.Snapshot, Ledger] | None = None
        self._in_hand = ""
        self._fetchers = [self._new_fetcher(which) for which in range(2)]
        self._normalizers = [self._new_normalizer(which) for which in range(2)]
        self._forwarders = [self._new_forwarder(which) for which in range(2)]
        self.check()

    # What happens outside.

    def put(self, group: int, kind: Kind, count: int, late_ms: int, delay_ms: int, *, are_twins: bool) -> None:
        """Let events arrive; twins have one time and one text, and are two events all the same."""
        timestamp = min(self.clock.now_ms + delay_ms - late_ms, self.clock.now_ms + slices.AHEAD_MS)
        for _ in range(count):
            self._labels += 1
            for _ in range(1 + are_twins):
                self.groups[group].put(timestamp, kind, f"[{self._labels}]", delay_ms=delay_ms)

    def spoil(self, queue: str, pick: int) -> None:
        """Have a payload that nobody has worked on be nonsense of the same length."""
        found = self.state
        whole = [
            batch_id
            for batch_id in found.outstanding[queue]
            if batch_id not in found.progress and (queue, batch_id) not in self.ledger.spoiled
        ]
        if whole:
            batch_id = whole[pick % len(whole)]
            nonsense = b"?" * len(found.payloads[queue][batch_id])
            self._client.set(keys.payload(queue, batch_id), nonsense)
            self.ledger.spoiled[queue, batch_id] = nonsense

    def save(self) -> None:
        """Have Redis keep its state, to go back to."""
        self._past = snapshots.take(self._client), self.ledger.copied()

    def roll_back(self) -> None:
        """Have Redis start anew from the state it kept, if it did."""
        if self._past is not None:
            snapshot, ledger = self._past
            snapshots.restore(self._client, snapshot)
            self.ledger = ledger.copied()
            self.effects.server_starts += 1
            self.rollbacks += 1

    # What the processes do. Each returns whether it did what it was asked for.

    def poll(
        self, which: int, group: int, pages: int, fault: Fault, meanwhile: Callable[[], object] = lambda: None
    ) -> bool:
        """Have a fetcher read some pages; return whether its round is over."""
        return self._work(
            lambda: not self._fetchers[which].poll(group, pages), fault, meanwhile, lambda: self._kill_fetcher(which)
        )

    def normalize(
        self, which: int, batch_id: str, fault: Fault, meanwhile: Callable[[], object] = lambda: None
    ) -> bool:
        """Have a normalizer work on a batch, be it done or not."""

        def work() -> bool:
            rollbacks = self.rollbacks
            self._normalizers[which].normalize(batch_id, self.ledger.facts["raw", batch_id])
            assert self.rollbacks > rollbacks or self._is_done("raw", batch_id), "its job is over, and it is not done"
            return True

        return self._work(work, fault, meanwhile, lambda: self._kill_normalizer(which))

    def forward(self, which: int, batch_id: str, fault: Fault, meanwhile: Callable[[], object] = lambda: None) -> bool:
        """Have a forwarder work on a batch, be it done or not; False: it was killed or failed, or has given it back."""
        outer, self._in_hand = self._in_hand, batch_id
        ended = given_back = False

        def work() -> bool:
            nonlocal ended, given_back
            rollbacks = self.rollbacks
            given_back = not self._forwarders[which].forward(batch_id, self.ledger.facts["enriched", batch_id])
            ended = True
            is_done = given_back or self.rollbacks > rollbacks or self._is_done("enriched", batch_id)
            assert is_done, "its job is over, and it is not done"
            return not given_back

        try:
            return self._work(work, fault, meanwhile, lambda: self._kill_forwarder(which))
        finally:
            self._in_hand = outer
            if not ended:
                self.ledger.interruptions[batch_id] += 1
            if self._forwarders[which].stop.is_set():
                self._kill_forwarder(which)

    def take_over(self, which: int, batch_id: str, fault: Fault) -> None:
        """Have a forwarder work on a batch that another has in hand, whose claim has run out."""
        self.ledger.interruptions[batch_id] += 1
        self.forward(which, batch_id, fault)

    def times_interrupted(self) -> int:
        """Return what RQ tells of the job in hand."""
        return self.ledger.interruptions[self._in_hand]

    def provide(self, queue: str) -> None:
        """Have something waiting on a queue, with nothing in the way."""
        if not self.state.outstanding["raw"] and not self.state.outstanding[queue]:
            self.put(0, "json", 3, 0, 0, are_twins=False)
            self.put(1, "long", 1, 0, 0, are_twins=False)
            self._read_everything()
            self.check()
        while not self.state.outstanding[queue] and self.state.outstanding["raw"]:
            self.normalize(0, self.state.outstanding["raw"][0], NO_FAULT)
            self.check()

    def settle(self) -> None:
        """Have everything done that can be done now, with nothing in the way."""
        self.receiver.pace = 100
        if not self.receiver.is_there:
            self.receiver.restart()
        self._read_everything()
        self.check()
        for batch_id in self.state.outstanding["raw"]:
            assert self.normalize(0, batch_id, NO_FAULT)
        self.check()
        for batch_id in self.state.outstanding["enriched"]:
            assert self.forward(0, batch_id, NO_FAULT), "it does not get on with a receiver that does"
        self.check()
        assert {"raw": [], "enriched": []} == self.state.outstanding
        assert {} == self.state.progress

    def finish(self) -> None:
        """Let time pass until nothing can be late any more; then everything promised has happened."""
        self.clock.behind_ms = 0
        for _ in range(8):
            self.clock.now_ms += LATE_MS // 4
            self._read_everything()
        self.check()
        self.clock.now_ms += slices.AHEAD_MS + 2 * LATE_MS
        for _ in range(3):  # the first may only end a round, the second reads, the third forgets
            self._read_everything()
        self.settle()
        self.ledger.check_at_the_end(self.state, self.receiver.processed)
        self._check_every_event()
        if not self._source.sweep_interval:  # a deep sweep needs some of it, long afterwards
            assert 0 == sum(self.state.seen.values()), "remembered, and never looked at again"

    def _read_everything(self) -> None:
        for group in range(len(self.groups)):
            assert any(self.poll(0, group, 8, NO_FAULT) for _ in range(MANY_POLLS)), "it calls AWS again and again"

    # What has to be true.

    def check(self) -> None:
        """Look at Redis, and compare what it holds with what it held, and with what the receiver got."""
        self.state = state.read(self._client)
        self._latest_ms = max(self._latest_ms, self.clock.now_ms)
        self.ledger.observe(self.state)
        self.ledger.check(self.state, self._latest_ms)
        if not self.rollbacks:  # what was repeated since is in no books that are left
            repeats = sum((self.receiver.processed - self.ledger.times_enriched()).values())
            assert repeats <= sum(account.get("sent_again", 0) for account in self.state.books.values())

    def _check_every_event(self) -> None:
        due: Counter[str] = Counter()
        for group in self.groups:
            key = keys.group_key(group.ref)
            for event_id, put in group.events.items():
                batch_id = self.ledger.queued.get((key, event_id))
                assert batch_id is not None or not _is_promised(put), f"{put} was never read"
                if _is_promised(put) and put.kind in ("text", "json", "long") and not self._was_spoiled(batch_id):
                    due[label_of(put.arrival.event.message)] += 1
        arrived: Counter[str] = Counter()
        for datagram, times in self.receiver.processed.items():
            arrived[label_of(datagram.decode())] += times

        assert Counter() == due - arrived, "promised, and not processed"

    def _is_done(self, queue: str, batch_id: str) -> bool:
        return not self._client.exists(keys.payload(queue, batch_id))

    def _was_spoiled(self, batch_id: str | None) -> bool:
        return any((queue, batch_id) in self.ledger.spoiled for queue in ("raw", "enriched"))

    # How the processes live and die.

    def _work(
        self, work: Callable[[], bool], fault: Fault, meanwhile: Callable[[], object], kill: Callable[[], object]
    ) -> bool:
        try:
            with self.effects.faulty(fault, meanwhile):
                return work()
        except Crash:
            kill()
        except (redis.RedisError, SourceError):
            pass  # the role goes on with the stage that it has, as its loop does
        return False

    def _kill_fetcher(self, which: int) -> None:
        self._fetchers[which] = self._new_fetcher(which)

    def _kill_normalizer(self, which: int) -> None:
        self._normalizers[which] = self._new_normalizer(which)

    def _kill_forwarder(self, which: int) -> None:
        self._forwarders[which] = self._new_forwarder(which)

    def _new_fetcher(self, which: int) -> Fetcher:
        return Fetcher(self._connections.raw[which], self.groups, self._source, BEGIN_MS, self.clock)

    def _new_normalizer(self, which: int) -> Any:
        return new_normalizer(self._connections.enriched[which], self._source)

    def _new_forwarder(self, which: int) -> ForwarderProcess:
        return ForwarderProcess(self._connections.forwarders[which], self.receiver, self.effects)


def _is_promised(put: Put) -> bool:
    """Say whether an event was to be seen within the late window: such events are promised."""
    it = put.arrival
    return it.timestamp_ms >= BEGIN_MS and it.visible_ms <= it.timestamp_ms + LATE_MS
