"""What the receiver says of itself, for Prometheus: asked for when it is scraped, so that an idle forwarder tells it too."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from services.forwarder import getstats
from services.forwarder.getstats import StatsUnavailable
from shared import metrics


class ReceiverMetrics(Collector):
    """The receiver with a stats socket at `path`; one that does not answer, or has none, has no figures."""

    def __init__(self, path: str) -> None:
        self._path = path

    def collect(self) -> Iterator[Metric]:
        """Yield each family. Blocks for as long as getstats.look may."""
        try:
            look = getstats.look(self._path)
        except StatsUnavailable:
            return
        # The lane `files` counts what the others of its queue drop too, `eventchannel` has a queue of its own.
        dropped = look.lanes["files"].dropped + look.lanes["eventchannel"].dropped
        for asked, value in (
            (metrics.RECEIVER_FULL, look.usage),
            (metrics.RECEIVER_PROCESSED, look.processed),
            (metrics.RECEIVER_DROPPED, dropped),
        ):
            family = asked.family()
            family.add_metric([], value)
            yield family
