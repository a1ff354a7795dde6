"""`cwpipe forwarder`: wiring, and the work until a signal."""

from services.forwarder import forward, level
from services.forwarder.forward import Forwarder
from services.forwarder.receiver_metrics import ReceiverMetrics
from shared import logs, metrics, store
from shared.queues import ENRICHED
from shared.settings.load import Loaded
from shared.worker import Runner


def main(loaded: Loaded) -> None:
    """Forward until SIGTERM or SIGINT. Raises Unreachable when Redis is not there at the start."""
    settings = loaded.settings
    logs.set_up(settings.log.level, settings.log.format, role="forwarder")
    client = store.opened(settings)
    metrics.serve(settings.metrics_address, "forwarder", ReceiverMetrics(settings.wazuh.stats_socket))
    runner = Runner(client, ENRICHED, role="forwarder", alive_file=settings.alive_file)
    forward.use(Forwarder(client, level.sink(settings.wazuh, client), runner.beat, runner.stop))
    runner.run()
