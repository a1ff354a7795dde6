"""`cwpipe dashboard`: wiring, and the pages until a signal."""

from pathlib import Path

import structlog

from shared import logs, store
from shared.errors import SettingsError, Unreachable
from shared.liveness import Liveness
from shared.settings.load import Loaded
from shared.settings.places import running_url
from shared.settings.redact import redacted

log = structlog.get_logger()


def main(loaded: Loaded, data_dir: Path) -> None:
    """Serve the pages until SIGTERM or SIGINT.

    Raises SettingsError when packages are missing or there is no password, Unreachable when there is no Redis or the
    address is taken.
    """
    try:
        import rq_dashboard.web  # noqa: F401
        import waitress  # noqa: F401
    except ImportError:
        raise SettingsError(["the dashboard needs its extra packages: install cwpipe[dashboard]"]) from None
    from services.dashboard import password, reading, server
    from services.dashboard.app import create_app
    from services.dashboard.gate import Gate

    settings = loaded.settings
    logs.set_up(settings.log.level, settings.log.format, role="dashboard")
    server.end_on_signals()
    reading.forbid_pickle()
    url = settings.redis_url or running_url(data_dir)
    if not url:
        raise Unreachable(
            f"nothing runs on {data_dir.absolute()}, and no redis_url is set: "
            "start `cwpipe run`, name its --data-dir, or set redis_url"
        )
    client = store.opened(settings, "" if settings.redis_url else url)
    file = password.password_file(settings.dashboard, data_dir)
    secret = password.read(file)
    app = create_app(client, redacted("redis_url", url), actions=settings.dashboard.actions)
    listening = server.listen(settings.dashboard.address)
    log.info(
        "dashboard ready",
        address=f"http://{settings.dashboard.address}",
        user=settings.dashboard.user,
        password_file=str(file),
        actions=settings.dashboard.actions,
    )
    try:
        server.serve(Gate(app, settings.dashboard.user, secret), listening, Liveness(settings.alive_file))
    finally:
        log.info("dashboard stopped")
