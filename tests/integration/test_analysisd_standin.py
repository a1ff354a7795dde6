"""The stand-in of analysisd: what our other tests take on trust is proved here. The numbers are the real daemon's."""

import contextlib
import errno
import json
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import eventually
from tests.standins.analysisd import Analysisd
from tests.standins.analysisd_ledger import digest, read_journal
from tests.standins.analysisd_messages import AWS, OTHERS
from tests.standins.analysisd_process import AnalysisdProcess
from tests.standins.analysisd_setup import Answers, Setup

GETSTATS = {"version": 1, "origin": {"module": "x"}, "command": "getstats", "parameters": {}}
OURS = "1:Wazuh-AWS|:us-east-1|:/app|:web:"
SMALL = Setup(others_size=101, processed_size=101, size=101)
#: What a test waits for an answer that does not come.
SOON = 0.3


class Clock:
    """Stands still until the test sets it."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


class Sender:
    """A socket to the receiver that never waits: a full kernel queue raises BlockingIOError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(5)
        self._socket.connect(str(path))

    def close(self) -> None:
        """Let go."""
        self._socket.close()

    def connect(self) -> None:
        """Connect to whoever is there now."""
        self._socket.connect(str(self._path))

    def send(self, *messages: bytes | str) -> None:
        """Send, waiting for places in the kernel's queue."""
        for message in messages:
            self._socket.send(message.encode() if isinstance(message, str) else message)

    def send_numbered(self, number: int, *, start: int = 0, header: str = OURS) -> None:
        """Send events that can be told apart."""
        self.send(*(f"{header}event {at}" for at in range(start, start + number)))

    def fill(self) -> int:
        """Send until the kernel's queue is full; return how many went in."""
        self._socket.settimeout(0)
        for number in range(10_000):
            try:
                self._socket.send(f"{OURS}filling {number}".encode())
            except BlockingIOError:
                self._socket.settimeout(5)
                return number
        raise AssertionError("the kernel's queue has no end")


@pytest.fixture
def clock() -> Clock:
    """Time stands still."""
    return Clock()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Analysisd]:
    """A stand-in with queues of a hundred places."""
    with Analysisd(tmp_path, SMALL) as receiver:
        yield receiver


@pytest.fixture
def sender(receiver: Analysisd) -> Iterator[Sender]:
    """Somebody who sends to it."""
    with contextlib.closing(Sender(receiver.path)) as sender:
        yield sender


@contextlib.contextmanager
def running(
    directory: Path, setup: Setup | None = None, clock: Clock | None = None
) -> Iterator[tuple[Analysisd, Sender]]:
    """Run a stand-in made otherwise, and connect to it."""
    clocks = {"monotonic": clock} if clock is not None else {}
    with (
        Analysisd(directory, setup, **clocks) as receiver,
        contextlib.closing(Sender(receiver.path)) as sender,
    ):
        yield receiver, sender


def connected(receiver: Analysisd) -> socket.socket:
    """Return a connection to the stats socket."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(5)
    try:
        connection.connect(str(receiver.stats_path))
    except OSError:
        connection.close()
        raise
    return connection


def framed(text: bytes) -> bytes:
    """Return a request as it is sent."""
    return struct.pack("<I", len(text)) + text


def answer(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes."""
    pieces = []
    while piece := connection.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


def ask(receiver: Analysisd, request: bytes | None = None) -> dict[str, Any]:
    """Send a request (getstats) and return the answer, its frame checked."""
    with connected(receiver) as connection:
        connection.sendall(framed(json.dumps(GETSTATS).encode() if request is None else request))
        found = answer(connection)
    assert len(found) - 4 == int.from_bytes(found[:4], "little")
    whole: dict[str, Any] = json.loads(found[4:])
    return whole


def metrics(receiver: Analysisd) -> dict[str, Any]:
    """Return `data.metrics` of an answer."""
    found: dict[str, Any] = ask(receiver)["data"]["metrics"]
    return found


def wait_for_read(receiver: Analysisd, number: int) -> None:
    """Wait until so many of ours were read."""
    eventually(lambda: number == receiver.summary().read, what=f"{number} events read")


def wait_until_idle(receiver: Analysisd) -> None:
    """Wait until nothing is on its way."""
    eventually(lambda: receiver.summary().idle)


# The datagram socket


def test_an_event_arrives_whole_and_is_counted_at_each_station(receiver: Analysisd, sender: Sender) -> None:
    """The way of every event: received, decoded, processed."""
    sender.send(f"{OURS}hello")
    wait_until_idle(receiver)

    events = metrics(receiver)["events"]
    decoded = events["received_breakdown"]["decoded_breakdown"]["modules_breakdown"]
    assert [f"{OURS}hello".encode()] == receiver.processed
    assert (1, 1) == (events["received"], events["processed"])
    assert (0, 1) == (decoded["aws"], decoded["logcollector_breakdown"]["others"])


