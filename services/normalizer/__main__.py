"""`cwpipe normalizer`: wiring, and the work until a signal."""

from services.normalizer import normalize
from services.normalizer.normalize import Normalizer
from shared import logs, metrics, queues, store
from shared.queues import ENRICHED, RAW
from shared.settings.load import Loaded
from shared.worker import Runner


def main(loaded: Loaded) -> None:
    """Normalize until SIGTERM or SIGINT. Raises Unreachable when Redis is not there at the start."""
    settings = loaded.settings
    logs.set_up(settings.log.level, settings.log.format, role="normalizer")
    client = store.opened(settings)
    metrics.serve(settings.metrics_address, role="normalizer")
    runner = Runner(client, RAW, role="normalizer", alive_file=settings.alive_file)
    normalize.use(Normalizer(client, queues.open_queue(client, ENRICHED), settings, runner.beat))
    runner.run()
