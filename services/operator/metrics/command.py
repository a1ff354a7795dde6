"""Serving the state, until a signal."""

import signal
import threading
from pathlib import Path

import structlog

from services.operator.metrics.collector import StateCollector
from shared import logs, metrics, store
from shared.errors import SettingsError, Unreachable
from shared.liveness import TOUCH_SECONDS, Liveness
from shared.settings.load import Loaded
from shared.settings.places import running_url

#: Shorter than the ten seconds after which Prometheus gives a scrape up, also where several answers are awaited.
TIMEOUT_SECONDS = 2.0

log = structlog.get_logger()


def serve(loaded: Loaded, data_dir: Path) -> None:
    """Serve until SIGTERM or SIGINT; a Redis that is away is no reason to end. Blocks.

    Raises SettingsError without an address to serve at, Unreachable without a Redis to ask or with the port taken.
    """
    settings = loaded.settings
    logs.set_up(settings.log.level, settings.log.format, role="metrics")
    if not settings.metrics_address:
        raise SettingsError(["metrics_address is not set: give it a host:port, such as 127.0.0.1:9108"])
    url = settings.redis_url or running_url(data_dir)
    if not url:
        raise Unreachable(
            f"nothing runs on {data_dir.absolute()}, and no redis_url is set: "
            "start `cwpipe run`, name its --data-dir, or set redis_url"
        )
    access = store.access(settings) if settings.redis_url else store.Access()
    client = store.connect(url, access=access, timeout_seconds=TIMEOUT_SECONDS)
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    address = metrics.serve(settings.metrics_address, "metrics", StateCollector(client, settings.limits.queued_bytes))
    log.info("metrics ready", address=address)
    liveness = Liveness(settings.alive_file)
    while True:
        liveness.touch()
        if stop.wait(TOUCH_SECONDS):
            return
