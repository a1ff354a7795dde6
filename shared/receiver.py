"""Whether a receiver's socket is there and may be used: what `check` and the start of a `--once` want to know."""

import errno
import os
import socket
import stat
from pathlib import Path
from time import monotonic, sleep

from shared.errors import Unreachable

_RESTARTING = {errno.ENOENT, errno.ECONNREFUSED}


def explain(path: str, error: OSError) -> str:
    """Return in one line why a datagram cannot be sent to the socket at `path`, and what to do."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return f"there is no socket at {path}: start Wazuh, or correct wazuh.queue_socket"
        case errno.EACCES | errno.EPERM:
            return (
                f"no permission to send to {path}: run as a member of the group that owns it "
                f"(this process: uid {os.geteuid()}, gids {sorted({os.getegid(), *os.getgroups()})})"
            )
        case errno.ENOTSOCK:
            return f"{path} is not a socket: correct wazuh.queue_socket"
        case errno.EPROTOTYPE:
            return f"{path} is no datagram socket: correct wazuh.queue_socket"
        case errno.ECONNREFUSED | errno.ENOTCONN | errno.ECONNRESET | errno.EPIPE:
            return f"nobody reads from {path}: analysisd is stopped or restarting"
        case _:
            return f"cannot send to {path}: {error.strerror or error}"


def identity(path: str) -> tuple[int, int]:
    """Return device and inode of the socket at `path`: they change when it is bound anew. Raises OSError."""
    found = Path(path).stat()
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
    return found.st_dev, found.st_ino


def has_stats(path: str) -> bool:
    """Say whether there is a stats socket at `path`; empty: there is none."""
    try:
        return bool(path) and stat.S_ISSOCK(Path(path).stat().st_mode)
    except OSError:
        return False


def missing_stats(path: str) -> str:
    """Return why the stats socket at `path` cannot be asked, and what to do; "" when it can."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2.0)
            connection.connect(path)
    except OSError as error:
        if error.errno == errno.EPROTOTYPE:
            return f"{path} is no stream socket: correct wazuh.stats_socket"
        return explain(path, error).replace("queue_socket", "stats_socket").replace("send to", "ask")
    return ""


def connect(path: str) -> socket.socket:
    """Return a blocking datagram socket connected to `path`. Raises OSError."""
    identity(path)
    fresh = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        fresh.connect(path)
    except OSError:
        fresh.close()
        raise
    return fresh


def missing(path: str) -> str:
    """Return why no datagram can be sent to `path` now, and what to do; "" when one can."""
    try:
        connect(path).close()
    except OSError as error:
        return explain(path, error)
    return ""


def wait_for(path: str, seconds: float) -> None:
    """Return when there is a receiver at `path`; blocks for at most `seconds`, in case it is just starting.

    Raises Unreachable with what to do about it.
    """
    deadline = monotonic() + seconds
    while True:
        try:
            connect(path).close()
        except OSError as error:
            if error.errno not in _RESTARTING or monotonic() > deadline:
                raise Unreachable(explain(path, error)) from None
            sleep(0.1)
        else:
            return