def test_the_sockets_are_for_owner_and_group_and_outlive_their_daemon(tmp_path: Path) -> None:
    """A sender in the group gets in; after a death the file is there and nobody behind it."""
    with Analysisd(tmp_path) as receiver:
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (receiver.path, receiver.stats_path)]

    assert [0o660, 0o660] == modes
    for name in ("queue", "analysis"):
        kind = socket.SOCK_DGRAM if name == "queue" else socket.SOCK_STREAM
        with socket.socket(socket.AF_UNIX, kind) as late, pytest.raises(ConnectionRefusedError):
            late.connect(str(tmp_path / name))


def test_a_datagram_is_cut_behind_65535_bytes_without_a_word(receiver: Analysisd, sender: Sender) -> None:
    """Who splits too late loses the end of an event and is not told."""
    longest = f"{OURS}{'x' * (65_535 - len(OURS))}"
    sender.send(longest, longest + "lost")
    wait_until_idle(receiver)

    assert [longest.encode()] * 2 == receiver.processed
    assert (1, 0) == (receiver.summary().cut, receiver.summary().errors)


def test_a_datagram_of_no_length_is_seen_by_no_counter(receiver: Analysisd, sender: Sender) -> None:
    """It proves to its sender that the reader lives, and is nothing else."""
    sender.send(b"")
    eventually(lambda: 1 == receiver.summary().probes)

    assert 0 == metrics(receiver)["events"]["received"]
    assert 0 == metrics(receiver)["bytes"]["received"]


@pytest.mark.parametrize(
    ("message", "received"),
    [(b"1:x", 0), (b"1:\0Wazuh-AWS:x", 0), (b"1:no colon", 1), (b"1:loc|:ation", 1), (b"1:[no bracket:x", 1)],
)
def test_what_cannot_be_taken_apart_is_lost_with_an_error(
    receiver: Analysisd, sender: Sender, message: bytes, received: int
) -> None:
    """Only the first four bytes are looked at by the reader; the rest is the decoders' affair."""
    sender.send(message)
    eventually(lambda: 1 == receiver.summary().errors)

    events = metrics(receiver)["events"]
    assert (received, 0) == (events["received"], events["processed"])
    assert [] == receiver.processed


def test_an_event_ends_at_its_first_nul(receiver: Analysisd, sender: Sender) -> None:
    """The daemon handles strings of C."""
    sender.send(b"1:here:seen\0lost")
    wait_until_idle(receiver)

    assert [b"1:here:seen"] == receiver.processed


def test_a_reader_that_stops_fills_the_kernels_queue_and_then_reads_all_of_it(
    receiver: Analysisd, sender: Sender
) -> None:
    """The only back-pressure there is; getstats goes on meanwhile."""
    receiver.stop_reading()

    sent = sender.fill()
    assert 0 == metrics(receiver)["events"]["received"]
    receiver.read_again()
    wait_for_read(receiver, sent)
    wait_until_idle(receiver)
    assert sent == len(receiver.processed)


# Dropping


def test_a_full_queue_drops_while_the_sender_sees_success(receiver: Analysisd, sender: Sender) -> None:
    """A ring of 101 holds 100, and each decoder has one in hand: what comes then is gone."""
    receiver.stall()
    sender.send_numbered(110)
    wait_for_read(receiver, 110)

    assert {OTHERS: 110 - 100 - 2} == receiver.summary().dropped
    receiver.go_on()
    wait_until_idle(receiver)
    assert [f"{OURS}event {at}".encode() for at in range(102)] == receiver.processed
    assert 100 == receiver.summary().deepest["others"]
    assert {f"{OURS}event {at}".encode() for at in range(102, 110)} == set(receiver.dropped_events)


@pytest.mark.parametrize(
    ("header", "dropped", "decoded"),
    [
        ("1:Wazuh-AWS:", AWS, AWS),
        ("1:aws-s3:", AWS, AWS),
        ("1:Wazuh-AWS|:us-east-1:", OTHERS, OTHERS),
        ("1:/var/log/syslog:", OTHERS, OTHERS),
        ("1:[001] (web) any->Wazuh-AWS:", AWS, AWS),
        ("1:[001] (web) any->/var/log/syslog:", OTHERS, OTHERS),
        ("1:group->aws-s3:", OTHERS, AWS),
        ("1:wazuh-agent:", "agent", "agent"),
        ("2:10.0.0.1:", "syslog", "syslog"),
        ("f:EventChannel:", *["modules_breakdown.logcollector_breakdown.eventchannel"] * 2),
    ],
)
def test_an_event_counts_for_the_module_that_its_location_names(
    receiver: Analysisd, sender: Sender, header: str, dropped: str, decoded: str
) -> None:
    """Exactly `Wazuh-AWS` or `aws-s3` is ours alone. A drop looks less closely for an arrow than a decoder."""
    receiver.stall()
    sender.send_numbered(103, header=header)
    wait_for_read(receiver, 103)
    receiver.go_on()
    wait_until_idle(receiver)

    breakdown = metrics(receiver)["events"]["received_breakdown"]
    assert {dropped: 1} == _counts(breakdown["dropped_breakdown"])
    assert {decoded: 102} == _counts(breakdown["decoded_breakdown"])


