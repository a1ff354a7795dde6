"""The daemon: its two sockets, its lives, and its loop. One thread does everything; nothing here waits but `step`."""

import select
import selectors
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.standins.analysisd_inside import Inside
from tests.standins.analysisd_ledger import Ledger
from tests.standins.analysisd_messages import MAX_BYTES, Fate
from tests.standins.analysisd_reply import Tree, stats
from tests.standins.analysisd_setup import Answers, Orders, Setup, StatsSocket, traffic
from tests.standins.analysisd_stats import StatsServer
from tests.standins.analysisd_summary import Summary

#: So many datagrams are read before the threads get their slice: a quarter of a small queue, lest that fill in between.
_READS = 256
#: While something is on its way and nothing can be done: the next look.
_PAUSE_SECONDS = 0.002
_IDLE_SECONDS = 0.5


class Daemon:
    """Does what `Controls` says. Only for the thread that calls `step`."""

    def __init__(
        self,
        directory: Path,
        setup: Setup,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        journal = Path(setup.journal) if setup.journal is not None else None
        self.ledger = Ledger(keep=setup.keep, id_pattern=setup.id_pattern, journal=journal)
        self.selector = selectors.DefaultSelector()
        self._setup = setup
        self._orders = Orders()
        self._path = directory / "queue"
        self._stats_path = directory / "analysis"
        self._monotonic = monotonic
        self._wall = wall
        self._socket: socket.socket | None = None
        self._inside: Inside | None = None
        self._stats = StatsServer(self._stats_path, self.selector, self.stats)
        self._stats_socket: StatsSocket = "open"
        self._loading: tuple[float, int | None] | None = None
        self._started_at = 0
        self._lives = 0
        self._reads = True
        self._frozen = False
        self._attending = False
        self._progress = False
        self._batch = max(1, min(_READS, setup.others_size // 4))
        self._reading = False
        self._since_work = 0
        self._worked_at = 0.0

    def order(self, name: str, arguments: dict[str, Any]) -> Any:
        """Do what the method `name` of `Controls` says. Raises ValueError for what cannot be done."""
        if hasattr(self, name):
            return getattr(self, name)(**arguments)
        getattr(self._orders, name)(**arguments)
        if self._inside is not None:
            self._inside.obey(self._orders, self._monotonic())
        return None

    def close(self) -> None:
        """Let go of everything."""
        self.kill()
        self.selector.close()
        self.ledger.close()

    # Lives

    def start(self, started_at: int | None = None, load_seconds: float = 0.0) -> None:
        if self._socket is not None:
            return
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._path.chmod(0o660)
        self._socket.settimeout(0)
        self._lives += 1
        self._loading = (self._monotonic() + load_seconds, started_at)
        if load_seconds <= 0:
            self._load()

    def kill(self) -> None:
        if self._socket is None:
            return
        self.thaw()
        inside, self._inside, self._loading = self._inside, None, None
        self._attend()
        self._stats.close()
        self.ledger.lose("unread", self._rest())
        self._socket.close()
        self._socket = None
        if inside is not None:
            self._note_depths(inside)
            for place, entries in inside.contents():
                self.ledger.lose(place, entries)

    def restart(self, started_at: int | None = None, load_seconds: float = 0.0) -> None:
        self.kill()
        self.start(started_at, load_seconds)

    def _load(self) -> None:
        assert self._loading is not None
        (_, started_at), self._loading = self._loading, None
        now = self._monotonic()
        self._started_at = max(int(self._wall()), self._started_at + 1) if started_at is None else started_at
        self._inside = Inside(self._setup, self._orders, self.ledger, now, self._started_at)
        self._attend()
        if self._stats_socket == "open":
            self._stats.open()

    # Reading

    def stop_reading(self) -> None:
        self._reads = False
        self._attend()

    def read_again(self) -> None:
        self._reads = True
        self._attend()

    def freeze(self) -> None:
        if not self._frozen:
            self._frozen = True
            self._attend()
            self._stats.pause()

    def thaw(self) -> None:
        if self._frozen:
            self._frozen = False
            self._attend()
            self._stats.go_on()

    def _attend(self) -> None:
        """Look at the datagram socket, or look away."""
        wanted = self._inside is not None and self._reads and not self._frozen
        if self._socket is None or wanted == self._attending:
            return
        self._attending = wanted
        if wanted:
            self.selector.register(self._socket, selectors.EVENT_READ, self._read)
        else:
            self.selector.unregister(self._socket)

    # What only concerns the daemon that lives

    def limit_eps(self, maximum: int, timeframe: int) -> None:
        self._orders.limit_eps(maximum, timeframe)
        if self._inside is not None:
            self._inside.limit_eps(maximum, timeframe, self._monotonic())

    def burst(self, events: int, location: str, queue: str, fate: Fate | None, message_bytes: int) -> None:
        if self._inside is not None:
            self._inside.bring(traffic(0.0, location, queue, fate, message_bytes), events)

    def answer_stats(self, how: Answers, seconds: float) -> None:
        self._stats.answers, self._stats.seconds = how, seconds

    def stats_socket(self, state: StatsSocket) -> None:
        self._stats_socket = state
        if state != "open":
            self._stats.close()
        elif self._inside is not None:
            self._stats.open()
        if state == "removed":
            self._stats_path.unlink(missing_ok=True)

    # Looking

    def stats(self) -> Tree:
        if self._inside is None:
            return {}
        self._inside.credits.tick(self._monotonic())
        return stats(self._inside, self._setup, self._wall())

    def summary(self) -> Summary:
        ledger, inside = self.ledger, self._inside
        depths: dict[str, int] = {}
        in_hand: dict[str, int] = {}
        for place, entries in inside.contents() if inside is not None else ():
            where = depths if inside is not None and place in inside.queues else in_hand
            where[place] = where.get(place, 0) + len(entries)
        if inside is not None:
            self._note_depths(inside)
        return Summary(
            alive=self._socket is not None,
            started_at=self._started_at,
            lives=self._lives,
            idle=inside is not None and inside.idle and not self._unread(),
            read=ledger.read,
            probes=ledger.probes,
            errors=ledger.errors,
            cut=ledger.cut,
            processed=ledger.processed_total,
            ended_in_decoders=ledger.ended_in_decoders,
            dropped=dict(ledger.dropped),
            lost=dict(ledger.lost),
            agents_processed=ledger.agents_processed,
            agents_dropped=dict(ledger.agents_dropped),
            agents_dropped_beside_ours=ledger.agents_dropped_beside_ours,
            archives_lost=ledger.archives_lost,
            stats_asked=self._stats.asked,
            depths=depths,
            deepest=dict(ledger.deepest),
            in_hand=in_hand,
        )

    def _note_depths(self, inside: Inside) -> None:
        deepest = self.ledger.deepest
        for name, queue in inside.queues.items():
            deepest[name] = max(deepest.get(name, 0), queue.deepest)

    def _unread(self) -> bool:
        return self._socket is not None and bool(select.select([self._socket], [], [], 0)[0])

    # The loop

    def step(self) -> None:
        """Do one turn: wait until there is something to do, half a second at most, and do some of it."""
        self._reading = False
        ready = self.selector.select(self._patience())
        now = self._monotonic()
        for key, _ in ready:
            if self.selector.get_map().get(key.fd) is key:  # an order may have closed what was ready beside it
                key.data(now)
        self._progress = False
        if self._frozen:
            return
        if self._loading is not None and now >= self._loading[0]:
            self._load()
        if self._inside is None:
            return
        self._stats.tick(now)
        if not self._reading or self._since_work >= self._batch or now - self._worked_at >= _PAUSE_SECONDS:
            self._progress = self._inside.work(now)
            self._since_work, self._worked_at = 0, now

    def _patience(self) -> float:
        if self._progress:
            return 0
        if self._since_work:
            return _PAUSE_SECONDS / 2
        inside = self._inside
        busy = self._loading is not None or self._stats.busy or (inside is not None and inside.busy)
        return _PAUSE_SECONDS if busy and not self._frozen else _IDLE_SECONDS

    def _read(self, now: float) -> None:
        del now
        assert self._socket is not None
        assert self._inside is not None
        receive, take, ledger = self._socket.recv, self._inside.take, self.ledger
        self._reading = True
        for _ in range(self._batch):
            try:
                datagram = receive(MAX_BYTES + 1)
            except BlockingIOError:
                return
            self._since_work += 1
            if not datagram:
                ledger.probes += 1
            elif len(datagram) > MAX_BYTES:
                ledger.cut += 1
                take(datagram[:MAX_BYTES])
            else:
                take(datagram)

    def _rest(self) -> list[bytes]:
        """Return what the kernel holds for a daemon that dies: nobody will read it.

        What is sent between this and the closing is lost too, and known to its sender alone.
        """
        assert self._socket is not None
        unread = []
        try:
            while True:
                datagram = self._socket.recv(MAX_BYTES + 1)
                if datagram:
                    unread.append(datagram)
        except BlockingIOError:
            return unread
