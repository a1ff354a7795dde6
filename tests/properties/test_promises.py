"""Kill any process between any two of its effects, and have everything else go wrong as well: the promises hold.

Every event that CloudWatch shows in time is processed by the receiver; it is counted once, where it belongs; and what
is repeated is no more than the books say. PROMISES_EXAMPLES sets the number of histories, for a long run.
"""

import logging
import os
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal, get_args

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.fetcher import seen, slices
from services.forwarder import forward
from services.normalizer import normalize, shape
from shared import queues
from shared.messages import LogEvent
from tests.properties.promises.cloudwatch import FAULTY, MAX_DATAGRAM_BYTES, Kind
from tests.properties.promises.effects import NO_FAULT, Fault, Moment
from tests.properties.promises.stages import Connections
from tests.properties.promises.world import LATE_MS, World

EXAMPLES = int(os.environ.get("PROMISES_EXAMPLES", "120"))  # noqa: TID251 - a setting of this test, none of ours
STEPS = 30

Meanwhile = Literal["other", "arrival", "restart", "rollback"]


moments: st.SearchStrategy[Moment] = st.sampled_from(
    ["meanwhile", "meanwhile", "meanwhile", "crash before", "crash after", "lost", "answer lost"]
)


def faults(effects: int) -> st.SearchStrategy[Fault]:
    """Return faults of work that takes so many effects or fewer, now and then none."""
    some = st.builds(Fault, st.integers(1, min(effects, 10)) | st.integers(1, effects), moments)
    return some | some | st.just(NO_FAULT)


def few_faults(effects: int) -> st.SearchStrategy[Fault]:
    """Return the same, mostly none."""
    return st.just(NO_FAULT) | st.just(NO_FAULT) | faults(effects)