def test_an_eps_limit_drops_as_many_as_the_real_daemon_did(tmp_path: Path, clock: Clock) -> None:
    """20,000 at once at 500 a second: 16,383 places, 500 credits, and an event in the hand of either decoder remain."""
    with running(tmp_path, Setup(keep=False), clock) as (receiver, sender):
        receiver.limit_eps(500, 1)
        sender.send_numbered(600)
        eventually(lambda: 500 == receiver.summary().processed)
        sender.send_numbered(20_000 - 600, start=600)
        wait_for_read(receiver, 20_000)

        eps = metrics(receiver)["eps"]
        assert {OTHERS: 3_115} == receiver.summary().dropped
        assert (0, 500, 3_115, 0) == (
            eps["available_credits"],
            eps["available_credits_prev"],
            eps["events_dropped"],
            eps["events_dropped_not_eps"],
        )
        clock.seconds += 1
        eventually(lambda: 1_000 == receiver.summary().processed)


def test_eps_credits_come_back_when_they_are_a_timeframe_old(tmp_path: Path, clock: Clock) -> None:
    """A limit of 10 in 3 seconds lets 30 through at once, and then nothing for three seconds."""
    with running(tmp_path, SMALL, clock) as (receiver, sender):
        receiver.limit_eps(10, 3)
        sender.send_numbered(50)
        eventually(lambda: 30 == receiver.summary().processed)
        clock.seconds += 2
        eventually(lambda: 2 == metrics(receiver)["eps"]["seconds_over_limit"])

        assert 30 == receiver.summary().processed
        clock.seconds += 1
        eventually(lambda: 50 == receiver.summary().processed)


def test_a_limit_is_told_only_when_there_is_one(receiver: Analysisd) -> None:
    """Its absence is how a sender knows that there is none."""
    assert "eps" not in metrics(receiver)

    receiver.limit_eps(100, 10)
    assert 1_000 == metrics(receiver)["eps"]["available_credits"]
    receiver.limit_eps(0)
    assert "eps" not in metrics(receiver)


# Between the queues


def test_events_in_hand_are_in_no_queue_and_in_no_counter(receiver: Analysisd, sender: Sender) -> None:
    """Two empty queues prove nothing about the events that decoders hold, as they do while they wait for credits."""
    receiver.limit_eps(1, 1_000)
    receiver.stall(rules=False)
    sender.send_numbered(2)
    wait_for_read(receiver, 2)
    eventually(lambda: 0 == receiver.summary().depths["others"])

    now = metrics(receiver)
    assert (0, 0) == (now["queues"]["others"]["usage"], now["queues"]["processed"]["usage"])
    assert {} == _counts(now["events"]["received_breakdown"]["decoded_breakdown"])
    assert {"decoding": 2, "decoded": 0, "rules": 0} == receiver.summary().in_hand


def test_an_event_counts_as_processed_before_its_rules_have_run(receiver: Analysisd, sender: Sender) -> None:
    """A daemon that dies in between loses it, and no counter tells."""
    receiver.stall(decoders=False)
    sender.send_numbered(2)
    eventually(lambda: 2 == metrics(receiver)["events"]["processed"])

    assert [] == receiver.processed
    receiver.kill()
    assert {"rules": 2} == receiver.summary().lost


def test_an_event_can_be_taken_and_not_yet_counted_by_a_rule_thread(receiver: Analysisd, sender: Sender) -> None:
    """Before it counts, the thread asks for the agent's labels, which may take its time."""
    receiver.dawdle("labels", 1, seconds=60)
    sender.send_numbered(2)
    eventually(lambda: 2 == receiver.summary().in_hand.get("labels"))

    now = metrics(receiver)
    assert 0 == now["events"]["processed"]
    assert (0, 0) == (now["queues"]["others"]["usage"], now["queues"]["processed"]["usage"])
    assert 2 == _counts(now["events"]["received_breakdown"]["decoded_breakdown"])[OTHERS]


