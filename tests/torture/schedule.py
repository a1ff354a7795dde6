"""What goes wrong, and when: drawn from one seed, so that the same seed is the same schedule.

Each lane is a sequence of accidents of one victim or kind that do not overlap; the lanes do, so several are hit at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Literal

from tests.torture.workload import group_names

Kind = Literal["kill", "terminate", "stall", "die", "freeze", "slow", "agents", "aws"]
"""Of processes: `kill` is SIGKILL, `terminate` SIGTERM, `stall` SIGSTOP and, after `seconds`, SIGCONT. Of analysisd: `die`
with all that is in its memory, `freeze`, `slow`, and `agents` that flood it. `aws`: the fault that `what` names."""

#: A worker that gave no sign of life for so long has lost its claim on the batch in its hands.
CLAIM_SECONDS = 12.0
#: aws_faults.py says what each is.
AWS_FAULTS = (
    *("throttled", "busy", "disconnected", "cut", "garbled", "late", "expired token", "expired sessions"),
    *("connections cut", "denied", "odd pages", "short tokens"),
)


@dataclass(frozen=True)
class Accident:
    """One thing that goes wrong `at` seconds from the start, for `seconds` (of a kill: until it is started again)."""

    at: float
    kind: Kind
    victims: tuple[str, ...]
    seconds: float = 0.0
    what: str = ""
    amount: int = 0

    def __str__(self) -> str:
        return (
            f"{self.at:7.2f} s  {self.kind} {self.what or ' '.join(self.victims)}"
            f"{f' ({self.amount})' if self.amount else ''}{f' for {self.seconds:.2f} s' if self.seconds else ''}"
        )


@dataclass(frozen=True)
class Plan:
    """How hard it is: the mean seconds between two accidents of a lane, 0 for none."""

    seconds: float
    roles: tuple[str, ...]
    """Each a lane of its own."""
    role_gap: float
    server: str
    server_gap: float
    whole: str = ""
    """The supervisor, if there is one."""
    whole_gap: float = 0.0
    wave_gap: float = 0.0
    """Several processes killed at once, and most of them again while they start."""
    stall_gap: float = 0.0
    receiver_gap: float = 0.0
    receiver_dies: bool = True
    """analysisd is killed with events in its memory, which only the level `processed` survives."""
    agents: bool = False
    """Agents flood analysisd, so that it drops events of theirs and of ours."""
    aws_gap: float = 0.0
    longest_stall: float = 20.0
    groups: int = 0


def make(plan: Plan, random: Random) -> list[Accident]:
    """Return the accidents in the order of their time."""
    lanes = [
        *(_lane(plan, random, plan.role_gap, partial(_role, role, random)) for role in plan.roles),
        _lane(plan, random, plan.server_gap, partial(_server, plan, random)),
        _lane(plan, random, plan.whole_gap, partial(_whole, plan, random)),
        _lane(plan, random, plan.wave_gap, partial(_wave, plan, random)),
        _lane(plan, random, plan.stall_gap, partial(_stall, plan, random)),
        _lane(plan, random, plan.receiver_gap, partial(_receiver, plan, random)),
        _lane(plan, random, plan.aws_gap, partial(_aws, plan, random)),
    ]
    return sorted((accident for lane in lanes for accident in lane), key=lambda accident: accident.at)


def kills(accidents: list[Accident]) -> int:
    """Return how many processes are killed."""
    return sum(len(accident.victims) for accident in accidents if accident.kind in {"kill", "die"})


def _lane(plan: Plan, random: Random, gap: float, draw: Callable[[float], Accident]) -> Iterator[Accident]:
    at = 1.0
    while gap:
        at += random.expovariate(1 / gap)
        if at >= plan.seconds:
            return
        accident = draw(at)
        yield accident
        at += accident.seconds + 0.5


def _role(role: str, random: Random, at: float) -> Accident:
    return Accident(at, "kill" if random.random() < 0.8 else "terminate", (role,))


def _server(plan: Plan, random: Random, at: float) -> Accident:
    if random.random() < 0.7:
        return Accident(at, "kill", (plan.server,), random.choice((0.1, 0.1, 1.0, 4.0)))
    if random.random() < 0.5:
        return Accident(at, "terminate", (plan.server,), 0.5)
    return Accident(at, "stall", (plan.server,), _stall_seconds(plan, random))


def _whole(plan: Plan, random: Random, at: float) -> Accident:
    return Accident(at, "kill" if random.random() < 0.7 else "terminate", (plan.whole,), random.choice((0.1, 2.0)))


def _wave(plan: Plan, random: Random, at: float) -> Accident:
    victims = random.sample(plan.roles, random.randint(2, len(plan.roles)))
    if random.random() < 0.3:
        victims.append(plan.server)
    return Accident(at, "kill", tuple(victims))


def _stall(plan: Plan, random: Random, at: float) -> Accident:
    return Accident(at, "stall", (random.choice(plan.roles),), _stall_seconds(plan, random))


def _stall_seconds(plan: Plan, random: Random) -> float:
    """Return seconds below the claim, or beyond it and beyond a client's patience with Redis."""
    if random.random() < 0.6 or plan.longest_stall <= CLAIM_SECONDS:
        return random.uniform(0.5, min(8.0, plan.longest_stall))
    return random.uniform(CLAIM_SECONDS + 1.0, plan.longest_stall)


def _receiver(plan: Plan, random: Random, at: float) -> Accident:
    kinds: list[Kind] = ["freeze", "slow"]
    kinds += ["die", "die"] if plan.receiver_dies else []
    kinds += ["agents"] if plan.agents else []
    kind = random.choice(kinds)
    if kind == "die":
        return Accident(at, "die", ("analysisd",), random.choice((0.1, 1.0, 3.0)), amount=random.choice((0, 0, 2)))
    if kind == "agents":
        return Accident(at, "agents", ("analysisd",), 1.0, amount=random.choice((5_000, 20_000, 40_000)))
    if kind == "slow":
        return Accident(at, "slow", ("analysisd",), random.uniform(1.0, 8.0), amount=random.choice((0, 300, 1_000)))
    return Accident(at, "freeze", ("analysisd",), _stall_seconds(plan, random))


def _aws(plan: Plan, random: Random, at: float) -> Accident:
    group = random.choice(group_names(plan.groups))
    return Accident(at, "aws", (group,), random.uniform(0.5, 4.0), what=random.choice(AWS_FAULTS))
