"""Level `processed`, against a receiver that drops, stalls, dies and serves others: what is confirmed was processed."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
import redis
import structlog

from services.forwarder import evidence, forward, getstats, level, processed, senders
from services.forwarder.analysisd import Analysisd as Socket
from services.forwarder.processed import ProcessedSink
from services.forwarder.sink import WINDOW, Sink, SinkBusy, SinkUnavailable
from shared import keys
from shared.settings.model import Wazuh
from tests.eventually import eventually
from tests.receiver import Receiver
from tests.standins.analysisd import Analysisd
from tests.standins.analysisd_setup import Answers, Place, Setup
from tests.unit.forwarder.at_work import AtWork
from tests.unit.forwarder.factories import account, an_enriched_batch, put

HEADER = b"1:Wazuh-AWS|:eu-west-1|:group|:stream:event %d"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "ABSENT_SECONDS", 0.02)
    monkeypatch.setattr(processed, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(getstats, "TIMEOUT_SECONDS", 0.2)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the last rules more time than they need: on a busy machine the stand-in may not get its turn within the usual 5 ms.

    It counts an event before the rules run, as the daemon does, and what it is killed with in between is lost.
    """
    for module in (evidence, processed):
        monkeypatch.setattr(module, "RULES_SECONDS", 0.1)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Analysisd]:
    with Analysisd(tmp_path) as started:
        yield started


def work_on(client: redis.Redis, receiver: Analysisd, events: int, header: bytes = HEADER) -> AtWork:
    """Return a forwarder with a batch of so many events to deliver."""
    batch = an_enriched_batch(batch_id="g-1-0", sent=tuple(header % number for number in range(events)))
    put(client, batch)
    return AtWork(client, receiver.path, batch, sink=sink_of(client, receiver))


def sink_of(client: redis.Redis, receiver: Analysisd, max_events_per_second: int = 0) -> Sink:
    wazuh = Wazuh(
        queue_socket=str(receiver.path),
        stats_socket=str(receiver.stats_path),
        max_events_per_second=max_events_per_second,
    )
    return level.sink(wazuh, client)


def times_processed(receiver: Analysisd, events: int, header: bytes = HEADER) -> list[int]:
    """Return how often each event went through the rules, over all lives of the receiver: the last ones now."""
    receiver.end_background()
    eventually(lambda: receiver.summary().idle, what="the rules are done")
    counts = receiver.counts
    return [counts.get(header % number, 0) for number in range(events)]


@pytest.mark.parametrize("events", [1, 249, 251, 1_000, 4_321])
def test_what_goes_well_is_delivered_once(client: redis.Redis, receiver: Analysisd, events: int) -> None:
    """Whatever the number of segments and windows."""
    with work_on(client, receiver, events) as work:
        assert work.join() is None

    assert [1] * events == times_processed(receiver, events)
    assert (events, 0, 0) == (account(client).delivered, account(client).in_flight, account(client).sent_again)


def test_nothing_counts_before_it_is_processed(client: redis.Redis, receiver: Analysisd) -> None:
    """Read is not enough: the receiver may die with thousands of events in its memory."""
    receiver.throttle(rules=0.001)
    with work_on(client, receiver, 300) as work:
        eventually(lambda: 300 == receiver.summary().read, what="all read")
        work.wait_for_beats(5)
        before = account(client).delivered
        receiver.throttle()
        work.join()

    assert 0 == before
    assert (300, 0) == (account(client).delivered, account(client).sent_again)


def test_an_event_in_a_decoders_hand_is_not_taken_for_processed(client: redis.Redis, receiver: Analysisd) -> None:
    """Both queues are empty then, as they are while decoders wait for credits of an EPS limit."""
    receiver.stall(decoders=True, rules=False)
    with work_on(client, receiver, 2) as work:
        eventually(lambda: 2 == receiver.summary().in_hand.get("decoding"), what="both in hand")
        work.wait_for_beats(10)
        before = account(client).delivered
        receiver.go_on()
        work.join()

    assert 0 == before
    assert (2, 0) == (account(client).delivered, account(client).sent_again)


def test_an_event_in_the_hand_of_a_rule_thread_is_not_taken_for_processed(
    client: redis.Redis, receiver: Analysisd
) -> None:
    """It left the second queue and is not counted yet."""
    receiver.dawdle("labels", 1, seconds=0.5)
    with work_on(client, receiver, 1) as work:
        eventually(lambda: receiver.summary().in_hand.get("labels"), what="in hand")
        before = account(client).delivered
        work.join()

    assert 0 == before
    assert (1, 0) == (account(client).delivered, account(client).sent_again)
    assert [1] == times_processed(receiver, 1)


