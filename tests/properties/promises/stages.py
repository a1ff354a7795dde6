"""The processes of the pipeline, each with a connection of its own; killed, one is begun anew and knows nothing."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import redis

from services.fetcher.fetch import GroupReader
from services.forwarder.forward import Forwarder
from services.normalizer.normalize import Normalizer
from shared import queues
from shared.aws.logs_api import LogsApi
from shared.queues import ENRICHED, RAW
from shared.settings.model import Settings, Source
from tests.properties.promises.cloudwatch import CloudWatchGroup
from tests.properties.promises.effects import Effects, counted_client
from tests.properties.promises.receiver import ModelledSink, Patience, Receiver


class Connections:
    """Connections that last from one history to the next: a process that is begun anew has them connect anew."""

    def __init__(self, redis_url: str) -> None:
        self.effects = Effects()
        self.observer = counted_client(redis_url, Effects())
        self.raw = [queues.open_queue(counted_client(redis_url, self.effects), RAW) for _ in range(2)]
        self.enriched = [queues.open_queue(counted_client(redis_url, self.effects), ENRICHED) for _ in range(2)]
        self.forwarders = [counted_client(redis_url, self.effects) for _ in range(2)]

    def close(self) -> None:
        for client in (self.observer, *self.forwarders, *(queue.connection for queue in self.raw + self.enriched)):
            client.close()


class Fetcher:
    """One fetcher: a reader a group."""

    def __init__(
        self,
        queue: queues.JobQueue,
        groups: Sequence[CloudWatchGroup],
        source: Source,
        start_ms: int,
        clock: Callable[[], int],
    ) -> None:
        queue.connection.connection_pool.disconnect()
        self.readers = [
            GroupReader(group.ref, source, cast("LogsApi", group), queue, start_ms=start_ms, clock=clock)
            for group in groups
        ]

    def poll(self, group: int, pages: int) -> bool:
        """Read some pages of a group; return whether its round goes on."""
        return self.readers[group].poll(pages, lambda: True)


def new_normalizer(queue: queues.JobQueue, source: Source) -> Normalizer:
    """Return a normalizer that has just been started."""
    queue.connection.connection_pool.disconnect()
    return Normalizer(queue.connection, queue, Settings(sources=(source,)), lambda: None)


class ForwarderProcess:
    """One forwarder and its sink."""

    def __init__(self, client: redis.Redis, receiver: Receiver, effects: Effects) -> None:
        client.connection_pool.disconnect()
        self.stop = Patience(receiver)
        self._forwarder = Forwarder(client, ModelledSink(receiver, effects, self.stop), lambda: None, self.stop)

    def forward(self, batch_id: str, facts: dict[str, Any]) -> bool:
        """Work on one batch; return whether its job is over, and not given back."""
        return self._forwarder.forward(batch_id, facts) is not queues.GIVE_BACK
