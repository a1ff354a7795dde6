"""CPU time and peak memory of processes, read from /proc while they live."""

import os
import threading
from pathlib import Path

from msgspec import Struct

_TICKS = os.sysconf("SC_CLK_TCK")


class Usage(Struct):
    """What one process has used so far."""

    cpu_seconds: float = 0.0
    peak_bytes: int = 0


def usage(pid: int) -> Usage:
    """Return what the process has used; nothing if it is gone."""
    try:
        # the name in parentheses may hold spaces, so count from behind it
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return Usage()
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), "0")
    return Usage((int(times[11]) + int(times[12])) / _TICKS, int(peak) * 1024)


class Family:
    """Watches a process and its children, by name, until `stop`."""

    def __init__(self, pid: int) -> None:
        self.by_name: dict[str, Usage] = {}
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, Usage]:
        """Stop watching; return the last usage seen of each."""
        self._ended.set()
        self._thread.join()
        return self.by_name

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            for pid in [self._pid, *_children(self._pid)]:
                name, seen = _name(pid), usage(pid)
                if name and seen.cpu_seconds:
                    self.by_name[name] = seen


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _name(pid: int) -> str:
    """Return a role's name, or the program's; nothing for a process that has ended and waits for its parent."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return ""
    if "services" in words:
        return words[words.index("services") + 1]
    return "valkey" if "valkey" in words[0] else Path(words[0]).name
