"""A connection to Redis that breaks at a command of our choice: before the server has it, after it was carried out, or
for good."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import redis
from redis.connection import UnixDomainSocketConnection

from shared import store

Moment = Literal["before", "after", "from then on"]


class Plan:
    """When the connection breaks: around the `at`-th round trip from now, counted from 1."""

    def __init__(self, at: int, moment: Moment) -> None:
        self.at = at
        self.moment = moment
        self.sent = 0

    @property
    def has_broken(self) -> bool:
        """Whether that round trip came; if not, the work is over before it."""
        return self.sent >= self.at


class FaultyConnection(UnixDomainSocketConnection):
    """Breaks as its plan says. Nobody else's connection does."""

    plan: Plan | None = None
    _reply_is_lost = False

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        plan = type(self).plan
        if plan is not None:
            plan.sent += 1
            if (plan.sent == plan.at and plan.moment == "before") or (
                plan.has_broken and plan.moment == "from then on"
            ):
                self.disconnect()  # type: ignore[no-untyped-call]
                raise redis.ConnectionError("broken before the command was sent")
            self._reply_is_lost = plan.sent == plan.at and plan.moment == "after"
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        if self._reply_is_lost:
            self._reply_is_lost = False
            super().read_response(*arguments, **options)  # the server is done with it, then
            self.disconnect()  # type: ignore[no-untyped-call]
            raise redis.ConnectionError("broken before the answer came")
        return super().read_response(*arguments, **options)


@contextmanager
def faulty_client(redis_url: str, at: int, moment: Moment) -> Iterator[tuple[redis.Redis, Plan]]:
    """Yield a client that breaks as said, made as the programs make theirs; and its plan."""
    client = store.connect(redis_url)
    client.connection_pool.connection_class = FaultyConnection
    client.ping()
    plan = FaultyConnection.plan = Plan(at, moment)
    try:
        yield client, plan
    finally:
        FaultyConnection.plan = None
        client.close()
