"""A host with `cwpipe` on it: a CloudWatch and a receiver that stand in, and a configuration file."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.eventually import eventually
from tests.receiver import Receiver
from tests.standins.cloudwatch import CloudWatch
from tests.system.command import PATIENCE_SECONDS, Done, Running, Shell

REGION = "us-east-1"
#: Where nobody listens: the port of a service that no machine has had for decades.
CLOSED = "127.0.0.1:1"


@dataclass
class Host:
    """One host: `cwpipe` on it, what it reads from, what it delivers to, and its configuration."""

    shell: Shell
    aws: CloudWatch
    receiver: Receiver

    @property
    def config(self) -> Path:
        return self.shell.directory / "cwpipe.toml"

    @property
    def data_dir(self) -> Path:
        return self.shell.directory / "data"

    @property
    def service(self) -> tuple[str | Path, ...]:
        """The arguments of `cwpipe` that run the service here."""
        return ("run", "--config", self.config, "--data-dir", self.data_dir)

    @property
    def once(self) -> tuple[str | Path, ...]:
        """The arguments of `cwpipe` that deliver here what there is."""
        return (*self.service, "--once")

    def configure(self, *groups: str, top: str = "", **source: str) -> None:
        """Write the configuration file, with one source; `top` and the keys of `source` are TOML."""
        keys = {
            "regions": f'["{REGION}"]',
            "log_groups": json.dumps(groups),
            "only_logs_after": '"1d"',
            "poll_interval": '"1s"',
            "endpoint_url": f'"{self.aws.endpoint_url}"',
        } | source
        lines = "\n".join(f"{key} = {value}" for key, value in keys.items())
        self.config.write_text(
            f'{top}\n[wazuh]\nqueue_socket = "{self.receiver.path}"\n\n[[sources]]\nname = "production"\n{lines}\n'
        )

    def put(self, group: str, messages: Sequence[str], *, age_seconds: float = 10, stream: str = "web") -> None:
        """Let events arrive at CloudWatch now, their timestamps of `age_seconds` ago and a millisecond apart."""
        first = int((time.time() - age_seconds) * 1000)
        self.aws.put(REGION, group, stream, [(first + number, text) for number, text in enumerate(messages)])

    def start(self, *arguments: str, **env: str) -> Running:
        """Start `cwpipe run` on this host."""
        return self.shell.start(*self.service, *arguments, env=env)

    def run_once(self, *arguments: str, **env: str) -> Done:
        """Run `cwpipe run --once` to its end."""
        return self.start("--once", *arguments, **env).wait()

    def status(self) -> dict[str, Any]:
        """Return what `cwpipe status --json` says."""
        done = self.shell.run("status", "--json", "--config", self.config, "--data-dir", self.data_dir)
        assert 0 == done.exit_code, done.text
        answer: dict[str, Any] = json.loads(done.out)
        return answer

    def delivered(self, group: str) -> list[str]:
        """Return the messages that arrived from `group`, in order and as often as they came."""
        mark = f"|:{group}|:".encode()
        return [text.split(b":")[-1].decode() for text in list(self.receiver.datagrams) if mark in text]

    def wait_delivered(self, group: str, messages: Sequence[str]) -> None:
        """Wait until each of `messages` arrived from `group`."""
        wanted, looked_at = set(messages), -1

        def arrived() -> bool:
            nonlocal looked_at
            if looked_at == len(self.receiver.datagrams):
                return False
            looked_at = len(self.receiver.datagrams)
            return wanted <= set(self.delivered(group))

        soon(arrived, f"all of {group} delivered")


def soon(condition: Callable[[], object], what: str) -> None:
    """Wait for what takes a moment, or a minute where many tests share a machine."""
    eventually(condition, PATIENCE_SECONDS, what)


NewHost = Callable[[str], AbstractContextManager[Host]]


def numbered(count: int, what: str = "event") -> list[str]:
    """Return so many messages, all different."""
    return [f"{what} {number}" for number in range(count)]
