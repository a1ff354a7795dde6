"""Valkeys of a test's own by TCP: alone, as replicas, as Sentinels."""

import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from services.supervisor.embedded import _server_binary as server_binary
from tests.eventually import eventually


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Valkey:
    """A server on a port of 127.0.0.1, its data in `directory`, with options as on its command line."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        self._directory, self._options = directory, options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._directory.mkdir(exist_ok=True)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a client without any manners of ours."""
        return redis.Redis(port=self.port)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._run(*("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory)), *self._options)

    def _run(self, *arguments: str) -> None:
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen([server_binary(), *arguments], stdout=log, stderr=log)
        eventually(self._answers, what="a Valkey answers")

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError as error:
                return isinstance(error, redis.exceptions.AuthenticationError)


class SentinelOf(Valkey):
    """A Sentinel that watches one primary and finds it dead within a second; its word alone is enough."""

    def __init__(self, directory: Path, primary: Valkey, service: str = "mymaster", *lines: str) -> None:
        super().__init__(directory)
        self.primary, self.service, self._lines = primary, service, lines

    def start(self) -> None:
        watch = f"sentinel monitor {self.service} 127.0.0.1 {self.primary.port} 1"
        lines = (
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self._directory}",
            watch,
            f"sentinel down-after-milliseconds {self.service} 500",
            f"sentinel failover-timeout {self.service} 3000",
            *self._lines,
        )
        (self._directory / "sentinel.conf").write_text("\n".join(lines) + "\n")
        self._run(str(self._directory / "sentinel.conf"), "--sentinel")
