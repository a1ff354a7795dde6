"""What is said of a receiver that cannot be reached: the reason, and what to do."""

import errno
import os
import socket
from pathlib import Path

import pytest

from shared import receiver
from shared.errors import Unreachable
from tests.receiver import Receiver

PATH = "/var/ossec/queue/sockets/queue"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOENT, "there is no socket at {}: start Wazuh, or correct wazuh.queue_socket"),
        (errno.ENOTDIR, "there is no socket at {}: start Wazuh, or correct wazuh.queue_socket"),
        (errno.EACCES, "no permission to send to {}: run as a member of the group that owns it (this process: uid "),
        (errno.EPERM, "no permission to send to {}: run as a member of the group that owns it (this process: uid "),
        (errno.ENOTSOCK, "{} is not a socket: correct wazuh.queue_socket"),
        (errno.EPROTOTYPE, "{} is no datagram socket: correct wazuh.queue_socket"),
        (errno.ECONNREFUSED, "nobody reads from {}: analysisd is stopped or restarting"),
        (errno.ENOTCONN, "nobody reads from {}: analysisd is stopped or restarting"),
        (errno.ECONNRESET, "nobody reads from {}: analysisd is stopped or restarting"),
        (errno.EPIPE, "nobody reads from {}: analysisd is stopped or restarting"),
        (errno.ELOOP, "cannot send to {}: Too many levels of symbolic links"),
        (errno.ENAMETOOLONG, "cannot send to {}: File name too long"),
    ],
    ids=lambda value: errno.errorcode.get(value, "") if isinstance(value, int) else "",
)
def test_each_error_says_what_to_do(number: int, expected: str) -> None:
    """It is the line an operator acts on, in `check` and in the forwarder's log."""
    said = receiver.explain(PATH, OSError(number, os.strerror(number)))

    assert said.startswith(expected.format(PATH))
    assert "\n" not in said


def test_an_error_without_a_number_is_explained_too() -> None:
    """Python itself refuses an address that does not fit into a socket's, without an errno."""
    assert f"cannot send to {PATH}: AF_UNIX path too long" == receiver.explain(PATH, OSError("AF_UNIX path too long"))


def test_who_lacks_the_permission_is_named() -> None:
    """Which group to add to whom is half the way to the remedy."""
    said = receiver.explain(PATH, PermissionError(errno.EACCES, "Permission denied"))

    assert f"uid {os.geteuid()}" in said
    assert str(os.getegid()) in said


def test_a_socket_bound_anew_is_another_socket(receiver: Receiver) -> None:
    """The forwarder must notice it while the one it replaces lives on."""
    from shared.receiver import identity

    first = identity(str(receiver.path))
    with Receiver(receiver.path.with_name("other")) as other:
        other.path.rename(receiver.path)

        assert first != identity(str(receiver.path))


def test_a_regular_file_is_no_receiver(tmp_path: Path) -> None:
    """A configuration that names a log file, say."""
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(Unreachable, match="is not a socket"):
        receiver.wait_for(str(file), seconds=5)


def test_a_stream_socket_is_no_receiver(tmp_path: Path) -> None:
    """queue/sockets holds many; only one of them takes events."""
    path = str(tmp_path / "stream")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()

        with pytest.raises(Unreachable, match="is no datagram socket"):
            receiver.wait_for(path, seconds=5)


def test_a_receiver_that_is_there_is_not_waited_for(receiver: Receiver) -> None:
    """It answers by being bound: nothing is sent."""
    from shared.receiver import wait_for

    wait_for(str(receiver.path), seconds=0)

    assert 0 == receiver.probes


def test_one_that_never_comes_is_given_up(tmp_path: Path) -> None:
    """A `--once` ends with exit code 3 instead of waiting for ever."""
    with pytest.raises(Unreachable, match="there is no socket at") as raised:
        receiver.wait_for(str(tmp_path / "nobody"), seconds=0.05)

    assert 3 == raised.value.exit_code
