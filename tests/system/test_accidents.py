"""What is killed with no warning: every event arrives all the same, and nothing is left behind.

The accidents happen side by side, each on a host of its own, since most of the time somebody waits for a claim on a
batch to run out. Each test asks for what it claims.
"""

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

import pytest

from tests.eventually import eventually
from tests.standins.cloudwatch_contents import Paging
from tests.system.command import Done, Process, Running, child, children, descendants
from tests.system.host import Host, NewHost, numbered, soon

#: What a killed forwarder may have sent and not yet noted.
MOST_REPEATED = 1_000
#: What is left alone goes within this.
LONGEST_SECONDS = 15

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@dataclass
class Evidence:
    """What was seen of one accident."""

    messages: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    books: dict[str, int] = field(default_factory=dict)
    orphans: list[Process] = field(default_factory=list)
    first: Done = field(default_factory=lambda: Done(-1, "", ""))
    again: Done = field(default_factory=lambda: Done(-1, "", ""))
    seconds: float = 0.0
    roles: int = 0

    @property
    def lost(self) -> set[str]:
        return set(self.messages) - set(self.delivered)

    @property
    def repeated(self) -> int:
        return sum((Counter(self.delivered) - Counter(self.messages)).values())

    @property
    def made_up(self) -> set[str]:
        return set(self.delivered) - set(self.messages)


T = TypeVar("T")


@dataclass
class Accidents:
    """What is going on, and in the end was seen, on each host."""

    roles: Future[dict[str, Evidence]]
    supervisor: Future[Evidence]
    server: Future[Evidence]
    unable: Future[Evidence]

    def of_run(self, victim: str) -> Evidence:
        return (self.supervisor if victim == "supervisor" else self.server).result()


@pytest.fixture(scope="module")
def accidents(new_host: NewHost) -> Iterator[Accidents]:
    def start(scenario: Callable[[Host], T]) -> "Future[T]":
        def on_a_host() -> T:
            with new_host(scenario.__name__) as host:
                return scenario(host)

        return pool.submit(on_a_host)

    with ThreadPoolExecutor(4) as pool:
        yield Accidents(
            start(roles_killed), start(supervisor_killed), start(server_killed), start(role_that_cannot_start)
        )


def roles_killed(host: Host) -> dict[str, Evidence]:
    """Kill the roles of a service one after the other, each at work on a group of its own."""
    victims = {"fetcher": fetcher_killed, "normalizer": normalizer_killed, "forwarder": forwarder_killed}
    host.configure(*(f"/app/{role}" for role in victims))
    for role in victims:
        host.aws.create_group("us-east-1", f"/app/{role}")
    run = host.start()
    soon(lambda: "queue=raw" in run.err and "queue=enriched" in run.err, "the roles are ready")
    return {role: kill(host, run, f"/app/{role}") for role, kill in victims.items()}


def fetcher_killed(host: Host, run: Running, group: str) -> Evidence:
    """Kill it between two pages of a slice."""
    host.aws.group_paging[group] = Paging(page_events=100)
    host.aws.delay("FilterLogEvents", 0.02, group=group)
    messages = numbered(4_000)
    host.put(group, messages)
    polled = host.aws.call_count("FilterLogEvents", group=group)
    soon(lambda: host.aws.call_count("FilterLogEvents", group=group) > polled + 10, "ten pages read")
    child(run.pid, "fetcher").kill()
    return _evidence(host, group, messages)


def normalizer_killed(host: Host, run: Running, group: str) -> Evidence:
    """Kill it when a batch has been given to it and it has not yet said so."""
    normalizer = child(run.pid, "normalizer")
    normalizer.stop()
    messages = numbered(1_000)
    host.put(group, messages)
    polled = host.aws.call_count("FilterLogEvents", group=group)
    soon(lambda: host.aws.call_count("FilterLogEvents", group=group) > polled + 2, "a whole poll read and committed")
    normalizer.kill()
    return _evidence(host, group, messages)


def forwarder_killed(host: Host, run: Running, group: str) -> Evidence:
    """Kill it with datagrams sent and not confirmed, when many were confirmed and many are still to be sent."""
    messages = numbered(9_000)
    arrived = len(host.receiver.datagrams)
    host.put(group, messages)
    soon(lambda: len(host.receiver.datagrams) > arrived + 2_500, "more than two windows delivered")
    host.receiver.pause()
    child(run.pid, "forwarder").kill()
    host.receiver.resume()
    return _evidence(host, group, messages)


def supervisor_killed(host: Host) -> Evidence:
    """Kill a `run --once` with a batch in the forwarder's hands; then run it again."""
    return _whole_run_killed(host, lambda run_pid: run_pid)


def server_killed(host: Host) -> Evidence:
    """Kill the embedded server of a `run --once` with a batch in the forwarder's hands; then run it again."""
    return _whole_run_killed(host, lambda run_pid: child(run_pid, "valkey-server").pid)


def role_that_cannot_start(host: Host) -> Evidence:
    """Let the normalizer's port be taken, so that it ends at once however often it is started; then free the port."""
    messages = numbered(500)
    host.put("/app/shop", messages)
    port, taken = _take_second_of_two_ports()
    with taken:
        host.configure("/app/shop", top=f'metrics_address = "127.0.0.1:{port}"')
        run = host.start()
        soon(lambda: run.err.count("a role ended, starting it again") >= 4, "four attempts")
        roles = len([process for process in children(run.pid) if "services" in process.command])
        fetched = host.status()["total"]["fetched"]
    freed_at = monotonic()
    soon(lambda: "queue=raw" in run.err, "the normalizer started")
    waited = monotonic() - freed_at
    assert fetched >= len(messages), "the fetcher has worked all the while"
    evidence = _evidence(host, "/app/shop", messages)
    evidence.seconds, evidence.roles, evidence.first = waited, roles, run.end()
    return evidence


