"""Where a process can die: before and after each of its effects on the world, which are counted one by one.

An effect is a round trip to Redis (a transaction is one), a call to CloudWatch, a datagram, a look at the receiver.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, NamedTuple

import redis
from redis.connection import UnixDomainSocketConnection

from shared import store

#: What befalls an effect. `lost`: it never happens, and its caller is told so; `answer lost`: it happens, and its caller
#: is told that it may not have; `meanwhile`: something else happens just before it.
Moment = Literal["none", "crash before", "crash after", "lost", "answer lost", "meanwhile"]


class Crash(BaseException):
    """The process is killed here, as by kill -9: nothing of ours may catch it."""


class Fault(NamedTuple):
    """What befalls the `at`-th effect of a piece of work, counted from 1."""

    at: int
    moment: Moment


NO_FAULT = Fault(0, "none")


class Effects:
    """Counts the effects of the work in hand, and lets its fault happen."""

    def __init__(self) -> None:
        self._fault = NO_FAULT
        self._count = 0
        self._meanwhile: Callable[[], object] = lambda: None
        self.happened = 0
        """How many faults have happened."""
        self.server_starts = 0
        """How often the server was started anew: connections made before are broken."""

    @contextmanager
    def faulty(self, fault: Fault, meanwhile: Callable[[], object] = lambda: None) -> Iterator[None]:
        """Have `fault` happen to the work inside `with`; work inside that work has a fault and a count of its own."""
        outer = self._fault, self._count, self._meanwhile
        self._fault, self._count, self._meanwhile = fault, 0, meanwhile
        try:
            yield
        finally:
            self._fault, self._count, self._meanwhile = outer

    def before(self, lost: Exception) -> Moment:
        """Count an effect that is about to happen; return what `after` must know. Raises Crash, or `lost`."""
        self._count += 1
        if self._count != self._fault.at:
            return "none"
        moment, meanwhile = self._fault.moment, self._meanwhile
        self.happened += 1
        if moment == "crash before":
            raise Crash
        if moment == "lost":
            raise lost
        if moment == "meanwhile":
            with self.faulty(NO_FAULT):
                meanwhile()
        return moment

    def after(self, moment: Moment, lost: Exception) -> None:
        """Let happen what happens after an effect. Raises Crash, or `lost`."""
        if moment == "crash after":
            raise Crash
        if moment == "answer lost":
            raise lost


class Connection(UnixDomainSocketConnection):
    """A connection to Redis that counts its round trips; the greeting of a new connection is none."""

    effects: ClassVar[Effects]
    _greeting = False
    _replies = 0
    _moment: Moment = "none"
    _made_at = 0

    def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        self._greeting = True
        try:
            super().connect_check_health(*arguments, **options)
        finally:
            self._greeting = False
        self._made_at = self.effects.server_starts

    def send_command(self, *arguments: Any, **options: Any) -> None:
        self._replies = 1
        super().send_command(*arguments, **options)  # type: ignore[no-untyped-call]

    def pack_commands(self, commands: Iterable[Any]) -> Any:
        listed = list(commands)
        self._replies = len(listed)
        return super().pack_commands(listed)  # type: ignore[no-untyped-call]

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._greeting:
            super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]
            return
        replies = self._replies  # a connection that has yet to be made sends commands of its own first
        is_open = self._sock is not None
        try:
            self._moment = self.effects.before(redis.ConnectionError("broken before the command was sent"))
            if is_open and self._made_at != self.effects.server_starts:
                raise redis.ConnectionError("the server was started anew")
        except BaseException:
            self.disconnect()  # type: ignore[no-untyped-call]
            raise
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]
        self._replies = replies

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        if self._greeting or self._moment not in ("crash after", "answer lost"):
            return super().read_response(*arguments, **options)
        moment, self._moment = self._moment, "none"
        for _ in range(self._replies):  # the server is done with it when all answers are there
            try:
                super().read_response(*arguments, **options)
            except redis.ResponseError:
                continue
        self.disconnect()  # type: ignore[no-untyped-call]
        self.effects.after(moment, redis.ConnectionError("broken before the answer came"))
        raise AssertionError("unreachable")


def counted_client(redis_url: str, effects: Effects) -> redis.Redis:
    """Return a client made as the programs make theirs, whose round trips are effects."""
    client = store.connect(redis_url)
    client.connection_pool.connection_class = type("Counted", (Connection,), {"effects": effects})
    return client
