"""Roles as the processes they are in production, each place with a database, a receiver and a configuration of its own."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import redis

from shared import keys, queues, store
from shared.queues import ENRICHED, RAW
from tests.receiver import Receiver

ROOT = Path(__file__).parents[3]

ROLE = "from services.__main__ import main; main()"

CONFIGURATION = """
redis_url = "{redis_url}"
[wazuh]
queue_socket = "{queue_socket}"
[log]
format = "json"
[[sources]]
name = "production"
regions = ["eu-west-1"]
log_groups = ["/aws/lambda/*"]
"""


class Place:
    """A database of a Redis server, a receiver, and the roles that are started there; the end of `with` kills them."""

    def __init__(self, directory: Path, redis_url: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.redis_url = redis_url
        self.client = store.connect(redis_url)
        self.receiver = Receiver(directory / "queue")
        self.log = directory / "log"
        self._configuration = directory / "cwpipe.toml"
        self._configuration.write_text(
            CONFIGURATION.format(redis_url=redis_url, queue_socket=directory / "queue"), encoding="utf-8"
        )
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Place":
        self.receiver.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self.receiver.stop()
        self.client.close()

    def start(self, role: str, first: str = "") -> subprocess.Popen[bytes]:
        """Start a role as the command does, after the Python of `first` has been run in its process."""
        command = [sys.executable, "-c", f"{first}\n{ROLE}", role, "--config", str(self._configuration)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    @property
    def all_is_done(self) -> bool:
        """Whether no batch is outstanding, and every job has come to its end in RQ's books too."""
        return (
            not any(queues.outstanding(self.client).values())
            and {b"finished"} == set(self.statuses().values())
            and not any(self.client.exists(*_lists(route.queue)) for route in (RAW, ENRICHED))
        )

    def statuses(self) -> dict[bytes, bytes | None]:
        """Return the status of every job that RQ knows."""
        with contextlib.suppress(redis.ConnectionError):
            return {key: self.client.hget(key, "status") for key in self.client.keys("rq:job:*")}  # type: ignore[misc]
        return {}

    @property
    def failed(self) -> int:
        """Jobs that RQ gave up."""
        return sum(int(self.client.zcard(f"rq:failed:{route.queue}")) for route in (RAW, ENRICHED))

    @property
    def leftovers(self) -> list[bytes | str]:
        """Keys of ours that speak of batches."""
        names = ("payload:*", "progress:*", "outstanding:*", "facts:*")
        return [key for name in names for key in self.client.keys(f"cwpipe:{name}")]

    def held_bytes(self) -> int:
        """Return the bytes that the budget counts for both queues."""
        return sum(int(self.client.hget(keys.BYTES, route.queue) or 0) for route in (RAW, ENRICHED))


def _lists(queue: str) -> Iterator[str]:
    yield from (f"rq:queue:{queue}", f"rq:queue:{queue}:intermediate", f"rq:wip:{queue}")


def dies_at(target: str) -> str:
    """Return the Python that has a process killed, as by the kernel, when it comes to call `target`."""
    module, _, name = target.partition(":")
    return f"import os, {module}\ndef die(*_, **__): os.kill(os.getpid(), {int(signal.SIGKILL)})\n{module}.{name} = die"
