"""What shaping costs an event, beside what decoding it costs: python -m tests.benchmarks.shaping

Machines differ, and a busy one is slow: the ratio of the two, of one run, is what can be compared.
"""

import json
import sys
from collections.abc import Callable, Sequence
from time import perf_counter

import msgspec

from services.normalizer.normalize import BEAT_EVENTS
from services.normalizer.shape import Shaper
from shared.messages import GroupRef, LogEvent
from shared.settings.model import Source
from tests.benchmarks import cloudwatch

EVENTS = 512
REPEATS = 200
GROUP = GroupRef(account_id="123456789012", region="us-east-1", log_group="/app/shop")

_JSON = (
    '{"level":"INFO","logger":"shop.http","method":"POST","path":"/cart/items","status":200,"duration_ms":51.1,'
    '"client":{"ip":"198.51.100.123","agent":"Mozilla/5.0 (X11; Linux x86_64)"},"user":{"id":%d,"name":"eve"},'
    '"trace":"9f86d081884c7d659a2feaa0c55ad015","items":[1,2,3,4],"message":"added to the cart of a user"}'
)
_TEXT = "Jan  1 00:00:05 web-12 sshd[56864]: Failed password for invalid user root from 203.0.113.245 port %d ssh2"


#: The longer object, that of the pipeline's benchmark, and a line of text.
FORMS: dict[str, Callable[[int], str]] = {
    "json, 315 B": lambda number: _JSON % number,
    "json, 250 B": cloudwatch.json,
    "text, 108 B": lambda number: _TEXT % number,
}


class _Page(msgspec.Struct):
    events: list[LogEvent]


def main() -> int:
    """Print the table."""
    source = Source(name="bench", regions=(GROUP.region,), log_groups=(GROUP.log_group,))
    decode = msgspec.json.Decoder(_Page).decode
    print(f"{'':12}{'decode':>10}{'shape':>10}   us an event, least of {REPEATS}; ratio")
    for name, message in FORMS.items():
        body = _body(message)
        events = decode(body).events
        decoding = _least(lambda body=body: decode(body))  # type: ignore[misc]
        shaping = _least(lambda events=events: _shape_all(source, events))  # type: ignore[misc]
        print(f"{name:12}{decoding:10.2f}{shaping:10.2f}   {shaping / decoding:.1f}")
    return 0


def _body(message: Callable[[int], str]) -> bytes:
    events = [
        {
            "eventId": f"3{number:055d}",
            "logStreamName": "task-1",
            "timestamp": 1_700_000_000_000 + 7 * number,
            "ingestionTime": 1_700_000_000_500 + 350 * (number // 50),
            "message": message(10_000 + number),
        }
        for number in range(EVENTS)
    ]
    return json.dumps({"events": events}).encode()


def _shape_all(source: Source, events: Sequence[LogEvent]) -> None:
    """Do what the role does with the events of a batch, in lots of the same size."""
    shaper = Shaper(GROUP, source)
    assert shaper.fast_path is not None, "this group permits no family and has no rules"
    for start in range(0, len(events), BEAT_EVENTS):
        lot = events[start : start + BEAT_EVENTS]
        for event, datagram in zip(lot, shaper.fast_path.datagrams(lot), strict=True):
            if datagram is None:
                shaper.shape(event)


def _least(work: Callable[[], object]) -> float:
    """Return the least microseconds an event, of all repeats."""
    best = float("inf")
    for _ in range(REPEATS):
        began = perf_counter()
        work()
        best = min(best, perf_counter() - began)
    return best / EVENTS * 1e6


if __name__ == "__main__":
    sys.exit(main())
