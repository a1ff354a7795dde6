"""The short form of the torture: both ways of running cwpipe, mistreated side by side for some seconds.

`make torture` runs the long form (long_form.py). TORTURE_SEED=n replays a schedule.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random

import pytest

from tests.torture import ordeal, schedule, workload
from tests.torture.ordeal import Ordeal, Tell
from tests.torture.schedule import Plan
from tests.torture.site import LEVEL
from tests.torture.stages import Separate, Supervised
from tests.torture.verdict import Verdict
from tests.torture.workload import Size

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SECONDS = 14.0
#: Groups small enough for every poll to read all of them: what is late in a busier one takes a sweep, and minutes.
SIZE = Size(groups=10, streams=40, events=6_000, bursts=2, burst_events=2_000, seconds=SECONDS, late_everywhere=False)

SEPARATE = Plan(
    seconds=SECONDS,
    roles=Separate.roles,
    role_gap=6.0,
    server=Separate.server,
    server_gap=7.0,
    wave_gap=8.0,
    stall_gap=6.0,
    receiver_gap=4.0,
    receiver_dies=LEVEL == "processed",
    aws_gap=3.0,
    longest_stall=4.0,
    groups=SIZE.groups,
)
SUPERVISED = Plan(
    seconds=SECONDS,
    roles=Supervised.roles,
    role_gap=7.0,
    server=Supervised.server,
    server_gap=10.0,
    whole=Supervised.whole,
    whole_gap=8.0,
    stall_gap=6.0,
    receiver_gap=4.0,
    receiver_dies=LEVEL == "processed",
    aws_gap=3.0,
    longest_stall=4.0,
    groups=SIZE.groups,
)


@pytest.fixture(scope="module")
def ordeals(tell: Tell) -> Iterator[dict[str, "Future[Verdict]"]]:
    """Both at once: most of the time somebody waits for something."""
    seed = ordeal.seed()
    both = (
        Ordeal("separate", Separate, SIZE, SEPARATE, seed),
        Ordeal("supervised", Supervised, SIZE, SUPERVISED, seed),
    )
    with ThreadPoolExecutor(len(both)) as pool:
        yield {one.name: pool.submit(ordeal.undergo, one, tell) for one in both}


@pytest.mark.parametrize("name", ["separate", "supervised"])
def test_no_event_is_lost_whatever_is_killed_and_whenever(ordeals: dict[str, "Future[Verdict]"], name: str) -> None:
    """Every event put at CloudWatch is processed, repeats are within their bound, and nothing is left behind."""
    assert [] == ordeals[name].result().faults


def test_the_same_seed_is_the_same_schedule() -> None:
    """A failure that names its seed can be looked at again."""
    drawn = [
        (workload.make(SIZE, random), schedule.make(SEPARATE, random))
        for random in (Random("7 separate"), Random("7 separate"), Random("8 separate"))
    ]

    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