def test_rules_that_are_too_slow_hold_the_decoders_up_and_then_the_reader_drops(
    receiver: Analysisd, sender: Sender
) -> None:
    """Both queues and every hand are full before an event is dropped."""
    receiver.stall(decoders=False)
    sender.send_numbered(250)
    wait_for_read(receiver, 250)
    eventually(lambda: 100 == receiver.summary().depths["processed"])

    held = 100 + 2 + 100 + 2
    assert {"decoding": 0, "decoded": 2, "rules": 2} == receiver.summary().in_hand
    assert {OTHERS: 250 - held} == receiver.summary().dropped
    assert held - 100 == _counts(metrics(receiver)["events"]["received_breakdown"]["decoded_breakdown"])[OTHERS]


def test_work_goes_at_the_rate_it_was_given(tmp_path: Path, clock: Clock) -> None:
    """Exactly, while there is work; having been idle earns nothing."""
    with running(tmp_path, None, clock) as (receiver, sender):
        receiver.throttle(rules=100)
        clock.seconds += 10
        sender.send_numbered(500)
        wait_for_read(receiver, 500)
        eventually(lambda: receiver.summary().in_hand["rules"] == 2)

        assert 0 == receiver.summary().processed
        for second in range(1, 4):
            clock.seconds += 1
            eventually(lambda done=second * 100: done == receiver.summary().processed)  # type: ignore[misc]
        receiver.throttle()
        eventually(lambda: 500 == receiver.summary().processed)


def test_events_overtake_one_another_and_none_is_lost(tmp_path: Path) -> None:
    """One sender, several threads: the order changes, as far as the test allows."""
    with running(tmp_path, Setup(decoder_threads=4, rule_threads=4)) as (receiver, sender):
        receiver.dawdle("decoding", 10, seconds=1, overtaken_by=25)
        receiver.dawdle("rules", 7, seconds=1, overtaken_by=5)
        sender.send_numbered(1_000)
        eventually(lambda: 1_000 == receiver.summary().processed)

        order = [int(event.rsplit(b" ", 1)[1]) for event in receiver.processed]
        overtaken_by = [position - number for position, number in enumerate(order)]
        assert list(range(1_000)) == sorted(order)
        assert 20 <= max(overtaken_by) <= 25 + 5


# Other senders


def test_agents_take_places_and_counters_that_are_ours_too(receiver: Analysisd, sender: Sender) -> None:
    """A drop of theirs beside an event of ours may be our doing, and the counter does not say whose it was."""
    receiver.stall()
    receiver.burst(2)
    eventually(lambda: 2 == receiver.summary().in_hand["decoding"])
    receiver.burst(100)
    sender.send_numbered(1)
    wait_for_read(receiver, 1)

    assert {OTHERS: 1} == receiver.summary().dropped
    assert {} == receiver.summary().agents_dropped
    assert {OTHERS: 1} == _counts(metrics(receiver)["events"]["received_breakdown"]["dropped_breakdown"])
    receiver.burst(1)
    assert {OTHERS: 1} == receiver.summary().agents_dropped
    assert 0 == receiver.summary().agents_dropped_beside_ours


def test_a_drop_of_the_agents_beside_an_event_of_ours_is_noticed(receiver: Analysisd, sender: Sender) -> None:
    """The place was ours: without us they would have had it."""
    receiver.stall()
    receiver.burst(10)
    eventually(lambda: 2 == receiver.summary().in_hand["decoding"])
    sender.send_numbered(1)
    wait_for_read(receiver, 1)
    receiver.burst(100)

    assert {OTHERS: 9} == receiver.summary().agents_dropped
    assert 9 == receiver.summary().agents_dropped_beside_ours
    assert receiver.summary().caused_a_drop


def test_agents_send_at_a_steady_rate_until_they_are_silenced(tmp_path: Path, clock: Clock) -> None:
    """They are received and processed like ours, and kept apart from them."""
    with running(tmp_path, None, clock) as (receiver, _):
        receiver.background(100, "[001] (web) any->/var/log/auth.log")
        for _ in range(5):
            clock.seconds += 0.2
            eventually(lambda now=clock.seconds: round((now - 1_000) * 100) == receiver.summary().agents_processed)  # type: ignore[misc]
        receiver.end_background()

        events = metrics(receiver)["events"]
        assert (100, 100) == (events["received"], events["processed"])
        assert (0, []) == (receiver.summary().read, receiver.processed)


@pytest.mark.parametrize("queue", ["syscheck", "syscollector", "dbsync", "upgrade"])
def test_some_messages_are_received_and_never_processed(receiver: Analysisd, queue: str) -> None:
    """received = processed + dropped is no test beside agents."""
    receiver.burst(50, queue=queue)
    wait_until_idle(receiver)

    events = metrics(receiver)["events"]
    assert (50, 0) == (events["received"], events["processed"])
    assert 50 == sum(_counts(events["received_breakdown"]["decoded_breakdown"]).values())


