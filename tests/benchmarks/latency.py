"""The live tail: from the moment an event is visible at CloudWatch to its datagram at the receiver.

    python -m tests.benchmarks.latency --rate 10 --rate 1000 --rate 10000 --seconds 20

`in all` holds the wait for the next poll. `our share` does not: it begins when CloudWatch's stand-in begins to make the
answer that carries the event. Its parts follow, by the times that RQ keeps of each job: `fetched` ends when the batch is
given to Redis, `normalizer waits` and `forwarder waits` when the role has taken the job, `normalized` when the next job is
given to Redis, `forwarded` when the datagram has arrived. Percentiles of parts do not add up.
"""

import argparse
import json
import sys
import time
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from subprocess import PIPE
from tempfile import TemporaryDirectory

from shared import store
from shared.settings.places import url_file
from tests.benchmarks import job_times, machine
from tests.benchmarks.arrivals import Arrivals
from tests.benchmarks.live_tail import GROUP
from tests.benchmarks.processes import first_line, last_words, running
from tests.benchmarks.site import command, socket_of, write_settings
from tests.benchmarks.table import Table

RATES = (10, 1_000, 10_000)
#: From the start of the roles to the first event; and what is left out behind it.
LEAD_SECONDS = 6
WARM_UP_SECONDS = 2
#: RQ forgets a job a minute after its end.
MAX_SECONDS = 45
PARTS = ("fetched", "normalizer waits", "normalized", "forwarder waits", "forwarded")


def main() -> int:
    """Measure at each rate and print the table."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.latency", description=__doc__)
    parser.add_argument("--rate", type=int, action="append", help="events a second; may be repeated")
    parser.add_argument("--seconds", type=int, default=20, choices=range(4, MAX_SECONDS + 1), metavar="4..45")
    parser.add_argument("--poll-interval", default="1s")
    options = parser.parse_args()
    load = machine.load()
    found = {rate: _measure(rate, options.seconds, options.poll_interval) for rate in options.rate or RATES}
    table = Table([f"{rate:,}/s" for rate in found])
    for name in next(iter(found.values())):
        table.section(f"{name}, ms")
        cuts = [quantiles(parts[name], n=100, method="inclusive") for parts in found.values()]
        table.row("p50", [cut[49] * 1e3 for cut in cuts], 1)
        table.row("p99", [cut[98] * 1e3 for cut in cuts], 1)
        table.row("max", [max(parts[name]) * 1e3 for parts in found.values()], 1)
    table.section("events measured")
    table.row("", [len(parts["in all"]) for parts in found.values()], 0)
    print(f"poll_interval {options.poll_interval}, {options.seconds} s at each rate\n")
    print(table)
    print(machine.describe(load))
    return 0


def _measure(rate: int, seconds: int, poll_interval: str) -> dict[str, list[float]]:
    start_ms = int(time.time() + LEAD_SECONDS) * 1_000
    with TemporaryDirectory(prefix="cwpipe-bench-") as name, Arrivals(socket_of(Path(name))) as arrivals:
        place, data = Path(name), Path(name) / "data"
        words = [sys.executable, "-m", "tests.benchmarks.live_tail", str(rate), str(seconds), str(start_ms)]
        with running(words, stdout=PIPE) as tail:
            config = write_settings(place, first_line(tail), [GROUP], poll_interval=poll_interval)
            with running(command("run", "--config", str(config), "--data-dir", str(data))):
                arrivals.wait_for(rate * seconds, LEAD_SECONDS + seconds + 60)
                with store.connect(url_file(data).read_text().strip()) as client:
                    batches = job_times.read(client)
            tail.terminate()
            answers = json.loads(last_words(tail))
    first = rate * WARM_UP_SECONDS
    return _parts(start_ms, rate, answers, batches, dict(sorted(arrivals.at.items())[first:]))


def _parts(
    start_ms: int,
    rate: int,
    answers: list[tuple[float, int, int]],
    batches: list[job_times.BatchTimes],
    arrived: dict[int, float],
) -> dict[str, list[float]]:
    """Return the seconds of each part, by its name, of every event."""
    assert len(answers) == len(batches), f"{len(answers)} answers brought events, and {len(batches)} batches were made"
    ends = [end for _, _, end in answers]
    found: dict[str, list[float]] = {name: [] for name in ("in all", "our share", *PARTS)}
    for index, at in arrived.items():
        place = bisect_right(ends, index)
        answered, batch = answers[place][0], batches[place]
        steps = [answered, batch.raw_queued, batch.raw_begun, batch.enriched_queued, batch.enriched_begun, at]
        found["in all"].append(at - start_ms / 1e3 - index / rate)
        found["our share"].append(at - answered)
        for name, (began, ended) in zip(PARTS, pairwise(steps), strict=True):
            found[name].append(ended - began)
    return found


if __name__ == "__main__":
    sys.exit(main())
