"""Level `agent`, against an agent that drops what it has no room for: nothing is lost at a pace that it can keep."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog

from services.forwarder import agent as agent_sink
from services.forwarder import level
from services.forwarder.sink import Sink
from services.operator import status
from shared import codec, keys
from shared.messages import DeadLetter
from shared.settings.model import Wazuh
from tests.eventually import eventually
from tests.receiver import Receiver
from tests.standins.agent import MAX_SENT, PREFIX, Agent
from tests.standins.analysisd import Analysisd
from tests.unit.forwarder.at_work import AtWork
from tests.unit.forwarder.factories import account, an_enriched_batch, put

HEADER = b"1:Wazuh-AWS|:eu-west-1|:/app|:web:line %d"


def sink_of(client: redis.Redis, path: Path, **wazuh: Any) -> Sink:
    """Return the sink that the settings ask for."""
    return level.sink(Wazuh(**{"queue_socket": str(path), "confirm": "agent", **wazuh}), client)


def lines(count: int) -> tuple[bytes, ...]:
    return tuple(HEADER % number for number in range(count))


def work_on(client: redis.Redis, agent: Agent, sent: tuple[bytes, ...], **wazuh: Any) -> AtWork:
    """Return a forwarder that has a batch of these datagrams in hand."""
    batch = an_enriched_batch(sent=sent)
    put(client, batch)
    return AtWork(client, agent.path, batch, sink=sink_of(client, agent.path, **wazuh))


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state file is looked at as often as these agents write it."""
    monkeypatch.setattr(agent_sink, "LOOK_SECONDS", 0.05)


def test_an_agent_that_is_flooded_drops_events_and_nobody_is_told(client: redis.Redis, tmp_path: Path) -> None:
    """What level `read` does to it: every event counts as delivered, and is not."""
    with Agent(tmp_path, queue_size=1_000) as agent, work_on(client, agent, lines(2_000), confirm="read") as work:
        work.join()
        dropped = agent.dropped

    assert 2_000 == account(client).delivered
    assert 0 < dropped


@pytest.mark.parametrize("confirm", ["agent", "processed"])
def test_a_backlog_at_the_default_pace_loses_nothing(client: redis.Redis, tmp_path: Path, confirm: str) -> None:
    """Twice its buffer, beside what it collects itself. Level `processed` finds that it is an agent."""
    over = threading.Event()

    def collect() -> None:
        while not over.wait(0.05):
            agent.collect(5)

    with Agent(tmp_path, queue_size=1_000) as agent:
        own = threading.Thread(target=collect)
        own.start()
        stats_socket = str(agent.path.with_name("analysis"))
        with work_on(client, agent, lines(2_000), confirm=confirm, stats_socket=stats_socket) as work:
            work.join(60)
        over.set()
        own.join()
        eventually(lambda: len(agent.ours()) == 2_000, what="all to arrive at the manager")

    assert list(lines(2_000)) == agent.ours()
    assert 0 == agent.dropped
    assert (2_000, 0) == (account(client).delivered, account(client).sent_again)


def test_what_arrives_names_agent_and_origin(client: redis.Redis, tmp_path: Path) -> None:
    """The manager puts the agent before the location and leaves its escapes alone."""
    with Agent(tmp_path) as agent, work_on(client, agent, lines(1)) as work:
        work.join()
        eventually(lambda: agent.arrived)

    assert [b"1:" + PREFIX + b"Wazuh-AWS|:eu-west-1|:/app|:web:line 0"] == agent.arrived


@pytest.mark.usefixtures("_often")
def test_an_agent_whose_buffer_fills_is_sent_nothing_more(client: redis.Redis, tmp_path: Path) -> None:
    """Its manager takes nothing, and it reads on: only its state tells."""
    with Agent(tmp_path, queue_size=1_000, state_seconds=0.1, events_per_second=5_000) as agent:
        agent.stall()
        forwarding = work_on(client, agent, lines(3_000), max_events_per_second=1_000)
        with structlog.testing.capture_logs() as logs, forwarding as work:
            eventually(lambda: logs, what="a word about the wait")
            held = account(client).delivered
            agent.go_on()
            work.join(60)
        eventually(lambda: len(agent.ours()) == 3_000, what="all to arrive at the manager")

    assert held < 1_000
    assert "events in its buffer" in logs[0]["why"]
    assert 0 == agent.dropped
    assert agent.fullest < 1_000
    assert 0 == account(client).sent_again


def test_an_agent_that_is_cut_off_is_sent_nothing_until_it_is_back(client: redis.Redis, tmp_path: Path) -> None:
    """One of Wazuh 5 reads on meanwhile, and drops."""
    with Agent(tmp_path) as agent:
        agent.disconnect()
        with structlog.testing.capture_logs() as logs, work_on(client, agent, lines(100)) as work:
            eventually(lambda: logs, what="a word about the wait")
            before = account(client).delivered, agent.arrived[:]
            agent.reconnect()
            work.join()
        eventually(lambda: len(agent.arrived) == 100)

    assert (0, []) == before
    assert f"the agent at {agent.path} cannot reach its manager" == logs[0]["why"]
    assert list(lines(100)) == agent.ours()


