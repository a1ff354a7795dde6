"""Flame graphs of the roles at work, one after the other: make bench-profile

    python -m tests.benchmarks.flames --events 400000 --form json --format speedscope

Each role drains a full queue below py-spy, which the dependency group `profile` installs. py-spy reads another process's
memory: in a container it needs the capability SYS_PTRACE. A profiled role is a little slower.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import stages
from tests.benchmarks.cloudwatch import FORMS, group_name
from tests.benchmarks.site import Site, write_settings
from tests.benchmarks.stages import Crew, Pace
from tests.benchmarks.standins import cloudwatch, receiver

SUFFIXES = {"flamegraph": "svg", "speedscope": "speedscope.json"}


def main() -> int:
    """Profile the roles; print where the files are."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.flames", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--form", choices=sorted(FORMS), default="json")
    parser.add_argument("--format", choices=sorted(SUFFIXES), default="flamegraph")
    parser.add_argument("--rate", type=int, default=500, help="samples a second")
    parser.add_argument("--into", type=Path, default=Path("build/profiles"))
    options = parser.parse_args()
    profiler = shutil.which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
    if profiler is None:
        print("there is no py-spy: `make bench-profile` installs it", file=sys.stderr)
        return 2
    options.into.mkdir(parents=True, exist_ok=True)
    events, group = options.events, group_name(0)
    with Site() as site, cloudwatch(events, options.form) as aws, receiver(site.socket):
        config = write_settings(
            site.place,
            aws.url,
            [group],
            redis_url=site.redis_url,
            poll_interval="1s",
            queued_bytes="64GiB",
            level="error",
        )
        hops: dict[str, Callable[[Crew], Pace]] = {
            "fetcher": lambda crew: stages.fetch(site, crew, events, 1),
            "normalizer": lambda crew: stages.normalize(site, crew, events),
            "forwarder": lambda crew: stages.forward(site, crew, events),
        }
        for role, work in hops.items():
            file = options.into / f"{role}.{SUFFIXES[options.format]}"
            words = [profiler, "record", "--format", options.format, "--rate", str(options.rate), "--output", str(file)]
            pace = work(Crew(config=config, prefix=(*words, "--")))
            assert file.exists(), f"py-spy wrote no {file}: see what it said above"
            print(f"{file}  {pace.rate:,.0f} events/s below the profiler")
    return 0


if __name__ == "__main__":
    sys.exit(main())
