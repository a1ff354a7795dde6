"""One place where cwpipe runs: a CloudWatch, an analysisd, and the processes between them, kept at work while one waits."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from time import monotonic, sleep, time
from typing import Literal

import redis

from shared.settings.model import Wazuh
from tests.standins.analysisd_process import AnalysisdProcess
from tests.standins.analysisd_setup import Setup
from tests.standins.cloudwatch import CloudWatch
from tests.system.command import clean_environment
from tests.torture import verdict, workload
from tests.torture.stages import Separate, Stage, Supervised, is_up
from tests.torture.workload import REGION, Event, Put
from tests.torture.workplace import bytecode

Level = Literal["read", "processed"]

#: What counts as delivered in these runs. Only `processed` survives a receiver that dies with events in its memory.
LEVEL: Level = "processed" if "stats_socket" in Wazuh.__struct_fields__ else "read"
PATIENCE_SECONDS = 90.0
TICK_SECONDS = 0.05
#: The exit code that says so.
CRASHED = 1
ROLE = "arn:aws:iam::123456789012:role/reader"

CONFIGURATION = """
[wazuh]
queue_socket = "{directory}/queue"
confirm = "{level}"
stats_socket = "{directory}/analysis"
max_events_per_second = {per_second}

[log]
format = "json"
[run]
normalizers = 2
[[sources]]
name = "in-a-role"
regions = ["{region}"]
log_groups = ["/torture/00"]
role_arn = "{role}"
sts_endpoint_url = "{url}"
{source}
[[sources]]
name = "all"
regions = ["{region}"]
log_groups = ["/torture/*"]
{source}
"""
SOURCE = """
only_logs_after = "1h"
poll_interval = "1s"
discovery_interval = "5s"
late_window = "60s"
sweep_window = "10m"
sweep_interval = "{sweep_interval}"
endpoint_url = "{url}"
"""


class Site:
    """`with` starts everything and waits for the server; the end kills it all."""

    def __init__(
        self,
        directory: Path,
        stage: type[Separate] | type[Supervised],
        groups: int,
        *,
        level: Level = LEVEL,
        max_events_per_second: int = 0,
        sweep_interval: str = "0s",
        through: str = "",
        port: int = 0,
    ) -> None:
        """`sweep_interval`: between two deep sweeps, "0s" for none. `through` and `port`: as for `Separate`."""
        self.directory = directory
        self.aws = CloudWatch()
        self.analysisd = AnalysisdProcess(directory, Setup(keep=False, id_pattern=workload.JOURNAL_PATTERN))
        self.puts: list[Put] = []
        config = directory / "cwpipe.toml"
        source = SOURCE.format(url=self.aws.endpoint_url, sweep_interval=sweep_interval)
        config.write_text(
            CONFIGURATION.format(
                directory=directory,
                level=level,
                per_second=max_events_per_second,
                region=REGION,
                role=ROLE,
                url=self.aws.endpoint_url,
                source=source,
            )
        )
        environment = clean_environment(directory, bytecode())
        if stage is Separate:
            self.stage: Stage = Separate(directory, config, environment, through=through, port=port)
        else:
            self.stage = Supervised(directory, config, environment)
        self._stack = ExitStack()
        self._numbers = iter(range(9_000_000, 10_000_000))  # apart from a workload's
        self.aws.add_role(ROLE)
        for group in workload.group_names(groups):
            self.aws.create_group(REGION, group)

    def __enter__(self) -> "Site":
        with ExitStack() as stack:
            stack.enter_context(self.aws)
            stack.enter_context(self.analysisd)
            stack.enter_context(self.stage)
            self.wait(lambda: is_up(self.stage), "the server answers")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def put(self, put: Put) -> None:
        """Have events arrive at CloudWatch now."""
        now_ms = int(time() * 1000)
        events = [(now_ms + event.offset_ms, event.text) for event in put.events for _ in range(event.copies)]
        self.aws.put(REGION, put.group, put.stream, events)

    def put_some(self, group: int, count: int) -> None:
        """Have so many events of any kind arrive in one stream."""
        events: list[Event] = workload.events(Random(group), self._numbers, count)
        put = Put(0.0, workload.group_names(group + 1)[group], "web", tuple(events))
        self.puts.append(put)
        self.put(put)

    def wait(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for something, and meanwhile start again what ended."""
        deadline = monotonic() + seconds
        while not condition():
            assert monotonic() < deadline, f"did not happen within {seconds} s: {what}; logs in {self.directory}"
            self.pass_time(TICK_SECONDS)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        until = monotonic() + seconds
        while True:
            self.stage.tend()
            if monotonic() >= until:
                return
            sleep(TICK_SECONDS)

    def wait_until_all_is_done(self) -> None:
        """Wait until every event that was put with `put_some` is processed, and nothing is on its way."""
        self.wait(lambda: not verdict.missing(self.puts, self.analysisd.journal), "every event processed")
        self.wait(self.is_quiet, "nothing is on its way")

    def is_quiet(self) -> bool:
        """Tell whether nothing is on its way. A server that is away is not quiet."""
        client = self.stage.connect()
        try:
            return verdict.is_quiet(client)
        except redis.RedisError:
            return False
        finally:
            client.close()

    def crashes(self) -> list[str]:
        """Return what ended by a fault of its own."""
        return [
            f"{service.name} crashed: see its log"
            for service in self.stage.services
            if CRASHED in service.exit_codes or "Traceback" in service.log
        ]

    def judge(self, puts: Sequence[Put], *, most_doubts: int, may_drop: bool = False) -> verdict.Verdict:
        """Look at everything when all is quiet."""
        client = self.stage.connect()
        try:
            return verdict.judge(puts, self.analysisd.journal, client, most_doubts=most_doubts, may_drop=may_drop)
        finally:
            client.close()
