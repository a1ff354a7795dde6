"""CPU time and memory of processes, read from /proc while they live."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from msgspec import Struct

_TICKS = os.sysconf("SC_CLK_TCK")
WATCH_SECONDS = 0.05
#: What the kernel counted of a family beyond what was seen of its members: each is read last a moment before its end.
UNSEEN = "unseen"


class Usage(Struct):
    """What one process has used so far."""

    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    resident_bytes: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Return the time of both, and the memory of the larger one."""
        return Usage(
            self.cpu_seconds + other.cpu_seconds,
            max(self.peak_bytes, other.peak_bytes),
            max(self.resident_bytes, other.resident_bytes),
        )


def usage(pid: int) -> Usage:
    """Return what the process has used; nothing if it is gone."""
    try:
        # the name in parentheses may hold spaces, so count from behind it
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return Usage()
    sizes = {name: rest.split()[0] for name, _, rest in (line.partition(":") for line in lines) if rest.endswith(" kB")}
    return Usage(
        (int(times[11]) + int(times[12])) / _TICKS,
        int(sizes.get("VmHWM", "0")) * 1024,
        int(sizes.get("VmRSS", "0")) * 1024,
    )


@contextmanager
def running(words: Sequence[str], *, stdout: int | None = None, stderr: int | None = None) -> Iterator[Popen[bytes]]:
    """Have a program run, with an environment for the stand-ins, until the end of the block."""
    with Popen(words, stdout=stdout, stderr=stderr, env=environment()) as process:
        try:
            yield process
        finally:
            process.terminate()


def environment() -> dict[str, str]:
    """Return our environment, with a key for the stand-in of CloudWatch and nothing else that names an account."""
    ours = ("CWPIPE_", "AWS_", "REDIS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}  # noqa: TID251 - handed on
    return kept | {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}


def first_line(process: Popen[bytes]) -> str:
    """Return the first line that a program prints; fail if it ends without one. Blocks."""
    assert process.stdout is not None
    line = process.stdout.readline().decode().strip()
    assert line, f"{process.args!r} ended without a word"
    return line


def last_words(process: Popen[bytes]) -> bytes:
    """Return all else that a program prints until it ends. Blocks."""
    assert process.stdout is not None
    return process.stdout.read()


def wait(process: Popen[bytes]) -> float:
    """Wait for a process; return the CPU seconds of it and of all that it waited for, as the kernel counted them."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


class Family:
    """Watches a process and its children until `stop`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: dict[int, tuple[str, Usage]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, Usage]:
        """Stop watching; return the last usage seen, by name."""
        self._ended.set()
        self._thread.join()
        return self.by_name()

    def by_name(self) -> dict[str, Usage]:
        """Return the usage seen so far, by name: several processes of one name together."""
        found: dict[str, Usage] = {}
        for name, used in list(self._seen.values()):
            found[name] = found.get(name, Usage()) + used
        return found

    def _watch(self) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            for pid in [self._pid, *children(self._pid)]:
                name, used = self._name(pid), usage(pid)
                if name and used.cpu_seconds:
                    before = self._seen.get(pid, (name, Usage()))[1]
                    used.peak_bytes = max(used.peak_bytes, before.peak_bytes)
                    # one that has just ended has no memory
                    used.resident_bytes = used.resident_bytes or before.resident_bytes
                    self._seen[pid] = (name, used)

    def _name(self, pid: int) -> str:
        known = self._seen.get(pid)
        name = known[0] if known else name_of(pid)
        is_copy = pid != self._pid and name == name_of(self._pid)  # of its parent: forked, and not another program yet
        return "" if is_copy else name


def children(pid: int) -> list[int]:
    """Return the process ids of the children of a process of one thread."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def name_of(pid: int) -> str:
    """Return a role's name, or the program's; nothing for a process that has ended and waits for its parent."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return ""
    if "services" in words:
        return words[words.index("services") + 1]
    return "Redis" if "valkey" in words[0] else Path(words[0]).name