def test_other_kinds_reach_the_rules_without_the_queue_others(receiver: Analysisd) -> None:
    """Windows events have a queue and decoders of their own, and share the queue `processed`."""
    receiver.stall(decoders=False)
    receiver.burst(50, queue="eventchannel")
    eventually(lambda: 48 == receiver.summary().depths["processed"])

    assert 0 == receiver.summary().deepest["others"]
    assert 2 == metrics(receiver)["events"]["processed"]


def test_a_rule_thread_may_let_an_event_go_before_it_counts_it(receiver: Analysisd) -> None:
    """A firewall line that lacks a field: decoded, through the queue, and in no `processed`."""
    receiver.burst(50, fate="ignored")
    wait_until_idle(receiver)

    events = metrics(receiver)["events"]
    assert 50 == _counts(events["received_breakdown"]["decoded_breakdown"])[OTHERS]
    assert 0 == events["processed"]


# Behind the rules


def test_a_full_queue_of_alerts_holds_the_rules_up(receiver: Analysisd, sender: Sender) -> None:
    """Whoever looks at `others` alone sees nothing coming."""
    receiver.write_alerts(1, per_second=0)
    sender.send_numbered(150)
    eventually(lambda: 48 == receiver.summary().depths["processed"])

    assert 1 == metrics(receiver)["queues"]["alerts"]["usage"]
    assert 100 == receiver.summary().processed
    receiver.write_alerts(1)
    wait_until_idle(receiver)
    eventually(lambda: 150 == metrics(receiver)["events"]["written_breakdown"]["alerts"])


def test_archive_lines_are_lost_where_no_counter_counts(receiver: Analysisd, sender: Sender) -> None:
    """The event itself is processed."""
    receiver.write_archives(per_second=0)
    sender.send_numbered(150)
    wait_until_idle(receiver)

    now = metrics(receiver)
    assert (150, 50) == (receiver.summary().processed, receiver.summary().archives_lost)
    assert 1 == now["queues"]["archives"]["usage"]
    assert {} == _counts(now["events"]["received_breakdown"]["dropped_breakdown"])


# getstats


def test_getstats_answers_with_the_members_of_the_real_one(receiver: Analysisd) -> None:
    """A sender that reads another member finds it missing here too."""
    whole = ask(receiver)

    data = whole["data"]
    assert (0, "ok", "wazuh-analysisd") == (whole["error"], whole["message"], data["name"])
    assert {"uptime", "timestamp", "name", "metrics"} == data.keys()
    assert {"bytes", "events", "queues"} == data["metrics"].keys()
    events = data["metrics"]["events"]
    assert {"processed", "received", "received_breakdown", "written_breakdown"} == events.keys()
    for breakdown in events["received_breakdown"].values():
        assert {
            *("agent", "agentless", "dbsync", "monitor", "remote", "syslog"),
            *("integrations_breakdown", "modules_breakdown"),
        } == breakdown.keys()
        assert {"eventchannel", "eventlog", "macos", "others"} == breakdown["modules_breakdown"][
            "logcollector_breakdown"
        ].keys()
    assert {
        *("alerts", "archives", "dbsync", "eventchannel", "firewall", "fts", "hostinfo", "others", "processed"),
        *("rootcheck", "sca", "stats", "syscheck", "syscollector", "upgrade"),
    } == data["metrics"]["queues"].keys()
    assert all({"size": 101, "usage": 0} == queue for queue in data["metrics"]["queues"].values())


@pytest.mark.parametrize(
    ("setup", "depth", "shown"),
    [
        (Setup(), 1, 6.103888168931007e-05),
        (Setup(), 16_383, 1.0),
        (Setup(usage="4.4"), 1, 6.103515625e-05),
        (Setup(usage="4.4"), 16_383, 0.99993896484375),
        (Setup(usage_decimals=2), 81, 0.0),
        (Setup(usage_decimals=2), 82, 0.01),
    ],
)
def test_usage_tells_the_depth_exactly_unless_it_is_rounded(
    tmp_path: Path, setup: Setup, depth: int, shown: float
) -> None:
    """A share of the places since 4.14, of the size before; two decimals would hide up to 81 events."""
    with Analysisd(tmp_path, setup) as receiver:
        receiver.stall()
        receiver.burst(2)
        eventually(lambda: 2 == receiver.summary().in_hand["decoding"])
        receiver.burst(depth)

        assert shown == pytest.approx(metrics(receiver)["queues"]["others"]["usage"], rel=1e-7, abs=0)


