"""Ways to move the same events from CloudWatch to the receiver: by the plain loop, and by cwpipe."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from time import monotonic

from msgspec import Struct

from tests.benchmarks.processes import UNSEEN, Family, Usage, last_words, running, usage, wait
from tests.benchmarks.site import command, socket_of, write_settings
from tests.benchmarks.standins import Arrived, CloudWatchProcess, receiver

PLAIN = "plain loop"


class Moved(Struct, kw_only=True):
    """One way of moving the events, measured from the start of its first process to the end of its last."""

    events: int
    seconds: float
    usages: dict[str, Usage]
    arrived: Arrived
    receiver: Usage
    cloudwatch_seconds: float
    """CPU time of the stand-in of CloudWatch."""

    @property
    def rate(self) -> float:
        """Events a second, start and end included."""
        return self.events / self.seconds

    @property
    def cpu_seconds(self) -> float:
        """CPU time of what is ours to choose: stand-ins left out."""
        return sum(used.cpu_seconds for used in self.usages.values())

    def cpu_of(self, name: str) -> float:
        """Return the CPU seconds of one role."""
        return self.usages.get(name, Usage()).cpu_seconds


#: Given a directory, CloudWatch's URL, a group and the format of its source: the command to run. And how many events its
#: output says it moved, where it says so.
Mover = tuple[Callable[[Path, str, str, str], list[str]], Callable[[bytes], int] | None]


def plain_loop() -> Mover:
    """Return the loop that a user would write."""

    def words(place: Path, endpoint_url: str, group: str, form: str) -> list[str]:
        return [sys.executable, "-m", "tests.benchmarks.plain_loop", endpoint_url, group, str(socket_of(place))]

    return words, lambda output: int(json.loads(output)["events"])


def pipeline() -> Mover:
    """Return `cwpipe run --once`."""

    def words(place: Path, endpoint_url: str, group: str, form: str) -> list[str]:
        config = write_settings(place, endpoint_url, [group], format=form)
        return command("run", "--once", "--json", "--config", str(config), "--data-dir", str(place / "data"))

    return words, lambda output: int(json.loads(output)["delivered"])


def move(mover: Mover, place: Path, cloudwatch: CloudWatchProcess, group: str, form: str, events: int) -> Moved:
    """Move the events of a group to a receiver in `place`, an empty directory. Raises AssertionError if not all arrived."""
    words, moved_by = mover
    before = usage(cloudwatch.pid)
    with receiver(socket_of(place)) as target:
        usages, seconds, output = _run(words(place, cloudwatch.url, group, form))
        served = usage(cloudwatch.pid).cpu_seconds - before.cpu_seconds
        received = target.usage
        arrived = target.end()
    moved = moved_by(output) if moved_by else arrived.count
    assert moved == arrived.count == events, (
        f"{events} events, {moved} moved, {arrived.count} arrived; {output[-2_000:]!r}"
    )
    return Moved(
        events=events,
        seconds=seconds,
        usages=usages,
        arrived=arrived,
        receiver=received,
        cloudwatch_seconds=served,
    )


def _run(words: list[str]) -> tuple[dict[str, Usage], float, bytes]:
    began = monotonic()
    with running(words, stdout=PIPE) as process:
        family = Family(process.pid)
        output = last_words(process)
        usages = family.stop()
        total = wait(process)
    seconds = monotonic() - began
    if "run" not in usages:
        usages = {PLAIN: sum(usages.values(), Usage())}
    usages[UNSEEN] = Usage(max(0.0, total - sum(used.cpu_seconds for used in usages.values())))
    return usages, seconds, output
