"""A receiver that reads, processes, stalls, dies and comes back, and the way a forwarder sees it."""

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from services.forwarder.sink import SinkBusy, SinkUnavailable, Undeliverable
from tests.properties.promises.cloudwatch import REFUSED
from tests.properties.promises.effects import Effects

#: A forwarder that sees nothing happen so many times in a row waits for what will not come by itself.
PATIENCE = 6
#: More looks in a row than anybody needs here.
MANY_LOOKS = 500


@dataclass(eq=False)
class Sent:
    """One datagram on its way."""

    datagram: bytes
    is_processed: bool = False


class Receiver:
    """What was sent goes through the socket's queue and the receiver's own before it is processed."""

    def __init__(self) -> None:
        self.processed: Counter[bytes] = Counter()
        self.generation = 0
        """How often it was started anew: no connection outlives that, nor anything that was not processed."""
        self.is_there = True
        self.pace = 100
        """Datagrams it reads, and as many that it processes, between two looks at it. 0: it stalls."""
        self.capacity = 10
        self._socket: deque[Sent] = deque()
        self._inside: deque[Sent] = deque()

    @property
    def is_full(self) -> bool:
        return len(self._socket) >= self.capacity

    def take(self, sent: Sent) -> None:
        """Have a datagram in the socket's queue."""
        self._socket.append(sent)

    def live(self) -> bool:
        """Let a moment pass; return whether anything happened in it."""
        if not self.is_there:
            return False
        processed = [self._inside.popleft() for _ in range(min(self.pace, len(self._inside)))]
        read = [self._socket.popleft() for _ in range(min(self.pace, len(self._socket)))]
        for sent in processed:
            sent.is_processed = True
            self.processed[sent.datagram] += 1
        self._inside.extend(read)
        return bool(processed or read)

    def restart(self) -> None:
        """Die, with all that was not processed, and be there again at once."""
        self._socket.clear()
        self._inside.clear()
        self.generation += 1
        self.is_there = True

    def leave(self) -> None:
        """Die, and stay away."""
        self.restart()
        self.is_there = False


class Patience(threading.Event):
    """The stop of one forwarder. Waiting on it takes no time: it lets the receiver go on.

    When nothing happens any more, the forwarder is asked to stop.
    """

    def __init__(self, receiver: Receiver) -> None:
        super().__init__()
        self._receiver = receiver
        self._idle = 0

    def let_pass(self) -> None:
        """Let a moment pass for the receiver."""
        self._idle = 0 if self._receiver.live() else self._idle + 1
        if self._idle >= PATIENCE:
            self.set()

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - threading's signature
        self.let_pass()
        return self.is_set()


class ModelledSink:
    """A Sink that confirms what was processed. Each datagram and each look at the receiver is an effect."""

    def __init__(self, receiver: Receiver, effects: Effects, patience: Patience) -> None:
        self._receiver = receiver
        self._effects = effects
        self._patience = patience
        self._generation = -1
        self._is_broken = False
        self._asked = 0
        self._unconfirmed: deque[Sent] = deque()

    def connect(self) -> None:
        if self._unconfirmed:
            return
        if not self._receiver.is_there:
            raise self._forgetting(SinkUnavailable("nobody is there"))
        self._generation, self._is_broken = self._receiver.generation, False

    def close(self) -> None:
        self._unconfirmed.clear()
        self._generation = -1

    def send(self, datagrams: Sequence[bytes], start: int, limit: int) -> int:
        assert self._generation >= 0, "connect() comes first"
        assert limit > 0, "asked to send nothing"
        at = start
        try:
            while at < min(start + limit, len(datagrams)):
                self._send(datagrams[at])
                at += 1
        except (SinkBusy, Undeliverable):
            if at == start:
                raise
        except SinkUnavailable as gone:
            if at == start:
                raise self._forgetting(gone) from None
        return at

    def confirm(self, *, wait: bool) -> int:
        moment = self._effects.before(SinkBusy("it does not answer"))
        self._asked += 1
        assert self._asked < MANY_LOOKS, "it sends nothing, and looks again and again"
        if wait and self._unconfirmed:
            self._patience.let_pass()
        if self._is_gone:
            raise self._forgetting(SinkUnavailable("it is there no more"))
        confirmed = 0
        while self._unconfirmed and self._unconfirmed[0].is_processed:
            self._unconfirmed.popleft()
            confirmed += 1
        if wait and self._unconfirmed and not confirmed:
            raise SinkBusy("it has processed none of it yet")
        if moment == "answer lost":
            raise self._forgetting(SinkUnavailable("nobody knows"))
        self._effects.after(moment, SinkBusy(""))
        return confirmed

    @property
    def _is_gone(self) -> bool:
        return self._is_broken or self._generation != self._receiver.generation

    def _send(self, datagram: bytes) -> None:
        lost = SinkUnavailable("the connection broke")
        moment = self._effects.before(lost)
        self._asked = 0
        if self._is_gone:
            raise lost
        if REFUSED.encode() in datagram:
            raise Undeliverable("too long here")
        if self._receiver.is_full:
            self._patience.let_pass()
            raise SinkBusy("its queue is full")
        sent = Sent(datagram)
        self._receiver.take(sent)
        self._unconfirmed.append(sent)
        self._is_broken = moment == "answer lost"  # it will be met at the next call: this datagram was taken
        if moment == "crash after":
            self._effects.after(moment, lost)

    def _forgetting(self, gone: SinkUnavailable) -> SinkUnavailable:
        self.close()
        return gone
