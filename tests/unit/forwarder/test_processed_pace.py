"""Level `processed` must not cost throughput: how busy it keeps a receiver, reckoned in simulated time."""

from typing import Any

import pytest

from services.forwarder import processed
from services.forwarder.processed import ProcessedSink
from services.forwarder.sink import WINDOW, SinkBusy
from tests.unit.forwarder.simulated import RECORD, SimulatedReceiver


@pytest.mark.parametrize(
    ("decoders", "rules"),
    [(2_000, 1_000), (15_000, 10_000), (10_000, 15_000), (26_000, 26_000), (40_000, 30_000)],
)
def test_a_receiver_is_kept_busy(monkeypatch: pytest.MonkeyPatch, decoders: float, rules: float) -> None:
    """analysisd does 10,000 to 26,000 events a second on two cores: at least 95 % of it has to be used."""
    receiver = SimulatedReceiver(decoders, rules)
    events = 20_000
    took = deliver(monkeypatch, receiver, events)
    possible = events / min(decoders, rules)

    assert possible / took > 0.95


@pytest.mark.parametrize(
    ("rate", "size"), [(10_000, processed.SEGMENT), (10_000_000, processed.QUICK_SEGMENT)], ids=["slow", "quick"]
)
def test_segments_are_larger_for_a_receiver_that_waits_for_them(
    monkeypatch: pytest.MonkeyPatch, rate: float, size: int
) -> None:
    """A slower one would run dry between two of them, as the next is sent when the first is through."""
    receiver = SimulatedReceiver(rate, rate)
    deliver(monkeypatch, receiver, 10_000)

    assert size == max(receiver.sent[2:])


def test_one_event_is_confirmed_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The live tail is a few events at a time: what they wait for is a look or two."""
    receiver = SimulatedReceiver(15_000, 15_000)

    assert deliver(monkeypatch, receiver, 1) < 0.010


def deliver(monkeypatch: pytest.MonkeyPatch, receiver: SimulatedReceiver, events: int) -> float:
    """Send and confirm as the stage does; return the simulated seconds it takes."""
    monkeypatch.setattr(processed, "monotonic", lambda: receiver.now)
    monkeypatch.setattr(processed, "sleep", receiver.pass_time)
    connection: Any = receiver
    sink = ProcessedSink(connection, receiver.look, lambda: 1)
    datagrams = [b"1:Wazuh-AWS|:x:y"] * events
    began, reached, confirmed = receiver.now, 0, 0
    while confirmed < events:
        end = min(confirmed + WINDOW, events)
        try:
            reached = sink.send(datagrams, reached, end - reached) if reached < end else reached
            more = sink.confirm(wait=reached == end)
        except SinkBusy:
            more = 0
        confirmed += more
        if more:
            receiver.pass_time(RECORD)
    return receiver.now - began