@pytest.mark.parametrize(
    ("request_text", "error", "message"),
    [
        (b"nonsense", 2, "Invalid JSON input"),
        (b"[]", 3, "Empty command"),
        (b'{"command": 5}', 3, "Empty command"),
        (b'{"command": "GETSTATS"}', 4, "Unrecognized command"),
        (b'{"command": "getstats"} and more', 0, "ok"),
    ],
)
def test_a_request_that_is_none_gets_the_daemons_own_error(
    receiver: Analysisd, request_text: bytes, error: int, message: str
) -> None:
    """And leaves it ready for the next."""
    found = ask(receiver, request_text)

    assert (error, message) == (found["error"], found["message"])
    assert 0 == ask(receiver)["error"]


def test_a_connection_takes_one_request(receiver: Analysisd) -> None:
    """The daemon closes it behind its answer."""
    request = framed(json.dumps(GETSTATS).encode())
    with connected(receiver) as connection:
        connection.sendall(request + request)
        found = answer(connection)

    assert len(found) - 4 == int.from_bytes(found[:4], "little")


def test_half_a_request_keeps_every_other_client_waiting(receiver: Analysisd) -> None:
    """One thread of the daemon serves them all, one after the other."""
    request = framed(json.dumps(GETSTATS).encode())
    with connected(receiver) as slow, connected(receiver) as other:
        slow.sendall(request[:10])
        other.sendall(request)
        other.settimeout(SOON)
        with pytest.raises(TimeoutError):
            other.recv(1)
        slow.sendall(request[10:])
        other.settimeout(5)

        assert answer(slow)
        assert answer(other)


@pytest.mark.parametrize("piece", [b"", b"\x10", framed(b"x" * 100)[:50], framed(b"")])
def test_a_request_that_breaks_off_or_is_empty_is_closed_without_an_answer(receiver: Analysisd, piece: bytes) -> None:
    """There is nothing to answer; the next client is served."""
    with connected(receiver) as connection:
        connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        assert b"" == answer(connection)

    assert 0 == ask(receiver)["error"]


def test_a_request_that_is_too_long_is_never_answered_nor_closed(receiver: Analysisd) -> None:
    """The daemon forgets the connection; only a time limit helps the client."""
    with connected(receiver) as connection:
        connection.sendall(struct.pack("<I", 65_537))
        connection.settimeout(SOON)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert 0 == ask(receiver)["error"]


def test_a_late_answer_may_be_as_old_as_the_request(receiver: Analysisd, sender: Sender) -> None:
    """Both happen: the thread was slow to look, or slow to tell."""
    for how, processed in (("stale", 0), ("late", 2)):
        receiver.answer_stats(how, 60)  # type: ignore[arg-type]
        asked = receiver.summary().stats_asked
        with connected(receiver) as connection:
            connection.sendall(framed(json.dumps(GETSTATS).encode()))
            eventually(lambda before=asked: before + 1 == receiver.summary().stats_asked)  # type: ignore[misc]
            sender.send_numbered(1)
            wait_until_idle(receiver)
            receiver.answer_stats(how, 0)  # type: ignore[arg-type]
            found = json.loads(answer(connection)[4:])

        assert processed == found["data"]["metrics"]["events"]["processed"]


@pytest.mark.parametrize(("how", "bytes_seen"), [("cut", 0), ("half", 500), ("garbage", 500)])
def test_an_answer_can_break_off_or_be_nonsense(receiver: Analysisd, how: Answers, bytes_seen: int) -> None:
    """Nothing of it is a state to go by."""
    receiver.answer_stats(how)
    with connected(receiver) as connection:
        connection.sendall(framed(json.dumps(GETSTATS).encode()))
        found = answer(connection)

    assert bytes_seen <= len(found)
    with pytest.raises(json.JSONDecodeError):
        json.loads(found[4:])
    receiver.answer_stats("well")
    assert 0 == ask(receiver)["error"]


def test_an_answer_can_be_an_error_or_fail_to_come(receiver: Analysisd) -> None:
    """A client that gives up makes room for the next."""
    receiver.answer_stats("error")
    assert (1, {}) == (ask(receiver)["error"], ask(receiver)["data"])

    receiver.answer_stats("never")
    with connected(receiver) as connection:
        connection.sendall(framed(json.dumps(GETSTATS).encode()))
        connection.settimeout(SOON)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    receiver.answer_stats("well")
    assert 0 == ask(receiver)["error"]


def test_the_stats_socket_can_go_and_come_back_while_events_flow(receiver: Analysisd, sender: Sender) -> None:
    """Refused is a file with nobody behind it; removed is no file."""
    receiver.stats_socket("refused")
    with pytest.raises(ConnectionRefusedError):
        connected(receiver)
    receiver.stats_socket("removed")
    with pytest.raises(FileNotFoundError):
        connected(receiver)
    sender.send_numbered(1)
    wait_until_idle(receiver)
    receiver.stats_socket("open")

    assert 1 == metrics(receiver)["events"]["processed"]