def test_an_agent_that_says_it_is_not_connected_is_waited_for(client: redis.Redis, tmp_path: Path) -> None:
    """Before it has put up its sign, or where that cannot be seen."""
    with Agent(tmp_path) as agent:
        agent.disconnect()
        agent.path.with_name(".wait").unlink()
        with structlog.testing.capture_logs() as logs, work_on(client, agent, lines(10)) as work:
            eventually(lambda: logs, what="a word about the wait")
            agent.reconnect()
            work.join()

    assert "is not connected to its manager" in logs[0]["why"]


def test_what_is_too_long_for_an_agent_becomes_a_dead_letter(client: redis.Redis, tmp_path: Path) -> None:
    """It would drop it, or its manager would cut it, and neither would say so. What may be that long arrives whole."""
    longest = HEADER % 1 + b"x" * (65_280 - len(HEADER % 1))
    sent = (HEADER % 0, longest, longest + b"x", b"1:x:" + b"y" * MAX_SENT, HEADER % 4)
    with Agent(tmp_path) as agent, work_on(client, agent, sent) as work:
        work.join()
        eventually(lambda: len(agent.arrived) == 3)
    rows: dict[bytes, bytes] = client.hgetall(keys.DEAD_LETTERS)  # type: ignore[assignment]  # sync, not async
    letters = [codec.decode(DeadLetter, data) for data in rows.values()]

    assert [sent[0], sent[1], sent[4]] == agent.ours()
    assert 0 == agent.dropped
    assert {sent[2], sent[3]} == {letter.payload for letter in letters}
    assert all("too long for an agent" in letter.reason for letter in letters)
    assert (3, 2, 0) == (account(client).delivered, account(client).dead_lettered, account(client).in_flight)


@pytest.mark.usefixtures("_often")
def test_what_an_agent_lost_is_said_where_its_counters_show_it(client: redis.Redis, tmp_path: Path) -> None:
    """A rate that it cannot keep, and a buffer with no room."""
    with Agent(tmp_path, queue_size=100, events_per_second=100, state_seconds=0.2) as agent:
        forwarding = work_on(client, agent, lines(1_500), max_events_per_second=1_000)
        with structlog.testing.capture_logs() as logs, forwarding as work:
            work.join()
        dropped = agent.dropped
    said = [line for line in logs if "the agent lost events" in line["event"]]

    assert 0 < sum(line["events"] for line in said) <= dropped


def test_an_agent_of_wazuh_5_is_spared_by_the_byte(
    client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its buffer counts bytes, and nothing tells how full it is."""
    monkeypatch.setattr(agent_sink, "BYTES_PER_SECOND", 1)
    with Receiver(tmp_path / "queue") as receiver, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as answers:
        answers.bind(str(tmp_path / "agent"))
        batch = an_enriched_batch(sent=tuple(b"1:x:%d " % number + b"z" * 60_000 for number in range(20)))
        put(client, batch)
        with AtWork(client, receiver.path, batch, sink=sink_of(client, receiver.path)) as work:
            eventually(lambda: receiver.datagrams)
            work.wait_for_beats(20)
            sent = len(receiver.datagrams)
            monkeypatch.setattr(agent_sink, "BYTES_PER_SECOND", 10**9)
            work.join()

    assert 1 <= sent <= agent_sink.BYTES_AT_ONCE // 60_000
    assert list(batch.datagrams) == receiver.datagrams


def test_an_agent_that_comes_after_the_level_was_chosen_is_spared_from_then_on(
    client: redis.Redis, tmp_path: Path
) -> None:
    """A socket that was nobody's, as it seemed, turns out to be an agent's."""
    path = tmp_path / "queue" / "sockets" / "queue"
    path.parent.mkdir(parents=True)
    with Receiver(path), structlog.testing.capture_logs() as logs:
        sink = sink_of(client, path, confirm="processed", stats_socket="")
        sink.connect()
        sink.send([HEADER % 0], 0, 1)
        eventually(lambda: sink.confirm(wait=False), what="confirmation")
        state = tmp_path / "var" / "run" / "wazuh-agentd.state"
        state.parent.mkdir(parents=True)
        state.write_text("status='connected'\n")
        sink.connect()
        sink.close()

    assert ["no stats socket: events", "no manager's socket but"] == [line["event"][:23] for line in logs]


@pytest.mark.parametrize("confirm", ["read", "sent", "agent"])
def test_the_level_in_force_is_what_status_shows(client: redis.Redis, tmp_path: Path, confirm: str) -> None:
    with Agent(tmp_path) as agent, work_on(client, agent, lines(3), confirm=confirm) as work:
        work.join()

    assert [(confirm, str(agent.path))] == [(said.level, said.receiver) for said in status.read(client, 0.0).levels]


def test_the_level_in_force_is_not_always_the_one_asked_for(client: redis.Redis, tmp_path: Path) -> None:
    """`processed` of a manager, of an agent, and of what has no statistics."""
    found = {}
    with Agent(tmp_path / "a") as agent:
        with work_on(client, agent, lines(3), confirm="processed") as work:
            work.join()
        found["agent"] = [said.level for said in status.read(client, 0.0).levels]
    client.flushall()
    (tmp_path / "m").mkdir()
    with Analysisd(tmp_path / "m") as manager:
        batch = an_enriched_batch(3)
        put(client, batch)
        sink = sink_of(client, manager.path, confirm="processed", stats_socket=str(manager.stats_path))
        with AtWork(client, manager.path, batch, sink=sink) as work:
            work.join()
        found["manager"] = [said.level for said in status.read(client, 0.0).levels]

    assert {"agent": ["agent"], "manager": ["processed"]} == found