@pytest.mark.parametrize("role", ["fetcher", "normalizer", "forwarder"])
def test_a_killed_role_loses_no_event(accidents: Accidents, role: str) -> None:
    """The supervisor starts it again, and what it held is handed out again."""
    seen = accidents.roles.result()[role]
    assert set() == seen.lost
    assert set() == seen.made_up


@pytest.mark.parametrize("role", ["fetcher", "normalizer"])
def test_a_killed_fetcher_or_normalizer_repeats_nothing(accidents: Accidents, role: str) -> None:
    """What they did is committed together with the place to go on from, or not at all."""
    assert 0 == accidents.roles.result()[role].repeated


def test_a_killed_forwarder_repeats_at_most_one_window(accidents: Accidents) -> None:
    """Confirmed offsets are noted window by window; the books own up to what may have come twice."""
    seen = accidents.roles.result()["forwarder"]
    assert MOST_REPEATED >= seen.repeated
    assert seen.repeated <= seen.books["sent_again"] <= MOST_REPEATED


@pytest.mark.parametrize("role", ["fetcher", "normalizer", "forwarder"])
def test_the_books_balance_after_a_kill(accidents: Accidents, role: str) -> None:
    """Events are counted in the same transaction as the work, so no kill can come between."""
    seen = accidents.roles.result()[role]
    assert len(seen.messages) == seen.books["delivered"]
    ends = ("delivered", "duplicates", "discarded", "dead_lettered")
    assert seen.books["fetched"] == sum(seen.books[end] for end in ends)
    assert 0 == seen.books["dead_lettered"]


@pytest.mark.parametrize("victim", ["supervisor", "server"])
def test_nothing_outlives_a_run_that_lost_its_supervisor_or_server(accidents: Accidents, victim: str) -> None:
    """Neither a role nor the server stays behind, to work beside the next run or to hold its data directory."""
    seen = accidents.of_run(victim)
    assert [] == seen.orphans
    assert LONGEST_SECONDS > seen.seconds


@pytest.mark.parametrize("victim", ["supervisor", "server"])
def test_the_next_run_delivers_what_a_broken_one_left(accidents: Accidents, victim: str) -> None:
    """`--once` is over only when older batches, too, are confirmed."""
    seen = accidents.of_run(victim)
    assert 0 == seen.again.exit_code, seen.again.text
    assert set() == seen.lost
    assert MOST_REPEATED >= seen.repeated
    assert f"{len(seen.messages)} delivered" in seen.again.out.splitlines()[-1]


def test_a_run_whose_server_died_says_so(accidents: Accidents) -> None:
    """Exit code 3, and where to read why."""
    seen = accidents.server.result()
    assert 3 == seen.first.exit_code
    assert "cwpipe: the embedded server ended, exit code -9: see " in seen.first.err
    assert "Traceback" not in seen.first.err


def test_a_role_that_cannot_start_is_tried_again_and_leaves_the_others_alone(accidents: Accidents) -> None:
    """Between two attempts pass 2 s at most; as soon as it can start, the events that waited are delivered."""
    seen = accidents.unable.result()
    assert 2 <= seen.roles
    assert 10 > seen.seconds
    assert (set(), 0) == (seen.lost, seen.repeated)
    assert "cannot listen on" in seen.first.err
    assert not [word for word in seen.first.err.split() if word.startswith("in_seconds=") and float(word[11:]) > 2]
    assert 0 == seen.first.exit_code


def _evidence(host: Host, group: str, messages: list[str]) -> Evidence:
    host.wait_delivered(group, messages)
    soon(lambda: not host.status()["in_flight"], "all confirmed")
    (books,) = (one["books"] for one in host.status()["groups"] if group == one["log_group"])
    return Evidence(messages, host.delivered(group), books)


def _whole_run_killed(host: Host, victim: Callable[[int], int]) -> Evidence:
    host.configure("/app/shop")
    host.receiver.pause()
    messages = numbered(2_000)
    host.put("/app/shop", messages)
    run = host.start("--once")
    soon(lambda: "fetcher stopped" in run.err, "everything read")
    soon(lambda: "waiting for the receiver" in run.err, "the forwarder has a batch in its hands")
    started = descendants(run.pid)
    Process.of(victim(run.pid)).kill()
    killed_at = monotonic()
    first = run.wait()
    try:
        eventually(lambda: not any(process.lives() for process in started), LONGEST_SECONDS, "all are gone")
    finally:
        seconds = monotonic() - killed_at
        orphans = [process for process in started if process.lives()]
    host.receiver.resume()
    again = host.run_once()
    return Evidence(messages, host.delivered("/app/shop"), orphans=orphans, first=first, again=again, seconds=seconds)


def _take_second_of_two_ports() -> tuple[int, socket.socket]:
    """Return a port that is free, and a socket that listens on the one after it."""
    while True:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
            taken = socket.socket()
            try:
                taken.bind(("127.0.0.1", port + 1))
            except OSError:
                taken.close()
                continue
            taken.listen()
            return port, taken