@pytest.mark.parametrize("place", ["decoding", "labels"])
def test_an_agents_event_does_not_stand_in_for_one_of_ours(
    client: redis.Redis, receiver: Analysisd, place: Place
) -> None:
    """It advances the same counters, while ours may be in the hand of a thread, where no counter shows it."""
    receiver.background(300)
    receiver.dawdle(place, 100, seconds=0.3, overtaken_by=250)
    batch = an_enriched_batch(sent=tuple(HEADER % number for number in range(1_200)))
    put(client, batch)
    confirmed_too_early = []
    sink = sink_of(client, receiver, max_events_per_second=400)
    with AtWork(client, receiver.path, batch, sink=sink) as work:
        while account(client).delivered < 1_200:
            delivered = account(client).delivered
            confirmed_too_early.append(delivered - receiver.summary().processed)
        work.join()

    assert max(confirmed_too_early) <= 0
    assert 0 == account(client).sent_again


@pytest.mark.usefixtures("patient")
def test_what_dies_with_the_receiver_is_sent_to_the_next(client: redis.Redis, receiver: Analysisd) -> None:
    """It was read, so the kernel knows nothing of it any more."""
    receiver.throttle(rules=2_000)
    events, lives = 6_000, 5
    with work_on(client, receiver, events) as work:
        for life in range(1, lives):
            eventually(lambda life=life: account(client).delivered > life * 500, what="some progress")  # type: ignore[misc]
            receiver.restart()
        receiver.throttle()
        work.join()
    counts, books = times_processed(receiver, events), account(client)

    assert min(counts) >= 1
    assert sum(counts) - events <= books.sent_again <= (lives - 1) * WINDOW
    assert (events, 0) == (books.delivered, books.in_flight)


def test_a_restart_that_its_start_time_does_not_show_is_noticed(client: redis.Redis, receiver: Analysisd) -> None:
    """It is in whole seconds; the connection and the counters tell."""
    receiver.stall()
    with work_on(client, receiver, 600) as work:
        eventually(lambda: 600 == receiver.summary().read, what="all read")
        receiver.go_on()
        receiver.restart(started_at=receiver.summary().started_at)
        work.join()

    assert min(times_processed(receiver, 600)) >= 1
    assert 600 == account(client).delivered


def test_what_the_receiver_drops_is_sent_again_when_it_is_calm(client: redis.Redis, tmp_path: Path) -> None:
    """Agents fill its queue in an instant: then it drops ours, and the sender sees success."""
    with Analysisd(tmp_path, Setup(others_size=2_000)) as receiver:
        receiver.throttle(decoders=4_000)
        with work_on(client, receiver, 3_000) as work:
            for _ in range(4):
                delivered = account(client).delivered
                receiver.burst(2_500)
                eventually(lambda at=delivered: account(client).delivered > at, what="some progress")  # type: ignore[misc]
            work.join()
        counts, books = times_processed(receiver, 3_000), account(client)

    assert min(counts) >= 1
    assert (3_000, 0) == (books.delivered, books.in_flight)
    assert sum(counts) - 3_000 <= books.sent_again <= 6 * WINDOW


def test_a_backlog_causes_no_drop(client: redis.Redis, tmp_path: Path) -> None:
    """A queue far smaller than the backlog, and agents that use a part of it all the time."""
    with Analysisd(tmp_path, Setup(others_size=1_000)) as receiver:
        receiver.throttle(decoders=6_000)
        receiver.background(2_000)
        with work_on(client, receiver, 8_000) as work:
            work.join(60)
        summary = receiver.summary()

    assert not summary.caused_a_drop
    assert summary.deepest["others"] <= 999
    assert (8_000, 0) == (account(client).delivered, account(client).sent_again)


def test_queues_that_agents_never_let_run_empty_turn_over(client: redis.Redis, receiver: Analysisd) -> None:
    """Waiting for an empty queue would be waiting for ever."""
    receiver.burst(3_000)
    receiver.throttle(decoders=6_000, rules=6_000)
    receiver.background(5_900)
    with work_on(client, receiver, 500) as work:
        work.join(60)
        depth = sum(receiver.summary().depths.values())

    assert depth > 0
    assert [1] * 500 == times_processed(receiver, 500)
    assert (500, 0) == (account(client).delivered, account(client).sent_again)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("place", ["decoding", "labels"])
