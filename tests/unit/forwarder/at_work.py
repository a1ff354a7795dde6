"""A forwarder at work in the test's own process: on a thread, on a real socket, with its signs of life recorded."""

import socket
import threading
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Any

import redis

from services.forwarder.analysisd import Analysisd
from services.forwarder.forward import Forwarder
from services.forwarder.sink import Sink
from shared.messages import EnrichedBatch
from tests.eventually import eventually
from tests.receiver import Receiver
from tests.unit.forwarder.factories import facts_of


def pause(receiver: Receiver) -> None:
    """Have the receiver read nothing more, from now on: one that waits in its read gets a probe and no datagram."""
    receiver.pause()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        probe.sendto(b"", str(receiver.path))


class AtWork:
    """Forwards one batch on a thread of its own from `with` on; the end of `with` stops what is not done."""

    def __init__(
        self,
        client: redis.Redis,
        path: object,
        batch: EnrichedBatch,
        *,
        confirm: Any = "read",
        sink: Sink | None = None,
        on_beat: Callable[[int], None] | None = None,
    ) -> None:
        self.stop = threading.Event()
        self.beats: list[float] = []
        self.result: Any = None
        self.error: BaseException | None = None
        self._on_beat = on_beat
        self._batch = batch
        self._sink = sink or Analysisd(str(path), confirm)
        self._forwarder = Forwarder(client, self._sink, self._beat, self.stop)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "AtWork":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        self._thread.join()
        self._sink.close()

    def join(self, seconds: float = 20.0) -> Any:
        """Return what the job returned, or raise what it raised."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"still at work after {seconds} s"
        if self.error is not None:
            raise self.error
        return self.result

    def wait_for_beats(self, more: int) -> None:
        """Return after so many more signs of life."""
        wanted = len(self.beats) + more
        eventually(lambda: len(self.beats) >= wanted or not self._thread.is_alive(), what="signs of life")

    def longest_silence(self) -> float:
        """Return the longest time between two signs of life, in seconds."""
        return max((after - before for before, after in zip(self.beats, self.beats[1:], strict=False)), default=0.0)

    def _beat(self) -> None:
        self.beats.append(monotonic())
        if self._on_beat is not None:
            self._on_beat(len(self.beats))

    def _run(self) -> None:
        try:
            self.result = self._forwarder.forward(
                self._batch.batch_id, facts_of(len(self._batch.datagrams) - len(self._batch.continued))
            )
        except BaseException as error:  # noqa: BLE001 - join() raises it
            self.error = error