# Death


def test_a_daemon_that_dies_loses_what_it_had_and_what_it_had_not_read(receiver: Analysisd, sender: Sender) -> None:
    """Each event is lost at one place, and is known."""
    sender.send_numbered(10)
    wait_until_idle(receiver)
    receiver.stall(decoders=False)
    sender.send_numbered(210, start=10)
    wait_for_read(receiver, 220)
    eventually(lambda: 100 == receiver.summary().depths["processed"])
    receiver.stop_reading()
    unread = sender.fill()
    receiver.kill()

    summary = receiver.summary()
    assert {"rules": 2, "processed": 100, "decoded": 2, "others": 100, "unread": unread} == summary.lost
    assert (10, 6) == (summary.processed, summary.dropped_total)
    assert 10 + 6 + sum(summary.lost.values()) == summary.read + unread
    assert not summary.alive
    assert summary.lost_total == sum(receiver.lost_events.values())


def test_a_sender_notices_a_death_once_by_a_refusal_and_then_is_not_connected(
    receiver: Analysisd, sender: Sender
) -> None:
    """Until it connects again, to the same path and another daemon."""
    receiver.kill()
    seen = []
    for _ in range(2):
        try:
            sender.send(f"{OURS}nobody")
        except OSError as refusal:
            seen.append(refusal.errno)
    receiver.start()
    sender.connect()
    sender.send(f"{OURS}somebody")
    wait_until_idle(receiver)

    assert [errno.ECONNREFUSED, errno.ENOTCONN] == seen
    assert [f"{OURS}somebody".encode()] == receiver.processed


def test_uptime_stands_still_while_the_daemon_lives_and_changes_when_it_restarts(receiver: Analysisd) -> None:
    """It is the second of the start. The counters begin anew with it."""
    receiver.burst(5)
    before = ask(receiver)["data"]
    assert before["uptime"] == ask(receiver)["data"]["uptime"]

    receiver.restart()
    after = ask(receiver)["data"]
    assert before["uptime"] < after["uptime"]
    assert (5, 0) == (before["metrics"]["events"]["received"], after["metrics"]["events"]["received"])
    assert 2 == receiver.summary().lives


def test_a_restart_within_a_second_can_hide_behind_the_same_uptime(receiver: Analysisd) -> None:
    """The daemon tells no finer: only the counters betray it."""
    receiver.restart(started_at=1_790_000_000)
    receiver.restart(started_at=1_790_000_000)

    assert 1_790_000_000 == ask(receiver)["data"]["uptime"]


def test_a_restart_keeps_orders_and_forgets_the_daemons_state(receiver: Analysisd, sender: Sender) -> None:
    """The machine is as slow as before."""
    receiver.stall()
    sender.send_numbered(5)
    wait_for_read(receiver, 5)
    receiver.restart()
    sender.connect()
    sender.send_numbered(5, start=5)
    wait_for_read(receiver, 10)

    assert 0 == receiver.summary().processed
    receiver.go_on()
    wait_until_idle(receiver)
    assert [f"{OURS}event {at}".encode() for at in range(5, 10)] == receiver.processed


def test_a_daemon_that_loads_its_rules_takes_events_and_answers_nobody(tmp_path: Path, clock: Clock) -> None:
    """The datagram socket is bound first; what is sent waits in the kernel."""
    with running(tmp_path, SMALL, clock) as (receiver, sender):
        receiver.restart(load_seconds=5)
        sender.connect()
        sender.send_numbered(3)
        with pytest.raises(ConnectionRefusedError):
            connected(receiver)
        assert 0 == receiver.summary().read
        clock.seconds += 5

        eventually(lambda: 3 == receiver.summary().processed)
        assert 3 == metrics(receiver)["events"]["processed"]


def test_a_frozen_daemon_neither_reads_nor_answers_and_loses_nothing(receiver: Analysisd, sender: Sender) -> None:
    """As on SIGSTOP, or while it loads its rules anew."""
    receiver.freeze()
    sender.send_numbered(3)
    with connected(receiver) as connection:
        connection.sendall(framed(json.dumps(GETSTATS).encode()))
        connection.settimeout(SOON)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert 0 == receiver.summary().read
        receiver.thaw()
        connection.settimeout(5)
        assert answer(connection)

    wait_for_read(receiver, 3)
    wait_until_idle(receiver)
    assert 3 == len(receiver.processed)


# What is kept


