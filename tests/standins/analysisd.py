"""A stand-in of wazuh-analysisd as far as a sender can notice: what it reads, drops, counts, answers and loses.

    with Analysisd(directory) as receiver:
        ...  # send to directory / "queue", ask directory / "analysis"
        assert [b"1:here:hello"] == receiver.processed

An event's way: the datagram socket; the queue `others`, which drops what finds it full while the sender sees success; the
decoders; the queue `processed`; the rules. `Controls` says what can be made to go wrong. The threads of a stage hold an
event each between two queues, which no counter shows.

Run as a process (`AnalysisdProcess` in analysisd_process.py does): python -m tests.standins.analysisd DIR --help
"""

import os
import selectors
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tests.standins.analysisd_controls import Controls
from tests.standins.analysisd_daemon import Daemon
from tests.standins.analysisd_setup import Setup

_ORDER_SECONDS = 30


class Analysisd(Controls):
    """The stand-in on a thread of the test's own process. Its files are `queue` and `analysis` in `directory`."""

    def __init__(
        self,
        directory: Path,
        setup: Setup | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.path = directory / "queue"
        self.stats_path = directory / "analysis"
        self._daemon = Daemon(directory, setup or Setup(), monotonic=monotonic, wall=wall)
        self._orders: deque[tuple[str, dict[str, Any], Future[Any]]] = deque()
        self._awake = os.eventfd(0, os.EFD_NONBLOCK)
        self._daemon.selector.register(self._awake, selectors.EVENT_READ, self._obey)
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._crash: BaseException | None = None

    def __enter__(self) -> "Analysisd":
        self._thread.start()
        return super().__enter__()

    @property
    def processed(self) -> list[bytes]:
        """Every event of ours that is through the rules, in order, when they are kept."""
        return list(self._daemon.ledger.processed)

    @property
    def counts(self) -> dict[bytes, int]:
        """How often each was processed: by id where there is a pattern, else by text, or by digest when none is kept."""
        return self._daemon.ledger.counts

    @property
    def dropped_events(self) -> dict[bytes, int]:
        """How often each event of ours was dropped, by the same."""
        return self._daemon.ledger.dropped_events

    @property
    def lost_events(self) -> dict[bytes, int]:
        """How often each event of ours was lost with a daemon that died, by the same."""
        return self._daemon.ledger.lost_events

    def close(self) -> None:
        """End it, and raise if the stand-in itself had a bug."""
        self._ended = True
        os.eventfd_write(self._awake, 1)
        self._thread.join(_ORDER_SECONDS)
        self._daemon.close()
        os.close(self._awake)
        if self._crash is not None:
            raise RuntimeError("the stand-in crashed") from self._crash

    def _order(self, name: str, **arguments: Any) -> Any:
        if not self._thread.is_alive():
            raise RuntimeError(f"{name}: the stand-in does not run") from self._crash
        done: Future[Any] = Future()
        self._orders.append((name, arguments, done))
        os.eventfd_write(self._awake, 1)
        return done.result(_ORDER_SECONDS)

    def _obey(self, now: float) -> None:
        del now
        os.eventfd_read(self._awake)
        while self._orders:
            name, arguments, done = self._orders.popleft()
            try:
                done.set_result(self._daemon.order(name, arguments))
            except Exception as wrong:  # noqa: BLE001 - whoever ordered it is told
                done.set_exception(wrong)

    def _run(self) -> None:
        try:
            while not self._ended:
                self._daemon.step()
        except Exception as bug:  # noqa: BLE001 - whoever ends it is told
            self._crash = bug
            for _, _, done in self._orders:
                done.set_exception(bug)


if __name__ == "__main__":
    from tests.standins.analysisd_command import main

    sys.exit(main())
