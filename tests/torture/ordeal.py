"""One run from the first event to the verdict: everything is set up, mistreated, drained, judged, and told."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom
from time import monotonic

from tests.standins.analysisd_process import AnalysisdProcess
from tests.torture import schedule, verdict, workload
from tests.torture.carry_out import CarryOut
from tests.torture.recovery import Recovery
from tests.torture.schedule import Plan
from tests.torture.site import LEVEL, Level, Site
from tests.torture.stages import Separate, Supervised
from tests.torture.verdict import Verdict
from tests.torture.workload import Put, Size
from tests.torture.workplace import workplace

Tell = Callable[[str], None]

#: Without any progress for so long, what is missing will not come: a sweep may take 150 s to find a late event.
STUCK_SECONDS = 180.0
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Ordeal:
    """What is done to which stage. `agents_per_second` is the traffic of others beside ours, all the time."""

    name: str
    stage: type[Separate] | type[Supervised]
    size: Size
    plan: Plan
    seed: int
    level: Level = LEVEL
    agents_per_second: float = 300.0
    pace: int = 2_000
    """Events a second that analysisd gets through when it is not disturbed: bursts take seconds, as they should."""
    eps: int = 0
    """analysisd's own limit, 0 for none."""
    dawdling: bool = True
    """Threads of analysisd keep events in their hands while others overtake them."""
    max_events_per_second: int = 0
    sweep_interval: str = "0s"

    def prepare(self, analysisd: AnalysisdProcess) -> None:
        """Order what holds all the time."""
        analysisd.background(self.agents_per_second)
        analysisd.throttle(decoders=self.pace, rules=self.pace)
        analysisd.limit_eps(self.eps)
        if self.dawdling:
            analysisd.dawdle("decoding", 97)
            analysisd.dawdle("labels", 101)


def seed() -> int:
    """Return TORTURE_SEED, or a new one; it is printed with every run."""
    given = os.environ.get("TORTURE_SEED", "")  # noqa: TID251 - a seed for tests is no setting
    return int(given) if given else SystemRandom().randrange(1_000_000)


def undergo(ordeal: Ordeal, tell: Tell) -> Verdict:
    """Do it all; fail with everything there is to know unless all is well, and leave the logs of all processes."""
    with workplace(ordeal.name) as directory:
        return _undergo(ordeal, directory, tell)


def _undergo(ordeal: Ordeal, directory: Path, tell: Tell) -> Verdict:
    random = Random(f"{ordeal.seed} {ordeal.name}")
    puts = workload.make(ordeal.size, random)
    accidents = schedule.make(ordeal.plan, random)
    tell(
        f"torture {ordeal.name}: TORTURE_SEED={ordeal.seed}, level {ordeal.level}, "
        f"{sum(event.copies for put in puts for event in put.events)} events in {ordeal.size.streams} streams of "
        f"{ordeal.size.groups} groups, {len(accidents)} accidents, {schedule.kills(accidents)} kills; logs in {directory}"
    )
    with Site(
        directory,
        ordeal.stage,
        ordeal.size.groups,
        level=ordeal.level,
        max_events_per_second=ordeal.max_events_per_second,
        sweep_interval=ordeal.sweep_interval,
    ) as site:
        ordeal.prepare(site.analysisd)
        for group in range(ordeal.size.groups):
            site.put_some(group, 5)
        site.wait_until_all_is_done()  # only then is there something to disturb
        with Recovery(site.stage.redis_url) as recovery:
            carry_out = CarryOut(site, recovery, ordeal.pace)
            carry_out.run(puts, accidents, seconds=ordeal.size.seconds)
            puts += site.puts
            carry_out.recover()
            faulted = carry_out.agenda.now
            drained = _drain(site, puts)
            found = site.judge(puts, most_doubts=carry_out.most_doubts, may_drop=ordeal.plan.agents)
            found.faults += [f"{name} ended with {code}" for name, code in site.stage.stop().items() if code != 0]
            found.faults += site.crashes()
    tell(
        f"torture {ordeal.name}: {found}\n{carry_out.killed} killed; faults for {faulted:.0f} s, drained "
        f"{drained:.0f} s after\n{recovery}"
    )
    if found.faults:
        raise AssertionError(_report(ordeal, found, puts, carry_out, site))
    return found


def _drain(site: Site, puts: Sequence[Put]) -> float:
    """Wait until everything is processed and nothing is on its way, or nothing moves any more; return the seconds."""
    began = moved = monotonic()
    size, missing = -1, -1
    while monotonic() - moved < STUCK_SECONDS:
        site.pass_time(LOOK_SECONDS)
        now_size = site.analysisd.journal_path.stat().st_size
        if now_size != size:
            size = now_size
            now_missing = len(verdict.missing(puts, site.analysisd.journal))
            if now_missing != missing:
                missing, moved = now_missing, monotonic()
        if not missing and site.is_quiet():
            break
    return monotonic() - began


def _report(ordeal: Ordeal, found: Verdict, puts: Sequence[Put], carry_out: CarryOut, site: Site) -> str:
    lives = ", ".join(f"{began:.1f} to {'the end' if end is None else f'{end:.1f}'}" for began, end in carry_out.lives)
    return "\n".join(
        [
            f"{ordeal.name}: TORTURE_SEED={ordeal.seed}",
            *found.faults,
            str(found),
            "the schedule:",
            *carry_out.told,
            f"lives of analysisd: {lives}",
            *verdict.name_missing(puts, site.analysisd.journal, carry_out.lives),
            f"logs of all processes, and the journal: {site.directory}",
        ]
    )
