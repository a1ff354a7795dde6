"""The pipeline against the plain loop: same events, same run, one table. See README.md beside this file.

python -m tests.benchmarks.pipeline --events 500000 --workload text
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from tests.benchmarks import ceilings, machine
from tests.benchmarks.cloudwatch import ONE, group_name
from tests.benchmarks.movers import Moved, Mover, move, pipeline, plain_loop
from tests.benchmarks.processes import UNSEEN
from tests.benchmarks.standins import CloudWatchProcess, cloudwatch
from tests.benchmarks.table import Table

#: Each: the form of the log lines, and the format of the source.
WORKLOADS = {
    "text auto": ("text", "auto"),
    "json auto": ("json", "auto"),
    "json raw": ("json", "raw"),
    "text raw": ("text", "raw"),
}
ROLES = ("fetcher", "normalizer", "forwarder", "run", "Redis", UNSEEN)


class Way(Struct):
    """One way of moving events: many of them, and a single one, which is what starting and stopping cost."""

    many: Moved
    one: Moved

    def all_in(self, role: str | None = None) -> float:
        """Return CPU us an event, start and stop included, of one role or of all."""
        return self._cpu(self.many, role) / self.many.events * 1e6

    def steady(self, role: str | None = None) -> float:
        """Return CPU us an event without start and stop."""
        return (self._cpu(self.many, role) - self._cpu(self.one, role)) / self.many.events * 1e6

    def start_ms(self, role: str | None = None) -> float:
        """Return the CPU ms of start and stop."""
        return self._cpu(self.one, role) * 1e3

    @staticmethod
    def _cpu(moved: Moved, role: str | None) -> float:
        return moved.cpu_seconds if role is None else moved.cpu_of(role)


class Result(Struct):
    """Both ways, and what the stand-ins can do alone."""

    ours: Way
    plain: Way
    cloudwatch: tuple[float, float]
    receiver: tuple[float, float]


def main() -> int:
    """Run the workloads and print the table."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.pipeline", description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="of each workload")
    parser.add_argument("--workload", choices=sorted(WORKLOADS), action="append")
    options = parser.parse_args()
    load = machine.load()
    wanted = [workload for workload in WORKLOADS if workload in (options.workload or WORKLOADS)]
    results: dict[str, Result] = {}
    for form in sorted({WORKLOADS[workload][0] for workload in wanted}):
        with cloudwatch(options.events, form) as aws:
            for workload in wanted:
                if WORKLOADS[workload][0] == form:
                    print(f"{workload} ...", file=sys.stderr, flush=True)
                    results[workload] = _measure(aws, options.events, *WORKLOADS[workload])
    print(f"{options.events:,} events of each workload\n")
    print(table({workload: results[workload] for workload in wanted}))
    print(machine.describe(load))
    return 0


def _measure(aws: CloudWatchProcess, events: int, form: str, shape: str) -> Result:
    def way(mover: Mover) -> Way:
        one = _moved(mover, aws, ONE, shape, 1)
        return Way(many=_moved(mover, aws, group_name(0), shape, events), one=one)

    return Result(
        plain=way(plain_loop()),
        ours=way(pipeline()),
        cloudwatch=ceilings.cloudwatch_alone(aws, group_name(0), events),
        receiver=ceilings.receiver_alone(events, form),
    )


def _moved(mover: Mover, aws: CloudWatchProcess, group: str, shape: str, events: int) -> Moved:
    with tempfile.TemporaryDirectory(prefix="cwpipe-bench-") as place:
        return move(mover, Path(place), aws, group, shape, events)


def table(results: dict[str, Result]) -> Table:
    """Return the table of all workloads."""
    found = list(results.values())
    made = Table(list(results))
    _rates(made, "events/s, all in", found, lambda moved: moved.rate)
    _rates(made, "events/s, steady", found, lambda moved: moved.arrived.rate)
    _cpu(made, "CPU us/event, all in", found, Way.all_in)
    _cpu(made, "CPU us/event, steady", found, Way.steady)
    made.section("start and stop")
    for role in ROLES:
        made.row(f"{role}, CPU ms", [each.ours.start_ms(role) for each in found], 0)
    made.row("cwpipe, CPU ms", [each.ours.start_ms() for each in found], 0)
    made.row("plain loop, CPU ms", [each.plain.start_ms() for each in found], 0)
    made.row("cwpipe, ms", [each.ours.one.seconds * 1e3 for each in found], 0)
    made.row("plain loop, ms", [each.plain.one.seconds * 1e3 for each in found], 0)
    made.section("peak memory, MiB")
    for role in ROLES[:-1]:
        made.row(role, [each.ours.many.usages[role].peak_bytes / 1024**2 for each in found], 0)
    _limits(made, found)
    return made


def _rates(made: Table, title: str, found: Sequence[Result], rate: Callable[[Moved], float]) -> None:
    ours, plain = ([rate(way.many) for way in ways] for ways in _ways(found))
    made.section(title)
    made.row("cwpipe", ours, 0)
    made.row("plain loop", plain, 0)
    made.row("ratio", [one / other for one, other in zip(ours, plain, strict=True)])


def _cpu(made: Table, title: str, found: Sequence[Result], cpu: Callable[..., float]) -> None:
    made.section(title)
    for role in ROLES:
        made.row(role, [cpu(each.ours, role) for each in found])
    ours, plain = ([cpu(way) for way in ways] for ways in _ways(found))
    made.row("cwpipe", ours)
    made.row("plain loop", plain)
    made.row("ratio", [one / other if other else 0.0 for one, other in zip(ours, plain, strict=True)])


def _limits(made: Table, found: Sequence[Result]) -> None:
    made.section("stand-ins: CPU us/event with cwpipe, with the plain loop, and alone; what they can do alone")
    ours, plain = _ways(found)
    for name, ways in (("cwpipe", ours), ("plain loop", plain)):
        made.row(f"CloudWatch, {name}", [way.many.cloudwatch_seconds / way.many.events * 1e6 for way in ways])
    made.row("CloudWatch, alone", [each.cloudwatch[1] for each in found])
    for name, ways in (("cwpipe", ours), ("plain loop", plain)):
        made.row(f"receiver, {name}", [way.many.receiver.cpu_seconds / way.many.events * 1e6 for way in ways])
    made.row("receiver, alone", [each.receiver[1] for each in found])
    made.row("CloudWatch, alone, events/s", [each.cloudwatch[0] for each in found], 0)
    made.row("receiver, alone, datagrams/s", [each.receiver[0] for each in found], 0)


def _ways(found: Sequence[Result]) -> tuple[list[Way], list[Way]]:
    return [each.ours for each in found], [each.plain for each in found]


if __name__ == "__main__":
    sys.exit(main())
