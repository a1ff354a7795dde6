"""A Wazuh agent's queue socket, and what can be seen of the agent beside it: whether it is connected, and how full it is.

An agent keeps what it reads in a buffer of its own and sends it on at a rate of its own. What finds the buffer full it
drops without a word, so whoever sends to it has to look. All paths follow from that of its queue socket.
"""

import stat
from pathlib import Path
from time import time

from msgspec import Struct

#: An agent of Wazuh 4 drops what is longer than 65,408 bytes, saying so once an hour. Its manager puts
#: `[id] (name) address->` before the location, 200 bytes at worst, and cuts what is then longer than 65,535.
MAX_DATAGRAM_BYTES = 65_280
#: Half of what an agent sends on by default: the other half is for what it collects itself.
EVENTS_PER_SECOND = 250
#: With more events than these in its buffer it does not get on: a second's worth of ours.
CROWDED_EVENTS = EVENTS_PER_SECOND
#: An agent writes its state every 5 s. A file this old is of one that stopped, or was told not to write any.
STALE_SECONDS = 30.0
#: A state file has some 600 bytes.
MAX_STATE_BYTES = 64 * 1024
#: Of a counter of 64 bits.
MAX_DIGITS = 20


class State(Struct, frozen=True, kw_only=True):
    """What an agent says of itself in its state file."""

    status: str
    """`connected`, `pending` or `disconnected`; empty: it does not say."""
    read: int = 0
    """Events read since its start, those included that it dropped."""
    sent: int = 0
    """Messages sent to its manager since its start, those of its own making included."""
    buffered: int | None = None
    """Events in its buffer. None: it has none, or is of Wazuh 5 and does not say."""


def is_agent(queue_socket: str) -> bool:
    """Say whether it is an agent whose queue socket this is, as far as can be seen from here."""
    return _state_file(queue_socket).is_file() or is_agent_5(queue_socket)


def is_agent_5(queue_socket: str) -> bool:
    """Say whether there is the socket that an agent of Wazuh 5 answers on."""
    try:
        return stat.S_ISSOCK(Path(queue_socket).with_name("agent").stat().st_mode)
    except OSError:
        return False


def is_cut_off(queue_socket: str) -> bool:
    """Say whether the agent has put up its sign that it cannot reach its manager."""
    try:
        return Path(queue_socket).with_name(".wait").exists()
    except OSError:
        return False


def state(queue_socket: str) -> State | None:
    """Return what the agent last wrote. None: nothing lately, or nothing that can be read from here."""
    path = _state_file(queue_socket)
    try:
        if time() - path.stat().st_mtime > STALE_SECONDS:
            return None
        with path.open("rb") as file:
            return parse(file.read(MAX_STATE_BYTES).decode("utf-8", "replace"))
    except OSError:
        return None


def parse(text: str) -> State:
    """Return what a state file says: lines of `name='value'`, and comments. What is missing in it counts as not said."""
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    values = {name: value.strip().strip("'") for name, value in said.items()}
    numbers = {name: int(value) for name, value in values.items() if value.isdecimal() and len(value) <= MAX_DIGITS}
    return State(
        status=values.get("status", ""),
        read=numbers.get("msg_count", 0),
        sent=numbers.get("msg_sent", 0),
        buffered=numbers.get("msg_buffer"),
    )


def trouble(queue_socket: str, now: State | None) -> str:
    """Return why nothing should be sent to the agent now; "" when something may be, or nothing is known against it."""
    return unconnected(queue_socket, now) or crowded(queue_socket, now)


def unconnected(queue_socket: str, now: State | None) -> str:
    """Return what shows that the agent has no connection to its manager; "" when nothing does."""
    if is_cut_off(queue_socket):
        return f"the agent at {queue_socket} cannot reach its manager"
    if now is not None and now.status in {"pending", "disconnected"}:
        return f"the agent at {queue_socket} is not connected to its manager"
    return ""


def crowded(queue_socket: str, now: State | None) -> str:
    """Return what shows that the agent has more than it gets rid of; "" when nothing does."""
    if now is not None and (now.buffered or 0) > CROWDED_EVENTS:
        return f"the agent at {queue_socket} has {now.buffered:,} events in its buffer, which it has to send on first"
    return ""


def lost(before: State, after: State) -> int:
    """Return how many events the agent lost between two states at least, ours or others'; 0 where that cannot be told.

    What it read and neither holds nor sent is lost. Messages of its own count as sent, and hide as many.
    """
    if before.buffered is None or after.buffered is None or after.read < before.read or after.sent < before.sent:
        return 0
    held = after.buffered - before.buffered
    return max(0, (after.read - before.read) - (after.sent - before.sent) - held)


def _state_file(queue_socket: str) -> Path:
    """Return the path of the state file: the directory of an agent has `queue/sockets/queue` and `var/run`."""
    return Path(queue_socket).parent.parent.parent / "var" / "run" / "wazuh-agentd.state"