def test_events_that_overtake_one_another_are_all_delivered(
    client: redis.Redis, receiver: Analysisd, place: Place
) -> None:
    """A thread may keep one in hand while 300 pass; the receiver dies again and again meanwhile."""
    receiver.dawdle(place, 50)
    receiver.throttle(rules=5_000)
    with work_on(client, receiver, 5_000) as work:
        for step in range(1, 5):
            eventually(lambda step=step: account(client).delivered >= 900 * step, what="some progress")  # type: ignore[misc]
            receiver.restart()
        work.join(60)

    assert min(times_processed(receiver, 5_000)) >= 1
    assert (5_000, 0) == (account(client).delivered, account(client).in_flight)


def test_an_eps_limit_drops_nothing(client: redis.Redis, receiver: Analysisd) -> None:
    """Its reader reads on while its decoders wait: of 20,000 events sent at once the real one dropped 3,115."""
    receiver.limit_eps(1_500, 2)
    with work_on(client, receiver, 5_000) as work:
        work.join(60)

    assert not receiver.summary().caused_a_drop
    assert [1] * 5_000 == times_processed(receiver, 5_000)
    assert 0 == account(client).sent_again


@pytest.mark.parametrize("how", ["never", "cut", "half", "garbage", "error"])
def test_without_statistics_nothing_more_is_sent_and_nothing_confirmed(
    client: redis.Redis, receiver: Analysisd, how: Answers
) -> None:
    """They are waited for: what became of the events is in doubt for so long, and not longer."""
    receiver.throttle(rules=1_000)
    with work_on(client, receiver, 2_000) as work:
        eventually(lambda: account(client).delivered > 0, what="some progress")
        receiver.answer_stats(how)
        receiver.throttle()
        eventually(lambda: receiver.summary().idle, what="all it was sent is processed")
        work.wait_for_beats(3)
        stuck = account(client).delivered
        work.wait_for_beats(3)
        assert stuck == account(client).delivered < receiver.summary().processed <= stuck + WINDOW
        receiver.answer_stats("well")
        work.join()

    assert [1] * 2_000 == times_processed(receiver, 2_000)
    assert (2_000, 0) == (account(client).delivered, account(client).sent_again)


def test_a_stats_socket_that_goes_is_waited_for(client: redis.Redis, receiver: Analysisd) -> None:
    """The level does not sink while we look away."""
    receiver.throttle(rules=1_000)
    with work_on(client, receiver, 1_500) as work:
        eventually(lambda: account(client).delivered > 0, what="some progress")
        receiver.stats_socket("removed")
        receiver.throttle()
        eventually(lambda: receiver.summary().idle, what="all it was sent is processed")
        before = account(client).delivered
        work.wait_for_beats(3)
        assert before == account(client).delivered
        receiver.stats_socket("open")
        work.join()

    assert (1_500, 0) == (account(client).delivered, account(client).sent_again)


def test_a_receiver_that_is_frozen_is_waited_for(client: redis.Redis, receiver: Analysisd) -> None:
    """As while it loads its rules anew."""
    with work_on(client, receiver, 20_000) as work:
        eventually(lambda: account(client).delivered > 0, what="some progress")
        receiver.freeze()
        work.wait_for_beats(3)
        receiver.thaw()
        work.join()

    assert [1] * 20_000 == times_processed(receiver, 20_000)
    assert 0 == account(client).sent_again


def test_a_receiver_without_a_stats_socket_is_believed_when_it_has_read(client: redis.Redis, tmp_path: Path) -> None:
    """One older than Wazuh 4.4: what it can prove is used."""
    with Receiver(tmp_path / "queue") as old, structlog.testing.capture_logs() as logs:
        sink = level.sink(Wazuh(queue_socket=str(old.path), stats_socket=""), client)
        batch = an_enriched_batch(5)
        put(client, batch)
        with AtWork(client, old.path, batch, sink=sink) as work:
            work.join()

    assert 5 == account(client).delivered
    assert list(batch.datagrams) == old.datagrams
    assert ["no stats socket: events are confirmed when read, and what analysisd drops afterwards is not noticed"] == [
        line["event"] for line in logs
    ]


