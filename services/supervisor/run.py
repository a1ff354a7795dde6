"""What `cwpipe run` does: the server if need be, the roles, until a signal or, with `--once`, until all is delivered."""

import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep

import redis
import structlog

from services.supervisor import report
from services.supervisor.children import STOP_SECONDS, Child, role_command
from services.supervisor.embedded import EmbeddedServer
from services.supervisor.report import ProgressBar, Summary
from shared import books, keys, logs, metrics, queues, receiver, store
from shared.errors import CwpipeError, Incomplete, SettingsError, Unreachable
from shared.settings.load import Loaded, require_sources
from shared.settings.places import child_environment

TICK_SECONDS = 0.05
#: A progress bar that moves more often than this helps nobody.
SHOW_SECONDS = 0.25
#: A `--once` gives a receiver that is just starting so long to appear.
RECEIVER_SECONDS = 5.0

log = structlog.get_logger()


def run(loaded: Loaded, data_dir: Path, *, once: bool, as_json: bool) -> None:
    """Run every role until SIGTERM or SIGINT, or with `once` until all there is now has been delivered. Blocks.

    Raises SettingsError, Unreachable, and with `once` Incomplete, each naming what is at fault.
    """
    settings = loaded.settings
    logs.set_up(settings.log.level, settings.log.format, role="run")
    require_sources(loaded)
    _end_at_once_on_signals(once=once)
    if once:
        receiver.wait_for(settings.wazuh.queue_socket, RECEIVER_SECONDS)
    elif why := receiver.missing(settings.wazuh.queue_socket):
        log.warning("no receiver yet, events will wait for it", why=why)
    with ExitStack() as stack:
        server = None if settings.redis_url else EmbeddedServer(data_dir)
        redis_url = stack.enter_context(server) if server else settings.redis_url
        client = store.opened(settings, redis_url if server else "")
        supervisor = Supervisor(loaded, client, redis_url, server, once=once)
        if once and not as_json and sys.stderr.isatty():
            with ProgressBar() as bar:
                supervisor.run(bar)
        else:
            supervisor.run(None)
        if once:
            supervisor.conclude(as_json=as_json)


def _end_at_once_on_signals(*, once: bool) -> None:
    """While there is no role to stop yet: the server, if there is one, is stopped on the way out."""

    def end(*_: object) -> None:
        raise Incomplete("stopped before the work began") if once else SystemExit(0)

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, end)


class Supervisor:
    """The roles of one host, from their start to their end."""

    def __init__(
        self, loaded: Loaded, client: redis.Redis, redis_url: str, server: EmbeddedServer | None, *, once: bool
    ) -> None:
        self._loaded = loaded
        self._client = client
        self._redis_url = redis_url
        self._server = server
        self._once = once
        self._stopping = False
        self._began = monotonic()
        self._books_before = books.read(client)
        self._calls_before = _api_calls(client)
        self._fetcher: Child | None = None

    def run(self, bar: ProgressBar | None) -> None:
        """Keep the roles at work until a signal or, with `once`, the end of the work; then stop them."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._request_stop)
        roles = self._roles(bar)
        log.info("running", roles=len(roles), receiver=self._loaded.settings.wazuh.queue_socket)
        try:
            shown_at = 0.0
            while not self._stopping and not self._is_done():
                for child in roles:
                    child.tend()
                if self._server is not None and not self._stopping:  # systemd may end it together with us
                    self._server.check()
                if bar is not None and monotonic() - shown_at > SHOW_SECONDS:
                    self._show(bar)
                    shown_at = monotonic()
                sleep(TICK_SECONDS)
        finally:
            _stop(roles)

    def conclude(self, *, as_json: bool) -> None:
        """Show what this run did. Raises Incomplete when groups or events are left, Unreachable, and what a role ended with."""
        try:
            rows = report.difference(self._books_before, books.read(self._client))
            api_calls = _api_calls(self._client) - self._calls_before
            left = sum(queues.outstanding(self._client).values())
        except store.AWAY as error:
            raise Unreachable(
                f"Redis went away ({error}): what was read and not yet delivered is kept there for the next run"
            ) from None
        total = sum((account for _, account in rows), books.Account())
        summary = Summary(
            fetched=total.fetched,
            delivered=total.delivered,
            dead_lettered=total.dead_lettered,
            duplicates_suppressed=total.duplicates,
            api_calls=api_calls,
            seconds=round(monotonic() - self._began, 3),
        )
        if as_json:
            report.show_json(summary)
        else:
            report.show_table(rows, summary)
        self._raise_what_is_left(total.dead_lettered, left)

    def _raise_what_is_left(self, dead_lettered: int, left: int) -> None:
        code = self._fetcher.exit_code if self._fetcher else None
        if code in (SettingsError.exit_code, Unreachable.exit_code):
            raise CwpipeError.with_code("the fetcher could not do its work, see above", code)
        reasons = []
        if code == Incomplete.exit_code:
            reasons.append("some groups or sources could not be read, named above")
        if dead_lettered > 0:  # less than none: a replay beside this run took some back
            reasons.append(f"{dead_lettered} events became dead letters")
        if self._stopping:
            unread = ", before every group was read" if code is None else ""
            reasons.append(f"stopped early{unread}; batches that wait for the next run: {left}")
        if reasons:
            raise Incomplete("incomplete: " + "; ".join(reasons))

    def _roles(self, bar: ProgressBar | None) -> list[Child]:
        environment = child_environment(self._redis_url, self._loaded.file)
        stderr = bar.write_end if bar is not None else None
        forwarder = Child("forwarder", role_command("forwarder"), environment, stderr=stderr)
        normalizers = [
            Child(
                f"normalizer {number}",
                role_command("normalizer"),
                self._of_normalizer(number, environment),
                stderr=stderr,
            )
            for number in range(1, self._loaded.settings.run.normalizers + 1)
        ]
        arguments = ["--once"] if self._once else []
        self._fetcher = Child(
            "fetcher", role_command("fetcher", *arguments), environment, finite=self._once, stderr=stderr
        )
        roles = [self._fetcher, *normalizers, forwarder]
        if self._loaded.settings.metrics_address and not self._once:
            roles.append(Child("metrics", role_command("metrics"), environment, stderr=stderr))
        return roles

    def _of_normalizer(self, number: int, environment: dict[str, str]) -> dict[str, str]:
        """Return the environment of the `number`-th normalizer: each serves its metrics at a port of its own."""
        address = self._loaded.settings.metrics_address
        if number == 1 or not address:
            return environment
        return environment | {"CWPIPE_METRICS_ADDRESS": metrics.shifted(address, number + 1)}

    def _is_done(self) -> bool:
        if not self._once or self._fetcher is None or self._fetcher.exit_code is None:
            return False
        if self._fetcher.exit_code in (SettingsError.exit_code, Unreachable.exit_code):
            return True
        try:
            return not any(queues.outstanding(self._client).values())
        except store.AWAY:
            return False

    def _show(self, bar: ProgressBar) -> None:
        try:
            rows = report.difference(self._books_before, books.read(self._client))
        except store.AWAY:
            return
        account = sum((account for _, account in rows), books.Account())
        bar.show(account, reading=self._fetcher is not None and self._fetcher.exit_code is None)

    def _request_stop(self, *_: object) -> None:
        self._stopping = True


def _stop(roles: list[Child]) -> None:
    for child in roles:
        child.signal(signal.SIGTERM)
    deadline = monotonic() + STOP_SECONDS
    for child in roles:
        child.wait(deadline)


def _api_calls(client: redis.Redis) -> int:
    return sum(int(count) for count in client.hvals(keys.API_CALLS))
