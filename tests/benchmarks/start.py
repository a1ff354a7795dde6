"""What a start costs: `cwpipe --help`, and each role from exec until it is ready.

    python -m tests.benchmarks.start --repeats 7

A normalizer and a forwarder are ready when their log says so, a fetcher when it has asked CloudWatch for events.
Medians of wall and CPU time, then by role the packages whose import took longest, themselves only (python -X importtime).
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from statistics import median
from subprocess import DEVNULL, PIPE, Popen
from time import monotonic, sleep

from tests.benchmarks import machine
from tests.benchmarks.cloudwatch import ONE, REGION
from tests.benchmarks.processes import environment, running, usage, wait
from tests.benchmarks.site import Site, command, write_settings
from tests.benchmarks.standins import receiver
from tests.benchmarks.table import Table
from tests.standins.cloudwatch import CloudWatch

#: A role is ready when its log says this.
READY = b"worker ready"
ROLES = ("fetcher", "normalizer", "forwarder")
PACKAGES = 10
#: Wall and CPU seconds.
Cost = tuple[float, float]


def main() -> int:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.start", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    load = machine.load()
    with Site() as site, CloudWatch() as aws, receiver(site.socket):
        aws.put(REGION, ONE, "stream", [])
        config = write_settings(site.place, aws.endpoint_url, [ONE], redis_url=site.redis_url, level="info")

        def fetcher() -> Cost:
            aws.calls.clear()
            return _until(command("fetcher", "--config", str(config)), lambda _: _asked(aws))

        def worker(role: str) -> Cost:
            return _until(command(role, "--config", str(config)), _said_ready)

        costs = {
            "--help": [_to_the_end(command("--help")) for _ in range(options.repeats)],
            "fetcher": [fetcher() for _ in range(options.repeats)],
            "normalizer": [worker("normalizer") for _ in range(options.repeats)],
            "forwarder": [worker("forwarder") for _ in range(options.repeats)],
        }
    table = Table(["wall", "CPU", "wall, least"])
    table.section(f"ms until ready, median of {options.repeats}")
    for name, cost in costs.items():
        walls, cpus = [wall * 1e3 for wall, _ in cost], [cpu * 1e3 for _, cpu in cost]
        table.row(name, [median(walls), median(cpus), min(walls)], 0)
    print(f"{table}\n\n{_imports()}")
    print(machine.describe(load))
    return 0


def _to_the_end(words: list[str]) -> Cost:
    began = monotonic()
    with Popen(words, stdout=DEVNULL, env=environment()) as process:
        cpu = wait(process)
    assert process.returncode == 0, f"{words} ended with {process.returncode}"
    return monotonic() - began, cpu


def _until(words: list[str], is_ready: Callable[[Popen[bytes]], bool]) -> Cost:
    began = monotonic()
    with running(words, stderr=PIPE) as process:
        while not is_ready(process):
            assert process.poll() is None, f"{words} ended with {process.returncode}"
        return monotonic() - began, usage(process.pid).cpu_seconds


def _said_ready(process: Popen[bytes]) -> bool:
    assert process.stderr is not None
    return READY in process.stderr.readline()


def _asked(aws: CloudWatch) -> bool:
    sleep(0.002)
    return bool(aws.call_count("FilterLogEvents"))


def _imports() -> Table:
    """Return the packages of each role whose import takes longest."""
    table = Table(["ms"])
    for role in ROLES:
        times = import_times(f"import services.__main__, services.{role}.__main__")
        table.section(f"imports of the {role}: {sum(times.values()) / 1e3:,.0f} ms in all")
        for package, us in times.most_common(PACKAGES):
            table.row(package, [us / 1e3], 1)
    return table


def import_times(code: str) -> Counter[str]:
    """Return the microseconds that `code` spends on importing, by top-level package."""
    words = [sys.executable, "-X", "importtime", "-c", code]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stderr
    times: Counter[str] = Counter()
    for line in told.splitlines():
        own, _, name = line.removeprefix("import time:").replace("|", " ", 1).partition("|")
        with suppress(ValueError, IndexError):  # the heading
            times[name.strip().partition(".")[0]] += int(own.split()[0])
    return times


if __name__ == "__main__":
    sys.exit(main())