def test_large_runs_are_counted_by_digest_or_by_id(tmp_path: Path) -> None:
    """A million events need not be kept to see that each came once."""
    with running(tmp_path, Setup(keep=False)) as (receiver, sender):
        sender.send("1:here:a", "1:here:b", "1:here:a")
        wait_until_idle(receiver)
        assert {digest(b"1:here:a"): 2, digest(b"1:here:b"): 1} == receiver.counts
        assert [] == receiver.processed

    with running(tmp_path, Setup(keep=False, id_pattern=r'"event_id":"(\d+)"')) as (receiver, sender):
        sender.send('1:here:{"event_id":"17"}', '1:there:{"event_id":"17"}', "1:here:no id")
        wait_until_idle(receiver)
        assert {b"17": 2, digest(b"1:here:no id"): 1} == receiver.counts


def test_a_journal_ends_at_its_last_whole_line(tmp_path: Path) -> None:
    """A kill may cut a line short: it counts for nothing, and the next life goes on behind the one before it."""
    journal = tmp_path / "journal"
    journal.write_bytes(b"P 17\nD 18\nB 1\nP 1")
    assert {"17": 1} == read_journal(journal).processed

    with running(tmp_path, Setup(journal=str(journal), id_pattern=r"id=(\d+)")) as (receiver, sender):
        sender.send("1:here:id=19")
        wait_until_idle(receiver)

    said = read_journal(journal)
    assert {"17": 1, "19": 1} == said.processed
    assert ({"18": 1}, 1) == (said.dropped, said.agents_dropped_beside_ours)


# A process of its own


@pytest.fixture
def process(tmp_path: Path) -> Iterator[AnalysisdProcess]:
    """A stand-in that can be killed."""
    with AnalysisdProcess(tmp_path, Setup(keep=False, id_pattern=r"event (\d+)$")) as process:
        yield process


def test_a_process_keeps_its_books_over_a_kill(tmp_path: Path, process: AnalysisdProcess) -> None:
    """What it had processed is in the journal; what it had in memory is gone; orders are given to it again."""
    with contextlib.closing(Sender(tmp_path / "queue")) as sender:
        sender.send_numbered(2_000)
        eventually(lambda: 2_000 == process.summary().processed)
        process.stall()
        sender.send_numbered(1_000, start=2_000)
        eventually(lambda: 3_000 == process.summary().read)
        started_at = process.stats()["uptime"]
        process.restart()
        sender.connect()
        sender.send_numbered(1_000, start=3_000)
        eventually(lambda: 1_000 == process.summary().read)
        assert 0 == process.summary().processed
        process.go_on()
        eventually(lambda: process.summary().idle)

    wanted = {str(number) for number in (*range(2_000), *range(3_000, 4_000))}
    assert dict.fromkeys(wanted, 1) == process.journal.processed
    assert not process.journal.caused_a_drop
    assert started_at < process.stats()["uptime"]


def test_a_process_is_stopped_and_goes_on(tmp_path: Path, process: AnalysisdProcess) -> None:
    """SIGSTOP: the kernel's queue fills, and is read when it goes on."""
    with contextlib.closing(Sender(tmp_path / "queue")) as sender:
        process.freeze()
        sent = sender.fill()
        process.thaw()
        eventually(lambda: sent == process.summary().read)


def test_a_process_takes_orders_as_json_lines(tmp_path: Path, process: AnalysisdProcess) -> None:
    """Whatever can open a socket can make it misbehave; what it does not understand it says."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.connect(str(tmp_path / "control"))
        with control.makefile("rwb") as lines:
            answers = []
            for line in (b'{"order":"burst","with":{"events":3}}', b'{"order":"close"}', b"nonsense"):
                lines.write(line + b"\n")
                lines.flush()
                answers.append(json.loads(lines.readline()))

    assert [{"result": None}, {"error"}, {"error"}] == [answers[0], answers[1].keys(), answers[2].keys()]
    eventually(lambda: 3 == process.summary().agents_processed)


def test_a_process_that_is_terminated_ends_at_once_as_the_daemon_does(
    tmp_path: Path, process: AnalysisdProcess
) -> None:
    """There is no draining: SIGTERM loses what SIGKILL loses."""
    process.stall()
    with contextlib.closing(Sender(tmp_path / "queue")) as sender:
        sender.send_numbered(10)
        eventually(lambda: 10 == process.summary().read)
        process.terminate()
    process.go_on()
    process.start()

    assert {} == process.journal.processed
    assert 0 == process.summary().read


def _counts(tree: dict[str, Any], path: str = "") -> dict[str, int]:
    """Return the counters of a breakdown that are not 0, by path."""
    found: dict[str, int] = {}
    for name, value in tree.items():
        here = f"{path}.{name}" if path else name
        found |= _counts(value, here) if isinstance(value, dict) else {here: value} if value else {}
    return found
