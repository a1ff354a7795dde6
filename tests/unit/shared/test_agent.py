"""What is read of an agent's state file, and what follows from it."""

import os
import socket
import time
from pathlib import Path

import pytest

from shared import agent
from shared.agent import State

#: As an agent of Wazuh 4.14 writes it.
FILE = """# State file for wazuh-agentd

# Agent status:
# - pending:      waiting to get connected.
# - connected:    connection established with manager in the last 10 seconds.
# - disconnected: connection lost or no ACK received in the last 60 seconds.
status='connected'

# Last time a keepalive was sent
last_keepalive='2026-01-01 10:00:00'

# Last time a control message was received
last_ack='2026-01-01 10:00:01'

# Number of generated events
msg_count='4711'

# Number of messages (events + control messages) sent to the manager
msg_sent='4242'

# Number of events currently buffered
# Empty if anti-flooding mechanism is disabled
msg_buffer='17'
"""


def at(read: int, sent: int, buffered: int | None) -> State:
    return State(status="connected", read=read, sent=sent, buffered=buffered)


def placed(directory: Path, text: str = FILE) -> str:
    """Return the path of the queue socket of an agent with this state file."""
    path = directory / "var" / "run" / "wazuh-agentd.state"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    (directory / "queue" / "sockets").mkdir(parents=True)
    return str(directory / "queue" / "sockets" / "queue")


def test_a_state_file_is_read() -> None:
    assert State(status="connected", read=4711, sent=4242, buffered=17) == agent.parse(FILE)


@pytest.mark.parametrize("text", ["", "=", "status", "msg_buffer='-1'\nmsg_count='x'", "\0\xff=\n#status='connected'"])
def test_what_cannot_be_read_is_not_said(text: str) -> None:
    """One of another version, or none at all."""
    assert State(status="") == agent.parse(text)


def test_a_buffer_that_is_turned_off_or_of_wazuh_5_has_no_number() -> None:
    assert agent.parse(FILE.replace("'17'", "''")).buffered is None


def test_the_state_is_found_from_the_queue_socket_and_forgotten_when_it_is_old(tmp_path: Path) -> None:
    """An agent may be told to write none, and leave the last one behind."""
    path = placed(tmp_path)
    assert agent.is_agent(path)
    assert agent.parse(FILE) == agent.state(path)

    long_ago = time.time() - 120
    os.utime(tmp_path / "var" / "run" / "wazuh-agentd.state", (long_ago, long_ago))
    assert agent.state(path) is None
    assert agent.is_agent(path)


def test_what_is_beside_no_agent_is_none(tmp_path: Path) -> None:
    """Not even the directories are there."""
    path = str(tmp_path / "somewhere" / "queue")
    assert (False, False, None) == (agent.is_agent(path), agent.is_cut_off(path), agent.state(path))
    assert "" == agent.trouble(path, None)


def test_an_agent_of_wazuh_5_is_known_by_its_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as answers:
        answers.bind(str(tmp_path / "agent"))
        assert agent.is_agent(str(tmp_path / "queue"))


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (None, ""),
        (at(9_000, 9_000, 0), ""),
        (at(9_000, 9_000, agent.CROWDED_EVENTS), ""),
        (at(9_000, 9_000, None), ""),
        (at(9_000, 8_000, 1_000), "the agent at {} has 1,000 events in its buffer, which it has to send on first"),
        (State(status="pending"), "the agent at {} is not connected to its manager"),
        (State(status="disconnected"), "the agent at {} is not connected to its manager"),
        (State(status="something new"), ""),
    ],
)
def test_what_speaks_against_sending(tmp_path: Path, state: State | None, why: str) -> None:
    path = placed(tmp_path)
    assert why.format(path) == agent.trouble(path, state)

    Path(path).with_name(".wait").touch()
    assert f"the agent at {path} cannot reach its manager" == agent.trouble(path, state)


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        (at(100, 100, 0), at(200, 200, 0), 0),
        (at(100, 100, 0), at(200, 150, 50), 0),
        (at(200, 150, 50), at(200, 200, 0), 0),
        (at(100, 100, 0), at(1_000, 150, 50), 800),
        (at(100, 100, 0), at(100, 103, 0), 0),  # it sent messages of its own
        (at(5_000, 5_000, 0), at(10, 3, 0), 0),  # it was restarted
        (at(100, 100, None), at(5_000, 100, None), 0),  # it does not say
    ],
)
def test_what_an_agent_lost_is_what_it_read_and_neither_holds_nor_sent(before: State, after: State, lost: int) -> None:
    assert lost == agent.lost(before, after)
