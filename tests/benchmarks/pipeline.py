"""The pipeline against the plain loop: same events, same run. See README.md beside this file."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from msgspec import Struct

from tests.benchmarks.cloudwatch import GROUP
from tests.benchmarks.processes import Family, Usage, usage

#: Events moved, seconds, and what each process used.
Moved = tuple[int, float, dict[str, Usage]]
Mover = Callable[[Path, str, Path, str], Moved]

#: Each: the form of the log lines, and the format of the source.
WORKLOADS = {"text": ("text", "auto"), "json": ("json", "auto"), "json as raw": ("json", "raw")}
_SETTINGS = """\
[wazuh]
queue_socket = "{socket}"
stats_socket = "{stats}"
[[sources]]
name = "bench"
regions = ["us-east-1"]
log_groups = ["{group}"]
only_logs_after = "1d"
endpoint_url = "{endpoint_url}"
format = "{format}"
[limits]
quota_share = 0
[log]
level = "warning"
"""


class Result(Struct):
    """One way of moving the events."""

    events: int
    seconds: float
    usages: dict[str, Usage]
    receiver: Usage
    cloudwatch: Usage

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU microseconds an event, of what is ours to choose: stand-ins left out."""
        return sum(used.cpu_seconds for used in self.usages.values()) / self.events * 1e6


def main() -> int:
    """Run the workloads and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--workload", choices=sorted(WORKLOADS), action="append")
    options = parser.parse_args()
    for workload in options.workload or WORKLOADS:
        plain = _measured(options.events, workload, _plain_loop)
        ours = _measured(options.events, workload, _pipeline)
        _show(workload, plain, ours)
    return 0


def _show(workload: str, plain: Result, ours: Result) -> None:
    print(f"\n{workload}: {ours.events:,} events")
    print(f"  {'':12}{'events/s':>12}{'CPU us/event':>15}")
    for name, result in (("plain loop", plain), ("cwpipe", ours)):
        print(f"  {name:12}{result.rate:12,.0f}{result.cpu_us:15.2f}")
    print(f"  {'ratio':12}{ours.rate / plain.rate:12.2f}{ours.cpu_us / plain.cpu_us:15.2f}")
    for name, used in sorted(ours.usages.items()):
        cpu_us = used.cpu_seconds / ours.events * 1e6
        print(f"    {name:20}{cpu_us:8.2f} us/event  peak {used.peak_bytes / 1024**2:6.1f} MiB")
    for name, used in (("CloudWatch stand-in", ours.cloudwatch), ("receiver stand-in", ours.receiver)):
        print(f"    ({name:19}{used.cpu_seconds / ours.events * 1e6:7.2f} us/event)")


def _measured(events: int, workload: str, move: Mover) -> Result:
    with tempfile.TemporaryDirectory(prefix="cwpipe-bench-") as place:
        socket = Path(place) / "queue"
        with _cloudwatch(events, workload) as (cloudwatch, endpoint_url), _sink(socket) as sink:
            before = usage(cloudwatch.pid)
            moved, seconds, usages = move(Path(place), endpoint_url, socket, workload)
            served = Usage(usage(cloudwatch.pid).cpu_seconds - before.cpu_seconds)
            received = usage(sink.pid)
            sink.terminate()
            assert sink.stdout is not None
            arrived = int(sink.stdout.read())
    assert moved == arrived == events, f"{events} events, {moved} moved, {arrived} arrived"
    return Result(moved, seconds, usages, received, served)


def _plain_loop(place: Path, endpoint_url: str, socket: Path, workload: str) -> Moved:
    command = [sys.executable, "-m", "tests.benchmarks.plain_loop", endpoint_url, GROUP, str(socket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        family = Family(process.pid)
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
        usages = family.stop()
    return report["events"], report["seconds"], {"plain loop": next(iter(usages.values()))}


def _pipeline(place: Path, endpoint_url: str, socket: Path, workload: str) -> Moved:
    shape = WORKLOADS[workload][1]
    settings = place / "cwpipe.toml"
    stats = socket.with_name("analysis")
    text = _SETTINGS.format(socket=socket, stats=stats, endpoint_url=endpoint_url, group=GROUP, format=shape)
    settings.write_text(text)
    environment = dict(os.environ) | {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}  # noqa: TID251 - handed on
    command = [sys.executable, "-m", "services", "run", "--once", "--json"]
    command += ["--config", str(settings), "--data-dir", str(place / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        family = Family(process.pid)
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
        usages = family.stop()
    return report["delivered"], report["seconds"], usages


@contextmanager
def _cloudwatch(events: int, workload: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "tests.benchmarks.cloudwatch", str(events), WORKLOADS[workload][0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.terminate()


@contextmanager
def _sink(socket: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.benchmarks.sink", str(socket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while not socket.with_name("analysis").exists():
            sleep(0.01)
        yield process
        process.terminate()


if __name__ == "__main__":
    sys.exit(main())
