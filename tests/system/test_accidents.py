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
from typing import Any

import pytest

from tests.eventually import eventually
from tests.standins.cloudwatch_contents import Paging
from tests.system.command import Done, Process, child, children, descendants
from tests.system.host import Host, NewHost, numbered, soon

#: What a killed forwarder may have sent and not yet noted.
MOST_REPEATED = 1_000
#: What is left alone goes within this.
LONGEST_SECONDS = 15

#: That run is asked for in another file; begun here, it does its waiting beside these.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unreachable")]


@dataclass
class Evidence:
    """What was seen of one accident."""

    messages: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
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


Scenario = Callable[[Host], Evidence]


@pytest.fixture(scope="module")
def accidents(new_host: NewHost) -> Iterator[dict[Scenario, Future[Evidence]]]:
    def on_a_host(scenario: Scenario) -> Evidence:
        with new_host(scenario.__name__) as host:
            return scenario(host)

    scenarios = (
        fetcher_killed,
        normalizer_killed,
        forwarder_killed,
        supervisor_killed,
        server_killed,
        role_that_cannot_start,
    )
    with ThreadPoolExecutor(len(scenarios)) as pool:
        yield {scenario: pool.submit(on_a_host, scenario) for scenario in scenarios}


def fetcher_killed(host: Host) -> Evidence:
    """Kill it between two pages of a slice."""
    host.configure("/app/shop")
    host.aws.paging = Paging(page_events=100)
    host.aws.delay("FilterLogEvents", 0.02)
    messages = numbered(4_000)
    host.put("/app/shop", messages)
    run = host.start()
    soon(lambda: host.aws.call_count("FilterLogEvents") > 10, "ten pages read")
    child(run.pid, "fetcher").kill()
    return _evidence(host, "/app/shop", messages)


def normalizer_killed(host: Host) -> Evidence:
    """Kill it when a batch has been given to it and it has not yet said so."""
    host.configure("/app/shop")
    host.aws.create_group("us-east-1", "/app/shop")
    run = host.start()
    soon(lambda: "queue=raw" in run.err, "the normalizer is ready")
    normalizer = child(run.pid, "normalizer")
    normalizer.stop()
    messages = numbered(1_000)
    host.put("/app/shop", messages)
    polled = host.aws.call_count("FilterLogEvents")
    soon(lambda: host.aws.call_count("FilterLogEvents") > polled + 2, "a whole poll read and committed")
    normalizer.kill()
    return _evidence(host, "/app/shop", messages)


def forwarder_killed(host: Host) -> Evidence:
    """Kill it with datagrams sent and not confirmed, when many were confirmed and many are still to be sent."""
    host.configure("/app/shop")
    messages = numbered(9_000)
    host.put("/app/shop", messages)
    run = host.start()
    soon(lambda: len(host.receiver.datagrams) > 2_500, "more than two windows delivered")
    host.receiver.pause()
    child(run.pid, "forwarder").kill()
    host.receiver.resume()
    return _evidence(host, "/app/shop", messages)


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


@pytest.mark.parametrize("scenario", [fetcher_killed, normalizer_killed, forwarder_killed])
def test_a_killed_role_loses_no_event(accidents: dict[Scenario, Future[Evidence]], scenario: Scenario) -> None:
    """The supervisor starts it again, and what it held is handed out again."""
    seen = accidents[scenario].result()
    assert set() == seen.lost
    assert set() == seen.made_up


@pytest.mark.parametrize("scenario", [fetcher_killed, normalizer_killed])
def test_a_killed_fetcher_or_normalizer_repeats_nothing(
    accidents: dict[Scenario, Future[Evidence]], scenario: Scenario
) -> None:
    """What they did is committed together with the place to go on from, or not at all."""
    assert 0 == accidents[scenario].result().repeated


def test_a_killed_forwarder_repeats_at_most_one_window(accidents: dict[Scenario, Future[Evidence]]) -> None:
    """Confirmed offsets are noted window by window; the books own up to what may have come twice."""
    seen = accidents[forwarder_killed].result()
    assert MOST_REPEATED >= seen.repeated
    assert seen.repeated <= seen.status["total"]["sent_again"] <= MOST_REPEATED


@pytest.mark.parametrize("scenario", [fetcher_killed, normalizer_killed, forwarder_killed])
def test_the_books_balance_after_a_kill(accidents: dict[Scenario, Future[Evidence]], scenario: Scenario) -> None:
    """Events are counted in the same transaction as the work, so no kill can come between."""
    seen = accidents[scenario].result()
    assert 0 == seen.status["in_flight"]
    assert len(seen.messages) == seen.status["total"]["delivered"]
    assert 0 == seen.status["dead_letters"]


@pytest.mark.parametrize("scenario", [supervisor_killed, server_killed])
def test_nothing_outlives_a_run_that_lost_its_supervisor_or_server(
    accidents: dict[Scenario, Future[Evidence]], scenario: Scenario
) -> None:
    """Neither a role nor the server stays behind, to work beside the next run or to hold its data directory."""
    seen = accidents[scenario].result()
    assert [] == seen.orphans
    assert LONGEST_SECONDS > seen.seconds


@pytest.mark.parametrize("scenario", [supervisor_killed, server_killed])
def test_the_next_run_delivers_what_a_broken_one_left(
    accidents: dict[Scenario, Future[Evidence]], scenario: Scenario
) -> None:
    """`--once` is over only when older batches, too, are confirmed; nothing is read from AWS twice for it."""
    seen = accidents[scenario].result()
    assert 0 == seen.again.exit_code, seen.again.text
    assert set() == seen.lost
    assert MOST_REPEATED >= seen.repeated
    assert f"{len(seen.messages)} delivered" in seen.again.out.splitlines()[-1]


def test_a_run_whose_server_died_says_so(accidents: dict[Scenario, Future[Evidence]]) -> None:
    """Exit code 3, and where to read why."""
    seen = accidents[server_killed].result()
    assert 3 == seen.first.exit_code
    assert "cwpipe: the embedded server ended, exit code -9: see " in seen.first.err
    assert "Traceback" not in seen.first.err


def test_a_role_that_cannot_start_is_tried_again_and_leaves_the_others_alone(
    accidents: dict[Scenario, Future[Evidence]],
) -> None:
    """Between two attempts pass 2 s at most; as soon as it can start, the events that waited are delivered."""
    seen = accidents[role_that_cannot_start].result()
    assert 2 <= seen.roles
    assert 10 > seen.seconds
    assert (set(), 0) == (seen.lost, seen.repeated)
    assert "cannot listen on" in seen.first.err
    assert not [word for word in seen.first.err.split() if word.startswith("in_seconds=") and float(word[11:]) > 2]
    assert 0 == seen.first.exit_code


def _evidence(host: Host, group: str, messages: list[str]) -> Evidence:
    host.wait_delivered(group, messages)
    soon(lambda: not host.status()["in_flight"], "all confirmed")
    return Evidence(messages, host.delivered(group), host.status())


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
