"""The stand-in of CloudWatch with a group where events appear at a steady rate; it notes which answer carried each first.

    python -m tests.benchmarks.live_tail RATE SECONDS START_MS

Event i appears, and has its timestamp, i / RATE seconds after START_MS. Prints its URL; when told to end it prints the
answers that carried something new, as JSON: [[seconds since 1970, first event, last event + 1], ...]
"""

import json
import signal
import sys
import time

from tests.benchmarks.cloudwatch import REGION
from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_events import Chunk, Limits, Position, Query
from tests.standins.cloudwatch_groups import Details
from tests.standins.cloudwatch_request import DEFAULT_ACCOUNT
from tests.standins.cloudwatch_virtual import Plan, VirtualGroup

GROUP = "/bench/tail"


class NotedGroup(VirtualGroup):
    """A group that notes when an event was first in an answer. The time is that at which the answer began to be made."""

    def __init__(self, details: Details, plan: Plan) -> None:
        super().__init__(details, plan)
        self.answers: list[tuple[float, int, int]] = []
        self._carried = 0

    def read(self, query: Query, after: Position | None, limits: Limits, now_ms: int) -> Chunk:
        """Return one page, and note it if it goes beyond all before it."""
        at = time.time()
        chunk = super().read(query, after, limits, now_ms)
        if chunk.last is not None and chunk.count:
            end = self._place(chunk.last) + 1
            if end > self._carried:
                self.answers.append((at, self._carried, end))
                self._carried = end
        return chunk


def main() -> int:
    """Serve until SIGTERM."""
    rate, seconds, start_ms = (int(word) for word in sys.argv[1:])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    plan = Plan(streams=1, events_per_stream=rate * seconds, start_ms=start_ms, span_ms=seconds * 1_000)
    group = NotedGroup(
        Details(account=DEFAULT_ACCOUNT, region=REGION, name=GROUP, created_ms=start_ms - 3_600_000), plan
    )
    group.prepare()
    with CloudWatch() as aws:
        aws.groups.add(group)
        print(aws.endpoint_url, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    print(json.dumps(group.answers), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
