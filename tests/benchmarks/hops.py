"""Each hop alone, by the number of its replicas; and what follows for more cores than there are here.

    python -m tests.benchmarks.hops --events 400000 --replicas 2

With a core to spare each replica is given one of its own, and Redis and the stand-ins the others (`own core` 1).
The model: events/s is the least of replicas x ceiling, by hop, and of what one Redis can do, which has one thread.
It knows nothing of memory, of caches, of the network, nor of the receiver, and an AWS account has quotas (docs/scaling.md).
"""

import argparse
import os
import sys

from tests.benchmarks import machine, stages
from tests.benchmarks.cloudwatch import group_name
from tests.benchmarks.site import Site, write_settings
from tests.benchmarks.stages import Crew, Pace
from tests.benchmarks.standins import cloudwatch, receiver
from tests.benchmarks.table import Table

GROUPS = 8
HOPS = ("fetcher", "normalizer", "forwarder")
#: Replicas of each hop in the table of the model.
MODELLED = (1, 2, 4, 8)


def main() -> int:
    """Measure, and print both tables."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.hops", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--form", choices=("text", "json"), default="text")
    parser.add_argument("--replicas", type=int, default=len(machine.cores()), help="1 to so many of each role")
    options = parser.parse_args()
    load = machine.load()
    found = {replicas: _measure(options.events, options.form, replicas) for replicas in range(1, options.replicas + 1)}
    print(f"{options.events:,} events, {options.form}, {GROUPS} groups; each hop alone\n")
    print(_measured(found))
    print(f"\nmodel, from one replica of each\n\n{_model(found[1])}")
    print(machine.describe(load))
    return 0


def _measure(events: int, form: str, replicas: int) -> dict[str, Pace]:
    groups = [group_name(number) for number in range(GROUPS)]
    with Site() as site, cloudwatch(events, form, "--groups", str(GROUPS)) as aws, receiver(site.socket) as target:
        cores = machine.cores()
        for pid in (site.redis_pid, aws.pid, target.pid):
            os.sched_setaffinity(pid, cores[replicas:] or cores)
        config = write_settings(
            site.place,
            aws.url,
            groups,
            redis_url=site.redis_url,
            poll_interval="1s",
            queued_bytes="64GiB",
            level="error",
        )
        crew = Crew(config=config, replicas=replicas)
        return {
            "fetcher": stages.fetch(site, crew, events, GROUPS),
            "normalizer": stages.normalize(site, crew, events),
            "forwarder": stages.forward(site, crew, events),
        }


def _measured(found: dict[int, dict[str, Pace]]) -> Table:
    table = Table(HOPS)
    for title, name, digits in (
        ("events/s", "rate", 0),
        ("CPU us/event", "cpu_us", 2),
        ("CPU us/event of Redis", "redis_us", 2),
        ("own core", "pinned", 0),
    ):
        table.section(title)
        for replicas, paces in found.items():
            table.row(f"{replicas} of each", [float(getattr(paces[hop], name)) for hop in HOPS], digits)
    return table


def _model(paces: dict[str, Pace]) -> Table:
    """Return what follows from the ceilings for more replicas."""
    redis_us = sum(pace.redis_us for pace in paces.values())
    redis_rate = 1e6 / redis_us
    cpu_us = sum(pace.cpu_us for pace in paces.values()) + redis_us
    table = Table([f"{replicas} of each" for replicas in MODELLED])
    hops = {hop: [replicas * paces[hop].rate for replicas in MODELLED] for hop in HOPS}
    for hop, rates in hops.items():
        table.row(f"{hop}, events/s", rates, 0)
    table.row("Redis, events/s", [redis_rate] * len(MODELLED), 0)
    limits = [min(redis_rate, *each) for each in zip(*hops.values(), strict=True)]
    table.row("all, events/s", limits, 0)
    table.row("cores busy with it", [limit * cpu_us / 1e6 for limit in limits], 1)
    return table


if __name__ == "__main__":
    sys.exit(main())
