"""The stand-in of CloudWatch with groups of log lines to move.

    python -m tests.benchmarks.cloudwatch EVENTS text|json [--groups N] [--on-the-fly]

Makes every page before it serves, or each when it is asked for. Beside the groups of EVENTS events in all stands one of a
single event: what a start costs. Prints its URL, and serves until it is terminated.
"""

import argparse
import signal
import sys
import time

from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_events import Event
from tests.standins.cloudwatch_groups import Details
from tests.standins.cloudwatch_request import DEFAULT_ACCOUNT
from tests.standins.cloudwatch_virtual import Plan, VirtualGroup

REGION = "us-east-1"
#: A group of one event.
ONE = "/bench/one"
STREAMS = 20
KEPT_BYTES = 512 * 1024**2
#: Of a group that is made as it is read: enough for the pages that are read at a time.
KEPT_ON_THE_FLY_BYTES = 16 * 1024**2


def group_name(number: int) -> str:
    """Return the name of a group with lines to move, from 0."""
    return f"/bench/lines-{number}"


def text(index: int) -> str:
    """Return a line of sshd, of some 110 bytes."""
    address = f"203.0.{index // 250 % 250}.{index % 250}"
    return (
        f"Jan  1 00:00:{index % 60:02} web-{index % 40} sshd[{index}]: "
        f"Failed password for invalid user u{index} from {address} port {1_024 + index % 60_000} ssh2"
    )


def json(index: int) -> str:
    """Return an event of a web application, of some 250 bytes."""
    return (
        f'{{"level":"INFO","logger":"shop.http","method":"GET","path":"/api/orders/{index}","status":200,'
        f'"duration_ms":{index % 400}.5,"client":{{"ip":"198.51.100.{index % 250}","user":"u{index % 5_000}"}},'
        f'"request_id":"{index:016x}","trace":{{"span":"{index:08x}","sampled":true}},"message":"order shown"}}'
    )


class SingleStream(VirtualGroup):
    """A group of one stream that is read by GetLogEvents: event by event, so these too are made before it serves."""

    def __init__(self, details: Details, plan: Plan) -> None:
        super().__init__(details, plan)
        self._made: list[Event] = []

    def prepare(self) -> None:
        """Make every event."""
        super().prepare()
        self._made = [super(SingleStream, self)._event(index) for index in range(self.plan.total)]

    def _event(self, index: int) -> Event:
        return self._made[index] if self._made else super()._event(index)


#: How a line is made, by the name of its form.
FORMS = {"text": text, "json": json}


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.cloudwatch", description=__doc__)
    parser.add_argument("events", type=int, help="of all groups together")
    parser.add_argument("form", choices=sorted(FORMS))
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--streams", type=int, default=STREAMS, help="of each group")
    parser.add_argument("--on-the-fly", action="store_true")
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with CloudWatch() as aws:
        for number in range(options.groups):
            _add(aws, group_name(number), options.events // options.groups, options)
        _add(aws, ONE, 1, options)
        print(aws.endpoint_url, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def _add(aws: CloudWatch, name: str, events: int, options: argparse.Namespace) -> None:
    streams = min(options.streams, events)
    plan = Plan(
        streams=streams,
        events_per_stream=events // streams,
        start_ms=int(time.time() - 3_600) * 1_000,
        span_ms=3_500_000,
        message=FORMS[options.form],
        kept_bytes=KEPT_ON_THE_FLY_BYTES if options.on_the_fly else KEPT_BYTES,
    )
    details = Details(account=DEFAULT_ACCOUNT, region=REGION, name=name, created_ms=plan.start_ms)
    group = SingleStream(details, plan) if options.streams == 1 else VirtualGroup(details, plan)
    aws.groups.add(group)
    if not options.on_the_fly:
        group.prepare()


if __name__ == "__main__":
    sys.exit(main())
