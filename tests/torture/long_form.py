"""The long form of the torture, about ten minutes: `make torture`. Its name keeps it out of every other run.

TORTURE_SEED=n replays a schedule.
"""

import pytest

from tests.torture import ordeal
from tests.torture.ordeal import Ordeal, Tell
from tests.torture.schedule import Plan
from tests.torture.site import LEVEL
from tests.torture.stages import Separate, Supervised
from tests.torture.workload import Size

pytestmark = pytest.mark.timeout(1_800)

SWEEP_INTERVAL = "30s"

SEPARATE_SIZE = Size(
    groups=20, streams=200, events=80_000, bursts=16, burst_events=6_000, seconds=270.0, very_late=True
)
SEPARATE = Plan(
    seconds=SEPARATE_SIZE.seconds,
    roles=Separate.roles,
    role_gap=8.0,
    server=Separate.server,
    server_gap=14.0,
    wave_gap=12.0,
    stall_gap=12.0,
    receiver_gap=7.0,
    receiver_dies=LEVEL == "processed",
    aws_gap=5.0,
    groups=SEPARATE_SIZE.groups,
)
SUPERVISED_SIZE = Size(
    groups=20, streams=200, events=40_000, bursts=8, burst_events=5_000, seconds=150.0, very_late=True
)
SUPERVISED = Plan(
    seconds=SUPERVISED_SIZE.seconds,
    roles=Supervised.roles,
    role_gap=7.0,
    server=Supervised.server,
    server_gap=20.0,
    whole=Supervised.whole,
    whole_gap=12.0,
    wave_gap=15.0,
    stall_gap=15.0,
    receiver_gap=7.0,
    receiver_dies=LEVEL == "processed",
    agents=LEVEL == "processed",
    aws_gap=6.0,
    groups=SUPERVISED_SIZE.groups,
)


def test_separate_processes_on_an_external_server_lose_nothing(
    tmp_path_factory: pytest.TempPathFactory, tell: Tell
) -> None:
    """A fetcher, two normalizers and two forwarders, each killed by itself and several at once, and their Valkey."""
    one = Ordeal("separate", Separate, SEPARATE_SIZE, SEPARATE, ordeal.seed(), sweep_interval=SWEEP_INTERVAL)
    assert [] == ordeal.undergo(one, tell).faults


def test_a_supervised_host_loses_nothing(tell: Tell) -> None:
    """`cwpipe run` with its embedded server: its children, the server and the supervisor itself are killed."""
    one = Ordeal(
        "supervised",
        Supervised,
        SUPERVISED_SIZE,
        SUPERVISED,
        ordeal.seed(),
        eps=2_000,
        max_events_per_second=5_000,
        sweep_interval=SWEEP_INTERVAL,
    )
    assert [] == ordeal.undergo(one, tell).faults
