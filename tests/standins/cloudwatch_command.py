"""The stand-in as a process of its own, for benchmarks: it prints its URL and serves until it is terminated."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence

from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_virtual import numbered_messages

_HOUR_SECONDS = 3600


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve virtual groups until SIGTERM or SIGINT; return 0."""
    options = _parser().parse_args(arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with CloudWatch(port=options.port) as aws:
        _fill(aws, options)
        for limit in options.throttle:
            operation, _, calls_per_second = limit.partition("=")
            aws.throttle(operation, float(calls_per_second))
        sys.stdout.write(f"{aws.endpoint_url}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.standins.cloudwatch", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--groups", type=int, default=1, help="/virtual/0000, /virtual/0001, ...")
    parser.add_argument("--streams", type=int, default=10, help="of each group")
    parser.add_argument("--events", type=int, default=100_000, help="of each group, over all its streams")
    parser.add_argument("--message-bytes", type=int, default=200)
    parser.add_argument("--start-ms", type=int, help="time of the first event; an hour ago by default")
    parser.add_argument("--span-seconds", type=int, default=_HOUR_SECONDS - 60, help="over which the events are spread")
    parser.add_argument("--ingestion-delay-ms", type=int, default=0, help="an event is visible so long after its time")
    parser.add_argument("--throttle", action="append", default=[], metavar="OPERATION=CALLS_PER_SECOND")
    parser.add_argument("--prepare", action="store_true", help="make every page before serving")
    return parser


def _fill(aws: CloudWatch, options: argparse.Namespace) -> None:
    hour_ago_ms = int(time.time() - _HOUR_SECONDS) * 1000
    for number in range(options.groups):
        group = aws.virtual_group(
            options.region,
            f"/virtual/{number:04d}",
            streams=options.streams,
            events_per_stream=options.events // options.streams,
            start_ms=hour_ago_ms if options.start_ms is None else options.start_ms,
            span_ms=options.span_seconds * 1000,
            message_factory=numbered_messages(options.message_bytes),
            ingestion_delay_ms=options.ingestion_delay_ms,
        )
        if options.prepare:
            group.prepare()
