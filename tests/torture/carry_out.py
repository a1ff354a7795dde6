"""Doing what a schedule says, at its times, while events are put: one thread, one agenda."""

import heapq
import itertools
import signal
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic, sleep

from tests.standins.cloudwatch_contents import Paging
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
        self.doubts = {"forwarder": 0, "server": 0, "analysisd": 0}
        """How often each was hit in a way that may leave a forwarder in doubt about what it sent."""
        self.killed = 0
        self._site = site
        self._stage = site.stage
        self._aws = site.aws
        self._analysisd = site.analysisd
        self._recovery = recovery
        self._pace = pace
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

    @property
    def most_doubts(self) -> int:
        """How often a window may have been left in doubt: where a forwarder is hit, it and whoever takes over."""
        forwarders = sum(role.startswith("forwarder") for role in self._stage.roles)
        return 2 * self.doubts["forwarder"] + 2 * forwarders * (self.doubts["server"] + self.doubts["analysisd"])

    def recover(self) -> None:
        """End every fault that may still be there."""
        self._aws.recover()
        self._aws.throttle("FilterLogEvents", None)
        self._aws.group_paging.clear()
        self._aws.paging = Paging()

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
            self._doubt(victim)
            if signum is signal.SIGSTOP:
                self._later(accident, partial(kill, process, signal.SIGCONT))
        return any(hit)

    def _doubt(self, victim: str) -> None:
        if victim in {self._stage.server, self._stage.whole}:
            self.doubts["server"] += 1
        elif victim.startswith("forwarder"):
            self.doubts["forwarder"] += 1

    # The receiver

    def _die(self, accident: Accident) -> bool:
        self._analysisd.kill()
        self.lives[-1] = (self.lives[-1][0], self.agenda.now)
        self.doubts["analysisd"] += 1
        self._later(accident, lambda: self._revive(accident.amount))
        return True

    def _revive(self, load_seconds: float) -> None:
        self.lives.append((self.agenda.now, None))
        self._analysisd.start(load_seconds=load_seconds)

    def _freeze(self, accident: Accident) -> bool:
        self._analysisd.freeze()
        self.doubts["analysisd"] += 1
        self._later(accident, self._analysisd.thaw)
        return True

    def _slow(self, accident: Accident) -> bool:
        if accident.amount:
            self._analysisd.throttle(decoders=accident.amount, rules=accident.amount)
        else:
            self._analysisd.stall()
        self.doubts["analysisd"] += 1
        self._later(accident, self._hurry)
        return True

    def _hurry(self) -> None:
        self._analysisd.go_on()
        self._analysisd.throttle(decoders=self._pace, rules=self._pace)

    def _agents(self, accident: Accident) -> bool:
        self._analysisd.burst(accident.amount)
        self.doubts["analysisd"] += 1
        return True

    # AWS

    def _aws_faults(self, accident: Accident) -> dict[str, Callable[[], object]]:
        aws, seconds = self._aws, accident.seconds
        (group,) = accident.victims
        read = "FilterLogEvents"
        return {
            "throttled": lambda: aws.throttle(read, 2.0),
            "busy": lambda: aws.fail("*", "ServiceUnavailableException"),
            "disconnected": lambda: aws.disconnect("*", times=5),
            "cut": lambda: aws.disconnect(read, mid_body=True, times=5),
            "garbled": lambda: aws.garble("*", times=5),
            "late": lambda: aws.delay(read, min(seconds, 1.0)),
            "expired token": lambda: aws.fail(read, "ExpiredTokenException", times=3),
            "expired sessions": aws.expire_sessions,
            "connections cut": aws.cut_connections,
            "denied": lambda: aws.fail(read, "AccessDeniedException", times=1, group=group),
            "odd pages": lambda: setattr(aws, "paging", ODD_PAGES),
            "short tokens": lambda: aws.group_paging.__setitem__(group, Paging(page_events=20, token_life_ms=30)),
        }

    def _fail(self, accident: Accident) -> bool:
        self._aws_faults(accident)[accident.what]()
        self._later(accident, self.recover)
        return True


ODD_PAGES = Paging(page_events=50, leading_empty_pages=1, empty_pages=3, overlap=3, repeat_token=1, trailing_token=True)


def _role(victims: Sequence[str]) -> str:
    return victims[0].rstrip(" -0123456789") if len(victims) == 1 else "several"
