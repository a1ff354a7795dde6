"""The peak and the course of memory: of each role and of Redis over many events, and of an event that is queued.

    python -m tests.benchmarks.memory --events 10000000 --queued 200000

The events are made as they are read. Resident memory is shown as it was when 10 %, 50 % and all of them were delivered: a
role whose memory grows with what passes through it shows there. Then, with nobody behind it, each queue is filled: what
Redis holds an event, all of it, and of that the batches and the remembered ids.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen
from time import sleep
from typing import Any

import redis

from shared import books, keys, store
from shared.queues import ENRICHED, RAW
from shared.settings.places import url_file
from tests.benchmarks import machine, stages
from tests.benchmarks.cloudwatch import FORMS, group_name
from tests.benchmarks.processes import UNSEEN, Family, Usage, running, wait
from tests.benchmarks.site import Site, command, socket_of, write_settings
from tests.benchmarks.stages import Crew
from tests.benchmarks.standins import cloudwatch, receiver
from tests.benchmarks.table import Table

#: Shares of the events delivered at which memory is looked at; the last look is a little before the end.
MARKS = (0.1, 0.5, 0.95)
LOOK_SECONDS = 0.1
MIB = 1024**2


def main() -> int:
    """Measure, and print both tables."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.memory", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--queued", type=int, default=200_000, help="events queued for the second table")
    parser.add_argument("--form", choices=sorted(FORMS), default="text")
    options = parser.parse_args()
    load = machine.load()
    looks, peaks = _course(options.events, options.form)
    made = Table([*(f"at {mark:.0%}" for mark in MARKS), "peak"])
    made.section("resident, MiB")
    for name in sorted(set(peaks) - {UNSEEN}):
        resident = [look.get(name, Usage()).resident_bytes / MIB for look in looks]
        made.row(name, [*resident, peaks[name].peak_bytes / MIB], 1)
    print(f"{options.events:,} events, {options.form}\n\n{made}\n\n{_queued(options.queued, options.form)}")
    print(machine.describe(load))
    return 0


def _course(events: int, form: str) -> tuple[list[dict[str, Usage]], dict[str, Usage]]:
    """Return what each process held at each mark, and its peak, by name."""
    group = group_name(0)
    with tempfile.TemporaryDirectory(prefix="cwpipe-bench-") as name:
        place, data = Path(name), Path(name) / "data"
        with cloudwatch(events, form, "--on-the-fly") as aws, receiver(socket_of(place)) as target:
            config = write_settings(place, aws.url, [group])
            words = command("run", "--once", "--json", "--config", str(config), "--data-dir", str(data))
            with running(words, stdout=PIPE) as process:
                family = Family(process.pid)
                looks = _looks(process, family, url_file(data), events)
                wait(process)
                peaks = family.stop()
            assert target.end().count == events
    return looks, peaks


def _looks(process: Popen[bytes], family: Family, url: Path, events: int) -> list[dict[str, Usage]]:
    looks: list[dict[str, Usage]] = []
    while not url.exists():
        assert process.poll() is None, "cwpipe run did not start"
        sleep(LOOK_SECONDS)
    with store.connect(url.read_text().strip()) as client:
        for mark in MARKS:
            while _delivered(client) < mark * events:
                sleep(LOOK_SECONDS)
            looks.append(family.by_name())
    return looks


def _delivered(client: redis.Redis) -> int:
    return sum(account.delivered for _, account in books.read(client).values())


def _queued(events: int, form: str) -> Table:
    """Return what an event costs Redis while it waits at either hop, and once it is delivered."""
    group = group_name(0)
    table = Table(["all", "batches", "remembered"])
    table.section(f"bytes in Redis an event, of {events:,}")
    with Site() as site, cloudwatch(events, form) as aws, receiver(site.socket):
        config = write_settings(
            site.place,
            aws.url,
            [group],
            redis_url=site.redis_url,
            poll_interval="1s",
            queued_bytes="64GiB",
            level="error",
        )
        before, crew = site.used_bytes(), Crew(config=config)
        works: dict[str, Callable[[], object]] = {
            "queued for the normalizer": lambda: stages.fetch(site, crew, events, 1),
            "queued for the forwarder": lambda: stages.normalize(site, crew, events),
            "delivered": lambda: stages.forward(site, crew, events),
        }
        for title, work in works.items():
            work()
            held = [site.used_bytes() - before, _batches(site.client), _remembered(site.client)]
            table.row(title, [each / events for each in held], 1)
    return table


def _batches(client: redis.Redis) -> int:
    held: Any = client.hmget(keys.BYTES, [RAW.queue, ENRICHED.queue])
    return sum(int(each or 0) for each in held)


def _remembered(client: redis.Redis) -> int:
    found = client.scan_iter(match=keys.seen("*"), count=10_000)
    return sum(int(client.memory_usage(key) or 0) for key in found)


if __name__ == "__main__":
    sys.exit(main())
