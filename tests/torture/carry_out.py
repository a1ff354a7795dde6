"""Doing what a schedule says, at its times, while events are put: one thread, one agenda."""

import heapq
import itertools
import signal
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic, sleep

from tests.torture import aws_faults
from tests.torture.recovery import Recovery
from tests.torture.schedule import Accident, Kind
from tests.torture.services import kill
from tests.torture.site import Site
from tests.torture.workload import Put

_TICK_SECONDS = 0.02
_SIGNALS: dict[Kind, signal.Signals] = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM, "stall": signal.SIGSTOP}


class Agenda:
    """What is to be done when. `tend` is called all the time."""

    def __init__(self, tend: Callable[[], object]) -> None:
        self._tend = tend
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self.began = monotonic()

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return monotonic() - self.began

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Have something done so many seconds after the start."""
        heapq.heappush(self._due, (seconds, next(self._order), action))

    def run(self) -> None:
        """Do it all; return when nothing is left."""
        while self._due:
            while self._due and self._due[0][0] <= self.now:
                heapq.heappop(self._due)[2]()
            self._tend()
            sleep(_TICK_SECONDS)


class CarryOut:
    """Accidents and puts on an agenda. `told` is what happened, line by line; `lives` when analysisd began and ended."""

    def __init__(self, site: Site, recovery: Recovery, pace: int) -> None:
        self.agenda = Agenda(site.stage.tend)
        self.told: list[str] = []
        self.lives: list[tuple[float, float | None]] = [(0.0, None)]
        self.most_doubts = 0
        """How many windows of a forwarder these accidents may have left in doubt, at most."""
        self.killed = 0
        self._site = site
        self._stage = site.stage
        self._analysisd = site.analysisd
        self._recovery = recovery
        self._pace = pace
        self._forwarders = sum(role.startswith("forwarder") for role in site.stage.roles)
        self._kinds: dict[Kind, Callable[[Accident], bool]] = {
            **dict.fromkeys(_SIGNALS, self._signal),
            "die": self._die,
            "freeze": self._freeze,
            "slow": self._slow,
            "agents": self._agents,
            "aws": self._fail,
        }

    def run(self, puts: Sequence[Put], accidents: Sequence[Accident], *, seconds: float) -> None:
        """Do all of it; return when the last accident is over, after `seconds` at the earliest."""
        for put in puts:
            self.agenda.at(put.at_seconds, partial(self._site.put, put))
        for accident in accidents:
            self.agenda.at(accident.at, partial(self._begin, accident))
        self.agenda.at(seconds, lambda: None)
        self.agenda.run()

    def recover(self) -> None:
        """Have AWS do well again."""
        aws_faults.end(self._site.aws)

    def _begin(self, accident: Accident) -> None:
        there = self._kinds[accident.kind](accident)
        self.told.append(f"{self.agenda.now:7.2f} s  planned at {accident}{'' if there else ': nobody there'}")
        if there:
            self._recovery.mark(accident.kind if accident.kind != "kill" else f"kill {_role(accident.victims)}")

    def _later(self, accident: Accident, action: Callable[[], object]) -> None:
        self.agenda.at(self.agenda.now + accident.seconds, action)

    # Processes

    def _signal(self, accident: Accident) -> bool:
        signum = _SIGNALS[accident.kind]
        hit = [self._stage.send(victim, signum, accident.seconds) for victim in accident.victims]
        for victim, process in zip(accident.victims, hit, strict=True):
            if process is None:
                continue
            self.killed += signum is signal.SIGKILL
            self._doubt(victim, signum)
            if signum is signal.SIGSTOP:
                self._later(accident, partial(kill, process, signal.SIGCONT))
        return any(hit)

    def _doubt(self, victim: str, signum: signal.Signals) -> None:
        if victim in {self._stage.server, self._stage.whole}:
            self._all_doubt(2)
        elif victim.startswith("forwarder"):
            # One that stood still for longer than its claim goes on beside the one that took over.
            self.most_doubts += 2 if signum is signal.SIGSTOP else 1

    def _all_doubt(self, times: int) -> None:
        self.most_doubts += times * self._forwarders

    # The receiver

    def _die(self, accident: Accident) -> bool:
        self._analysisd.kill()
        self.killed += 1
        self.lives[-1] = (self.lives[-1][0], self.agenda.now)
        self._all_doubt(2)
        self._later(accident, lambda: self._revive(accident.amount))
        return True

    def _revive(self, load_seconds: float) -> None:
        self.lives.append((self.agenda.now, None))
        self._analysisd.start(load_seconds=load_seconds)

    def _freeze(self, accident: Accident) -> bool:
        self._analysisd.freeze()
        self._all_doubt(1)
        self._later(accident, self._analysisd.thaw)
        return True

    def _slow(self, accident: Accident) -> bool:
        if accident.amount:
            self._analysisd.throttle(decoders=accident.amount, rules=accident.amount)
        else:
            self._analysisd.stall()
        self._all_doubt(1)
        self._later(accident, self._hurry)
        return True

    def _hurry(self) -> None:
        self._analysisd.go_on()
        self._analysisd.throttle(decoders=self._pace, rules=self._pace)

    def _agents(self, accident: Accident) -> bool:
        self._analysisd.burst(accident.amount)
        self._all_doubt(4)
        return True

    def _fail(self, accident: Accident) -> bool:
        aws_faults.begin(self._site.aws, accident)
        self._later(accident, self.recover)
        return True


def _role(victims: Sequence[str]) -> str:
    return victims[0].rstrip(" -0123456789") if len(victims) == 1 else "several"