either = st.integers(0, 1)
picks = st.integers(0, 30)
meanwhiles: st.SearchStrategy[Meanwhile] = st.sampled_from(
    ["other", "other", "other", "arrival", "restart", "rollback"]
)
spans = st.sampled_from([0, 1, 1000, LATE_MS // 4, LATE_MS // 2, LATE_MS]) | st.integers(0, LATE_MS)
lateness = st.one_of(
    st.just(0),
    st.sampled_from([1, 1000, LATE_MS - 1, LATE_MS, 2 * LATE_MS, -1000, -LATE_MS, -slices.AHEAD_MS]),
    st.integers(0, LATE_MS),
)
behind = st.one_of(st.just(0), st.just(0), st.sampled_from([1000, LATE_MS, -1000, -5 * LATE_MS, -2 * slices.AHEAD_MS]))
kinds: st.SearchStrategy[Kind] = st.sampled_from(
    ["text", "text", "json", "json", "long", "discarded", "refused", "refused in part", "faulty"]
)
paces = st.sampled_from([100, 100, 2, 1, 0])


class Promises(RuleBasedStateMachine):
    """Histories of the pipeline. After each step the books and queues must agree, and at the end nothing is missing."""

    connections: ClassVar[Connections]
    _world: World

    def __init__(self) -> None:
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        self._is_sound = False
        self._has_saved = False

    @initialize(
        small_bytes=st.sampled_from([-1, 30, 64 * 1024]),
        slice_events=st.sampled_from([3, 10, 1_000_000]),
        margin_ms=st.sampled_from([1, 1000, 10_000]),
        sizes=st.lists(st.integers(0, 6), max_size=3).map(lambda sizes: (*sizes, 3)),
        window=st.sampled_from([1, 3, 1000]),
        sweeps_deep=st.booleans(),
    )
    def begin(
        self,
        small_bytes: int,
        slice_events: int,
        margin_ms: int,
        sizes: tuple[int, ...],
        window: int,
        sweeps_deep: bool,
    ) -> None:
        """Make what is 64 KiB, a million events and the like in earnest small enough to be met all the time."""
        self._patch.setattr(slices, "SMALL_BYTES", small_bytes)
        self._patch.setattr(slices, "MAX_SLICE_EVENTS", slice_events)
        self._patch.setattr(slices, "CLOSE_MARGIN_MS", margin_ms)
        self._patch.setattr(seen, "STRETCH_MS", 1000)
        self._patch.setattr(normalize, "MAX_DATAGRAM_BYTES", MAX_DATAGRAM_BYTES)
        self._patch.setattr(shape.Shaper, "shape", _with_a_fault(shape.Shaper.shape))
        world = self._world = World(self.connections, sizes, sweeps_deep=sweeps_deep)
        _fit(self._patch, world, window)
        for group in (0, 1):
            world.put(group, "json", 4, late_ms=0, delay_ms=0, are_twins=False)
            world.put(group, "text", 2, late_ms=LATE_MS, delay_ms=0, are_twins=True)
        self._is_sound = True

    @rule(group=either, kind=kinds, count=st.integers(1, 5), late_ms=lateness, delay_ms=spans, are_twins=st.booleans())
    def put(self, **event: Any) -> None:
        self._do(lambda world: world.put(**event))

    @rule(ms=spans | st.just(3 * LATE_MS), behind_ms=behind)
    def wait(self, ms: int, behind_ms: int) -> None:
        self._world.clock.now_ms += ms
        self._world.clock.behind_ms = behind_ms

    @rule(which=either, group=either, pages=st.integers(1, 4), fault=faults(14), what=meanwhiles, other=few_faults(8))
    def poll(self, which: int, group: int, pages: int, fault: Fault, what: Meanwhile, other: Fault) -> None:
        def work(world: World) -> None:
            meanwhile = self._meanwhile(what, lambda: world.poll(1 - which, group, 1, other))
            world.poll(which, group, pages, fault, meanwhile)

        self._do(work)

    @rule(which=either, pick=picks, fault=faults(4), what=meanwhiles, other=few_faults(4))
    def normalize(self, which: int, pick: int, fault: Fault, what: Meanwhile, other: Fault) -> None:
        def work(world: World) -> None:
            batch_id = self._picked("raw", pick)
            meanwhile = self._meanwhile(what, lambda: world.normalize(1 - which, batch_id, other))
            if batch_id:
                world.normalize(which, batch_id, fault, meanwhile)

        self._do(work)

    @rule(which=either, pick=picks, fault=faults(25), pace=paces, what=meanwhiles, other=few_faults(12))
    def forward(self, which: int, pick: int, fault: Fault, pace: int, what: Meanwhile, other: Fault) -> None:
        def work(world: World) -> None:
            batch_id = self._picked("enriched", pick)
            meanwhile = self._meanwhile(what, lambda: world.take_over(1 - which, batch_id, other))
            world.receiver.pace = pace
            if batch_id:
                world.forward(which, batch_id, fault, meanwhile)

        self._do(work)

    @rule(what=st.sampled_from(["restart", "leave", "live", "raw", "enriched", "save", "save", "settle"]), pick=picks)
    def accident(self, what: str, pick: int) -> None:
        if what in ("raw", "enriched"):
            self._do(lambda world: world.spoil(what, pick))
        elif what == "save":
            self._do(lambda world: world.save())
            self._has_saved = True
        elif what == "settle":
            self._do(lambda world: world.settle())
        else:
            self._do(lambda world: getattr(world.receiver, what)())

    @precondition(lambda self: self._has_saved)
    @rule()
    def roll_back(self) -> None:
        self._do(lambda world: world.roll_back())

    def teardown(self) -> None:
        try:
            if self._is_sound:  # else the end would speak of something that went wrong before
                self._do(lambda world: world.finish())
        finally:
            self._patch.undo()

    def _do(self, work: Callable[[World], object]) -> None:
        """Take a step and check what it led to."""
        self._is_sound = False
        work(self._world)
        self._world.check()
        self._is_sound = True

    def _picked(self, queue: str, pick: int) -> str:
        """Return a batch: mostly one that is not done, the oldest first."""
        if pick < 25:
            self._world.provide(queue)
        waiting = self._world.state.outstanding[queue]
        known = sorted(self._world.ledger.raw if queue == "raw" else self._world.ledger.enriched)
        found = waiting if waiting and pick < 25 else known
        return found[pick % len(found)] if found else ""

    def _meanwhile(self, what: Meanwhile, other: Callable[[], object]) -> Callable[[], object]:
        world = self._world
        return {
            "other": other,
            "arrival": lambda: world.put(0, "json", 1, 0, 0, are_twins=False),
            "restart": world.receiver.restart,
            "rollback": world.roll_back,
        }[what]


def _fit(patch: pytest.MonkeyPatch, world: World, window: int) -> None:
    """Have forwarders keep to a window of this size, wait for nobody in real time, and learn of RQ what `world` says."""
    patch.setattr(forward, "WINDOW", window)
    patch.setattr(forward, "CONFIRM_ON_STOP_SECONDS", 0.0)
    patch.setattr(queues, "times_interrupted", world.times_interrupted)


def _with_a_fault(shaped: Callable[..., Any]) -> Callable[..., Any]:
    """Return the shaper with a fault of ours in it."""

    def faulty(shaper: Any, event: LogEvent) -> Any:
        if FAULTY in event.message:
            raise ValueError(FAULTY)
        return shaped(shaper, event)

    return faulty


@pytest.fixture
def _quiet() -> Iterator[None]:
    """What is logged here would be the same few lines, thousands of times."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture
def connections(redis_url: str, _quiet: None) -> Iterator[Connections]:
    connections = Connections(redis_url)
    yield connections
    connections.close()


@pytest.mark.slow
@pytest.mark.timeout(60 + 2 * EXAMPLES)
def test_nothing_is_lost_miscounted_or_repeated_in_silence(connections: Connections) -> None:
    """Every crash, between every two effects, of every process, in every state of the others."""
    Promises.connections = connections
    run_state_machine_as_test(
        Promises,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("others", [NO_FAULT, *(Fault(at, "crash before") for at in range(10, 16))], ids=str)
def test_each_effect_of_a_forwarder_may_meet_another_one(
    connections: Connections, monkeypatch: pytest.MonkeyPatch, others: Fault
) -> None:
    """The other one ends the batch, or dies when it has recorded a part of it."""
    _fault_each_effect(connections, monkeypatch, "forward", "meanwhile", others)


@pytest.mark.parametrize("stage", ["poll", "normalize", "forward"])
@pytest.mark.parametrize("moment", get_args(Moment)[1:])
def test_each_effect_of_a_stage_may_be_its_last(
    connections: Connections, monkeypatch: pytest.MonkeyPatch, stage: str, moment: Moment
) -> None:
    """What the histories above meet by chance, one after the other: no effect of a plain run is left out."""
    _fault_each_effect(connections, monkeypatch, stage, moment, NO_FAULT)


def _fault_each_effect(
    connections: Connections, patch: pytest.MonkeyPatch, stage: str, moment: Moment, others: Fault
) -> None:
    before, at = -1, 0
    while connections.effects.happened > before:
        before, at = connections.effects.happened, at + 1
        world = World(connections, (5,), sweeps_deep=False)
        _fit(patch, world, window=3)
        world.put(0, "json", 4, late_ms=0, delay_ms=0, are_twins=False)
        world.put(0, "discarded", 2, late_ms=0, delay_ms=0, are_twins=True)
        world.put(1, "text", 1, late_ms=0, delay_ms=0, are_twins=True)
        _run(world, stage, Fault(at, moment), others)
        world.check()
        world.finish()

    assert at > 4, "the stage has more effects than that"


def _run(world: World, stage: str, fault: Fault, others: Fault) -> None:
    """Run a stage with a fault; meanwhile another process of its kind may have the same work in hand."""
    if stage == "poll":
        world.poll(0, 0, 3, fault, lambda: world.poll(1, 0, 1, others))
    elif stage == "normalize":
        world.provide("raw")
        batch_id = world.state.outstanding["raw"][0]
        world.normalize(0, batch_id, fault, lambda: world.normalize(1, batch_id, others))
    else:
        world.provide("enriched")
        world.receiver.pace = 1  # what is confirmed is confirmed one by one, and others are on their way
        batch_id = world.state.outstanding["enriched"][0]
        world.forward(0, batch_id, fault, lambda: world.take_over(1, batch_id, others))