def test_a_stats_socket_that_comes_later_is_used(
    client: redis.Redis, receiver: Analysisd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Wazuh that starts for the first time has none for some seconds."""
    monkeypatch.setattr(level, "GRACE_SECONDS", 0.2)
    receiver.stats_socket("removed")
    receiver.stall()
    sink = sink_of(client, receiver)
    with pytest.raises(SinkUnavailable, match="no stats socket at"):
        sink.connect()
    eventually(lambda: _connects(sink), what="level read")
    sink.send([HEADER % 1], 0, 1)
    assert 1 == sink.confirm(wait=True)

    receiver.stats_socket("open")
    sink.connect()
    sink.send([HEADER % 2], 0, 1)
    with pytest.raises(SinkBusy, match="not yet processed"):
        sink.confirm(wait=True)
    receiver.go_on()
    eventually(lambda: sink.confirm(wait=False), what="confirmation")
    sink.close()


def test_forwarders_of_one_receiver_share_its_free_places(
    client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sends half of its share at most: together never more than half of what there is room for."""
    monkeypatch.setattr(senders, "REFRESH_SECONDS", 0.0)
    with Analysisd(tmp_path, Setup(others_size=801)) as receiver:
        receiver.stall()
        sinks = [sink_of(client, receiver) for _ in range(4)]
        for sink in sinks:
            sink.connect()
            _send_all(sink)  # each says that it is there
        receiver.go_on()
        for sink in sinks:
            eventually(lambda sink=sink: _confirmed(sink) and not _confirmed(sink), what="confirmation")  # type: ignore[misc]
        receiver.stall()
        sent = [_send_all(sink) for sink in sinks]
        summary = receiver.summary()
        for sink in sinks:
            sink.close()

    assert not summary.caused_a_drop
    assert 0 < min(sent)
    assert max(sent) <= 100
    assert sum(sent) <= 400


def test_the_rate_of_the_settings_is_kept(client: redis.Redis, receiver: Analysisd) -> None:
    """A bound from above: a loaded machine may be slower."""
    batch = an_enriched_batch(sent=tuple(HEADER % number for number in range(600)))
    put(client, batch)
    began = monotonic()
    sink = sink_of(client, receiver, max_events_per_second=400)
    with AtWork(client, receiver.path, batch, sink=sink) as work:
        work.join()
    took = monotonic() - began

    assert took > (600 - 40 - 1) / 400
    assert [1] * 600 == times_processed(receiver, 600)


def test_windows_events_are_confirmed_by_their_own_queue(client: redis.Redis, receiver: Analysisd) -> None:
    """They do not pass the queue of the others."""
    receiver.stall()
    header = b"f:EventChannel:<Event>%d</Event>"
    with work_on(client, receiver, 700, header) as work:
        eventually(lambda: 700 == receiver.summary().read, what="all read")
        receiver.burst(2_000)
        work.wait_for_beats(2)
        before = account(client).delivered
        receiver.go_on()
        work.join()

    assert 0 == before
    assert [1] * 700 == times_processed(receiver, 700, header)


def test_lines_that_a_rule_thread_lets_go_hold_nothing_up(client: redis.Redis, receiver: Analysisd) -> None:
    """A firewall's line that lacks a field is never counted as processed."""
    receiver.throttle(rules=2_000)
    receiver.burst(500, fate="ignored")
    with work_on(client, receiver, 100) as work:
        work.join()

    assert [1] * 100 == times_processed(receiver, 100)


def test_a_stop_waits_a_moment_for_what_is_on_its_way(client: redis.Redis, receiver: Analysisd) -> None:
    """What is confirmed within it need not be sent again by the next."""
    receiver.throttle(rules=2_000)
    with work_on(client, receiver, 5_000) as work:
        eventually(lambda: account(client).delivered > 0, what="some progress")
        work.stop.set()
        work.join()
    books = account(client)

    assert 0 == books.sent_again
    assert b"%d" % books.delivered == client.get(keys.progress("g-1-0"))
    assert receiver.summary().processed == books.delivered < 5_000


def test_a_sink_forgets_what_it_gave_up(receiver: Analysisd) -> None:
    """The next batch must not be confirmed by the evidence for this one."""
    receiver.stall()
    sink = ProcessedSink(Socket(str(receiver.path), "read"), lambda: getstats.look(str(receiver.stats_path)), lambda: 1)
    sink.connect()
    sink.send([HEADER % 1], 0, 1)
    receiver.restart()
    with pytest.raises(SinkUnavailable):
        sink.confirm(wait=True)
    receiver.go_on()
    sink.connect()

    assert 0 == sink.confirm(wait=False)
    sink.close()


def _connects(sink: Sink) -> bool:
    try:
        sink.connect()
    except SinkUnavailable:
        return False
    return True


def _send_all(sink: Sink) -> int:
    """Send for as long as the sink takes something; return how many it took."""
    datagrams, reached = [HEADER % number for number in range(2_000)], 0
    while True:
        try:
            reached = sink.send(datagrams, reached, WINDOW)
        except SinkBusy:
            return reached
        _confirmed(sink)


def _confirmed(sink: Sink) -> int:
    try:
        return sink.confirm(wait=False)
    except SinkBusy:
        return 0
