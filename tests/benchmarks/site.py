"""A place for roles to work in: settings, a Redis, and processes that are started one by one."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

import redis

from services.supervisor.embedded import EmbeddedServer
from shared import store
from tests.benchmarks.cloudwatch import REGION
from tests.benchmarks.processes import children, running
from tests.benchmarks.standins import statistics_of

_SETTINGS = """\
{redis_url}
[wazuh]
queue_socket = "{socket}"
stats_socket = "{stats}"
[[sources]]
name = "bench"
regions = ["{region}"]
log_groups = {groups}
only_logs_after = "1d"
endpoint_url = "{endpoint_url}"
format = "{format}"
poll_interval = "{poll_interval}"
[limits]
quota_share = 0
queued_bytes = "{queued_bytes}"
[log]
level = "{level}"
format = "json"
"""


def write_settings(
    place: Path,
    endpoint_url: str,
    groups: Sequence[str],
    *,
    format: str = "auto",  # noqa: A002 - the setting's name
    redis_url: str = "",
    poll_interval: str = "30s",
    queued_bytes: str = "256MiB",
    level: str = "warning",
) -> Path:
    """Write settings for a receiver at `socket_of(place)`; return the file."""
    socket = socket_of(place)
    file = place / "cwpipe.toml"
    file.write_text(
        _SETTINGS.format(
            redis_url=f'redis_url = "{redis_url}"' if redis_url else "",
            socket=socket,
            stats=statistics_of(socket),
            region=REGION,
            groups=list(groups),
            endpoint_url=endpoint_url,
            format=format,
            poll_interval=poll_interval,
            queued_bytes=queued_bytes,
            level=level,
        )
    )
    return file


def socket_of(place: Path) -> Path:
    """Return where the receiver of a place listens."""
    return place / "queue"


def command(*words: str) -> list[str]:
    """Return the command line of `cwpipe` with these words behind it."""
    return [sys.executable, "-P", "-m", "services", *words]


class Site:
    """A directory and a Redis of its own. `with` makes both, and ends what was started."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.place = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="cwpipe-bench-")))
        self.socket = socket_of(self.place)
        self.redis_url = self._stack.enter_context(EmbeddedServer(self.place / "valkey"))
        self.client: redis.Redis = store.connect(self.redis_url)
        info: Any = self.client.info("server")
        self.redis_pid = int(info["process_id"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.close()
        self._stack.close()

    @contextmanager
    def role(self, name: str, config: Path, *, prefix: Sequence[str] = (), core: int | None = None) -> Iterator[int]:
        """Have a role run until the end of the block; yield its process id. `prefix`: the program that runs it."""
        words = [*prefix, *command(name, "--config", str(config))]
        with running(words) as process:
            if core is not None:  # before it has threads: they inherit it
                os.sched_setaffinity(process.pid, {core})
            yield process.pid
            if prefix:  # a profiler: it writes what it found when its child ends, and dies of a signal of its own
                for child in children(process.pid):
                    os.kill(child, signal.SIGTERM)
                process.wait()

    def redis_cpu_seconds(self) -> float:
        """Return the CPU time of Redis so far, by its own account: finer than the kernel's clock ticks."""
        info: Any = self.client.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    def used_bytes(self) -> int:
        """Return what Redis holds, by its own account."""
        info: Any = self.client.info("memory")
        return int(info["used_memory"])


def until(condition: Any, what: str, seconds: float = 600.0) -> float:
    """Return the time (monotonic) at which `condition` held; fail when it does not within `seconds`."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, f"did not happen within {seconds} s: {what}"
        sleep(0.01)
    return monotonic()
