"""Wazuh's own module against the same stand-ins: how fast the wodle that cwpipe replaces moves the same events.

    python -m tests.benchmarks.wodle --wodle /var/ossec/wodles/aws --python /var/ossec/framework/python/bin/python3

The module is copied as it is, with the wodles/utils.py above it, into a directory that looks to it like an installation:
it finds its receiver, its database and a `wazuh-control` there, and nothing of this host's Wazuh is touched. The Python
needs boto3; without pyarrow, which it imports for S3 alone, an empty package of that name is put in its place.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import DEVNULL, run

from tests.benchmarks import machine
from tests.benchmarks.cloudwatch import FORMS, ONE, REGION, group_name
from tests.benchmarks.movers import Moved, Mover, move, pipeline
from tests.benchmarks.pipeline import Way
from tests.benchmarks.site import socket_of
from tests.benchmarks.standins import cloudwatch
from tests.benchmarks.table import Table

#: Where the module expects analysisd's socket, below the directory that holds `wodles`.
QUEUE = Path("queue/sockets/queue")
_CONTROL = "#!/bin/sh\necho 'WAZUH_VERSION=\"v4.14.0\"'\n"


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.wodle", description=__doc__)
    parser.add_argument("--wodle", type=Path, default=os.environ.get("WODLE"), help="its directory; default: $WODLE")  # noqa: TID251 - no setting
    parser.add_argument("--python", default=sys.executable, help="the Python to run it with")
    parser.add_argument("--events", type=int, default=200_000)
    options = parser.parse_args()
    script = next(
        (name for name in ("aws-s3.py", "aws_s3.py") if options.wodle and (options.wodle / name).exists()), ""
    )
    if not script:
        parser.error("--wodle: a directory with aws-s3.py or aws_s3.py in it, as /var/ossec/wodles/aws")
    load = machine.load()
    table = Table(list(FORMS))
    found = [_measure(options.wodle / script, options.python, options.events, form) for form in FORMS]
    rows: dict[str, Callable[[Way], float]] = {
        "events/s, all in": lambda way: way.many.rate,
        "events/s, steady": lambda way: way.many.arrived.rate,
        "CPU us/event, all in": Way.all_in,
        "CPU us/event, steady": Way.steady,
        "start and stop, CPU ms": Way.start_ms,
        "start and stop, ms": lambda way: way.one.seconds * 1e3,
        "CloudWatch's CPU us/event": lambda way: way.many.cloudwatch_seconds / way.many.events * 1e6,
        "receiver's CPU us/event": lambda way: way.many.receiver.cpu_seconds / way.many.events * 1e6,
    }
    for name, figure in rows.items():
        table.section(name)
        for place, way in enumerate(("cwpipe, format raw", "wodle")):
            table.row(way, [figure(ways[place]) for ways in found])
    print(f"{options.events:,} events, {options.wodle / script}\n\n{table}")
    print(machine.describe(load))
    return 0


def _measure(script: Path, python: str, events: int, form: str) -> tuple[Way, Way]:
    """Return what it took to move many events, and to move one: cwpipe, and the module."""

    def moved(mover: Mover, group: str, count: int) -> Moved:
        with tempfile.TemporaryDirectory(prefix="cwpipe-bench-") as place:
            return move(mover, Path(place), aws, group, "raw", count)

    with cloudwatch(events, form, "--streams", "1") as aws:
        ours, theirs = (
            Way(many=moved(mover, group_name(0), events), one=moved(mover, ONE, 1))
            for mover in (pipeline(), _wodle(script, python))
        )
    return ours, theirs


def _wodle(script: Path, python: str) -> Mover:
    def words(place: Path, endpoint_url: str, group: str, form: str) -> list[str]:
        home = place / "home"
        copied = _install(script, python, home)
        (home / QUEUE).parent.mkdir(parents=True)
        (home / QUEUE).symlink_to(socket_of(place))
        yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%b-%d").upper()
        return [
            *(
                "env",
                f"AWS_ENDPOINT_URL={endpoint_url}",
                f"AWS_DEFAULT_REGION={REGION}",
                f"PYTHONPATH={home / 'empty'}",
                python,
                str(copied),
            ),
            *("--service", "cloudwatchlogs", "--regions", REGION, "--aws_log_groups", group),
            *("--only_logs_after", yesterday, "--service_endpoint", endpoint_url, "--sts_endpoint", endpoint_url),
        ]

    return words, None


def _install(script: Path, python: str, home: Path) -> Path:
    """Copy the module to where it takes `home` for an installation; return its script there."""
    copy = home / "wodles" / "aws"
    shutil.copytree(script.parent, copy, ignore=shutil.ignore_patterns("*.db", "tests", "__pycache__"))
    shutil.copy(script.parent.parent / "utils.py", copy.parent)
    control = home / "bin" / "wazuh-control"
    control.parent.mkdir()
    control.write_text(_CONTROL)
    control.chmod(0o755)
    (home / "empty").mkdir()
    if run([python, "-c", "import pyarrow.parquet"], stderr=DEVNULL, check=False).returncode:
        (home / "empty" / "pyarrow").mkdir()
        for name in ("__init__.py", "parquet.py"):
            (home / "empty" / "pyarrow" / name).touch()
    return copy / script.name


if __name__ == "__main__":
    sys.exit(main())
