"""The keys of a whole run, watched at the server: each one is in the list of shared/keys.py, with the type it has."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import redis

from shared import keys
from shared.queues import ENRICHED
from tests.eventually import eventually
from tests.standins.analysisd import Analysisd
from tests.standins.cloudwatch import CloudWatch
from tests.unit.forwarder.factories import put_bytes
from tests.unit.forwarder.processes import ROOT

#: Name up to its variable part, and type, as the docstring has them.
LISTED = dict(re.findall(r"^ {4}(cwpipe:[^\s<]+)\S*(?: key>)? +(\w+) ", keys.__doc__ or "", re.MULTILINE))

CONFIGURATION = """
redis_url = "{redis_url}"
[wazuh]
queue_socket = "{receiver}/queue"
stats_socket = "{receiver}/analysis"
[[sources]]
name = "production"
regions = ["eu-west-1"]
log_groups = ["/app/*"]
only_logs_after = "1d"
endpoint_url = "{aws}"
"""


class Watch:
    """Notes the names of our keys in every command the server is given, from `with` on to its end."""

    def __init__(self, redis_url: str) -> None:
        self.names: set[str] = set()
        self._client = redis.Redis.from_url(redis_url, socket_timeout=None)  # there may be no command for a while
        self._thread = threading.Thread(target=self._listen)
        self._ready = threading.Event()

    def __enter__(self) -> "Watch":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.echo("the end of the watch")
        self._thread.join()
        self._client.close()

    def _listen(self) -> None:
        with self._client.monitor() as monitor:  # type: ignore[no-untyped-call]
            self._ready.set()
            for command in monitor.listen():
                if "the end of the watch" in command["command"]:
                    return
                self.names.update(re.findall(r"(?<!\S)cwpipe:\S+", command["command"]))


def listed_as(name: str) -> str:
    """Return the entry of the list that a key belongs to, or the key itself if there is none."""
    return max(
        (entry for entry in LISTED if name == entry or (entry[-1] == ":" and name.startswith(entry))), default=name
    )


def test_every_key_of_a_run_is_listed_with_its_type_and_every_listed_key_is_used(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """The list is what an operator, and the next release, believes to be all there is."""
    put_bytes(client, ENRICHED, "g-1-0", b"spoiled", events=1)
    now_ms = int(time.time() * 1000)
    with CloudWatch() as aws, Analysisd(tmp_path) as receiver, Watch(redis_url) as watch:
        aws.put("eu-west-1", "/app/shop", "web", [(now_ms - 60_000 + n, f"line {n}") for n in range(2_500)])
        aws.put("eu-west-1", "/app/shop", "long", [(now_ms - 50_000, "x" * 100_000)])
        config = tmp_path / "cwpipe.toml"
        config.write_text(CONFIGURATION.format(redis_url=redis_url, receiver=tmp_path, aws=aws.endpoint_url))
        command = [sys.executable, "-m", "services", "run", "--once", "--config", str(config)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=credentials())
        divide(config, client)
        processed = receiver.processed
    kinds: dict[str, set[Any]] = {}
    held: Any
    for held in client.scan_iter("cwpipe:*"):
        kind: Any = client.type(held)
        kinds.setdefault(listed_as(held.decode()), set()).add(kind.decode())

    assert len(processed) >= 2_502, done.stderr
    assert set(LISTED) == {listed_as(name) for name in watch.names}
    assert kinds == {entry: {LISTED[entry]} for entry in kinds}


def divide(config: Path, client: redis.Redis) -> None:
    """Run a fetcher until it has the group: what fetchers share, a run with --once does without."""
    command = [sys.executable, "-m", "services", "fetcher", "--config", str(config)]
    with subprocess.Popen(command, cwd=ROOT, env=credentials()) as fetcher:
        eventually(lambda: client.hlen(keys.OWNERS) and client.keys(keys.found("*")), 60)
        fetcher.terminate()


def credentials() -> dict[str, str]:
    """Return the environment of the run."""
    import os

    made_up = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}
    return {**os.environ, **made_up}  # noqa: TID251 - handed on
