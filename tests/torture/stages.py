"""The two ways in which cwpipe runs: every role a process of its own on an external server, or all under `cwpipe run`."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import redis

from services.supervisor.embedded import _server_binary
from shared import store
from shared.errors import Unreachable
from tests.system.command import CWPIPE, Process, children
from tests.torture.services import Service, kill


class Stage(ABC):
    """Processes by name. `with` starts nothing; its end kills whatever is left."""

    roles: tuple[str, ...]
    server: str
    whole: str = ""
    redis_url: str

    def __init__(self) -> None:
        self.services: list[Service] = []

    @abstractmethod
    def process(self, name: str) -> Process | None:
        """Return the process of this name, None while there is none."""

    def tend(self) -> None:
        """Start what should run and does not."""
        for service in self.services:
            service.tend()

    def send(self, name: str, signum: signal.Signals, hold_back: float = 0.0) -> Process | None:
        """Send a signal; return the process that got it. What it ends is started again after `hold_back` at the earliest."""
        process = self.process(name)
        if process is None or not kill(process, signum):
            return None
        for service in self.services:
            if service.name == name:
                service.hold_back(hold_back)
        return process

    def stop(self) -> dict[str, int | None]:
        """End the roles in order; return their exit codes."""
        working = [service for service in self.services if service.name != self.server]
        for service in working:
            service.send(signal.SIGTERM)
        return {service.name: service.wait() for service in working}

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        for service in self.services:
            service.close()

    def connect(self) -> redis.Redis:
        """Return a client of the server."""
        return store.connect(self.redis_url)


class Separate(Stage):
    """`cwpipe fetcher`, two normalizers and two forwarders, on a Valkey that is started here."""

    roles = ("fetcher", "normalizer-1", "normalizer-2", "forwarder-1", "forwarder-2")
    server = "valkey"

    def __init__(
        self, directory: Path, config: Path, environment: Mapping[str, str], *, through: str = "", port: int = 0
    ) -> None:
        """`through`: where the roles look for the server, which listens on `port` too, instead of its socket."""
        super().__init__()
        self.data = directory / "aof"
        self.data.mkdir()
        self.redis_url = f"unix://{directory / 'valkey.sock'}"
        environment = {**environment, "REDIS_URL": through or self.redis_url}
        self.services.append(Service(self.server, server_command(directory, self.data, port), environment, directory))
        for name in self.roles:
            command = [CWPIPE, name.partition("-")[0], "--config", str(config)]
            self.services.append(Service(name, command, environment, directory))

    def process(self, name: str) -> Process | None:
        """Return the process of this name, None while there is none."""
        return self.service(name).process

    def service(self, name: str) -> Service:
        """Return the service of this name."""
        return next(service for service in self.services if service.name == name)


class Supervised(Stage):
    """`cwpipe run` with its embedded server; a service manager starts it again."""

    roles = ("fetcher", "normalizer 1", "normalizer 2", "forwarder")
    server = "valkey-server"
    whole = "supervisor"

    def __init__(self, directory: Path, config: Path, environment: Mapping[str, str]) -> None:
        super().__init__()
        data = directory / "data"
        self.redis_url = f"unix://{data / 'valkey.sock'}"
        command = [CWPIPE, "run", "--config", str(config), "--data-dir", str(data)]
        self.services.append(Service(self.whole, command, environment, directory))
        self._seen: dict[int, Process] = {}

    def process(self, name: str) -> Process | None:
        """Return the process of this name, None while there is none."""
        supervisor = self.services[0].process
        if supervisor is None:
            return None
        found = children(supervisor.pid)
        self._seen |= {process.pid: process for process in found}
        if name == self.whole:
            return supervisor
        role, _, number = name.partition(" ")
        of_role = [process for process in sorted(found, key=lambda one: one.pid) if _plays(process.command, role)]
        index = int(number or 1) - 1
        return of_role[index] if index < len(of_role) else None

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for process in self._seen.values():  # orphans that a stalled server keeps from ending
            process.kill()


def server_command(directory: Path, data: Path, port: int = 0) -> list[str]:
    """Return the command of a Valkey that keeps its append-only file in `data`, as `cwpipe run` starts its own."""
    return [
        _server_binary(),
        *("--port", str(port), "--unixsocket", str(directory / "valkey.sock")),
        *("--dir", str(data), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
    ]


def is_up(stage: Stage) -> bool:
    """Tell whether the server answers."""
    client = stage.connect()
    try:
        store.verify(client, stage.redis_url)
    except Unreachable:
        return False
    finally:
        client.close()
    return True


def _plays(command: Sequence[str], role: str) -> bool:
    return any(word == role or word.endswith(f"/{role}") for word in command)
