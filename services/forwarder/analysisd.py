"""The sink: one connected UNIX datagram socket to analysisd, and what the kernel tells about what was sent on it.

Facts this rests on (measured on Linux 6.18 with the analysisd of Wazuh 4.14.7):

- SIOCOUTQ on the sender counts its datagrams that the receiver has not read, and is 0 exactly when all were read;
- it also becomes 0 when a receiver dies with them unread. A datagram sent afterwards then fails, so a zero-length one
  that gets through, and is read in its turn, proves that the receiver which had the others still lives;
- analysisd ignores a zero-length datagram: no event, no error, no counter;
- a restarted analysisd binds a new socket at the same path, while sends on the old connection are refused.
"""

import contextlib
import errno
import fcntl
import socket
import struct
import termios
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Literal

from services.forwarder.sink import SinkBusy, SinkUnavailable, Undeliverable
from shared import receiver

#: One call to `send` ends after so much time, so that the caller can give a sign of life.
SENDING_SECONDS = 1.0
#: Nor is anything left unconfirmed for much longer, however slowly a window fills.
CONFIRM_SECONDS = 1.0
#: A send that finds the receiver's queue full returns after this, so that a stop or a doubt is noticed.
SEND_TIMEOUT_SECONDS = 0.25
#: An event of 65,535 bytes has to fit; the kernel grants what net.core.wmem_max allows.
SEND_BUFFER_BYTES = 1024 * 1024
_TOO_LONG = errno.EMSGSIZE
_FULL = {errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM}


class Analysisd:
    """The sink of the levels `read` and `sent`. Not safe between threads; no method blocks for much longer than a second."""

    def __init__(self, path: str, confirm: Literal["read", "sent"]) -> None:
        self.path = path
        self._confirm = confirm
        self._socket: socket.socket | None = None
        self._identity = (0, 0)
        self._unconfirmed = 0
        self._confirmed_at = monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether all that was sent is confirmed."""
        return not self._unconfirmed

    def connect(self) -> None:
        """Be connected to whatever is bound at the path now, once all that was sent is confirmed. Raises SinkUnavailable."""
        if self._unconfirmed:
            return  # what a receiver had when we turned from it could not be confirmed any more
        try:
            identity = receiver.identity(self.path)
            if self._socket is not None and identity == self._identity:
                return
            self.close()
            fresh = receiver.connect(self.path)
        except OSError as error:
            self.close()
            raise SinkUnavailable(receiver.explain(self.path, error)) from None
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        # A blocking socket with the kernel's own time limit: one system call a datagram, where Python's takes two.
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, int(SEND_TIMEOUT_SECONDS * 1e6)))
        self._socket, self._identity = fresh, identity

    def close(self) -> None:
        """Let go of the connection. What was sent and not yet read stays with the receiver."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._unconfirmed = 0

    def send(self, datagrams: Sequence[bytes], start: int, limit: int) -> int:
        """Send at most `limit` from index `start` on; return the index after the last one sent.

        Raises SinkBusy when the receiver's queue is full and nothing could be sent, SinkUnavailable when the receiver
        is gone, and Undeliverable for a datagram that is too long for this machine.
        """
        assert self._socket is not None, "connect() comes first"
        send = self._socket.send
        at, end, until = start, min(start + limit, len(datagrams)), monotonic() + SENDING_SECONDS
        try:
            while at < end:
                send(datagrams[at])
                at += 1
                if monotonic() > until:  # looked at each time: every send may take as long as its time limit
                    break
        except OSError as error:
            if at == start:
                if error.errno == _TOO_LONG:
                    raise Undeliverable(
                        f"a datagram of {len(datagrams[at])} bytes is too long here: raise net.core.wmem_max"
                    ) from None
                raise self._failure(error) from None
            # What was sent waits for its confirmation; whatever is wrong will be met again.
        self._unconfirmed += at - start
        return at

    def confirm(self, *, wait: bool) -> int:
        """Return how many datagrams sent on this connection are confirmed now at the level asked for: all or none.

        Raises SinkBusy when the receiver has not read it yet, and SinkUnavailable when it is gone, so that nobody knows
        whether it has.
        """
        if self._confirm == "read":
            if not wait and monotonic() - self._confirmed_at < CONFIRM_SECONDS:
                return 0  # proving it takes some system calls and the receiver's turn: once a window is enough
            self._wait_until_read()
            self._probe()
            self._wait_until_read()
        confirmed, self._unconfirmed, self._confirmed_at = self._unconfirmed, 0, monotonic()
        return confirmed

    def prove_alive(self) -> None:
        """Return when the receiver connected to lives. Raises SinkUnavailable when it does not, or was replaced."""
        with contextlib.suppress(SinkBusy):  # its queue is full: it has one
            self._probe()

    def _probe(self) -> None:
        assert self._socket is not None
        try:
            self._socket.send(b"")
        except OSError as error:
            raise self._failure(error) from None

    def _wait_until_read(self) -> None:
        assert self._socket is not None
        deadline = monotonic() + SEND_TIMEOUT_SECONDS
        pause = 0.00005
        while unread := self._unread_bytes():
            if monotonic() > deadline:
                raise self._stalled(f"{unread} bytes wait for it")
            sleep(pause)
            pause = min(pause * 2, 0.005)

    def _failure(self, error: OSError) -> SinkBusy | SinkUnavailable:
        if error.errno in _FULL:
            return self._stalled("its queue is full")
        self.close()
        return SinkUnavailable(receiver.explain(self.path, error))

    def _stalled(self, how: str) -> SinkBusy | SinkUnavailable:
        """Return what a receiver that does not read means: patience, unless another one has taken its place."""
        try:
            replaced = receiver.identity(self.path) != self._identity
        except OSError:
            replaced = False
        if not replaced:
            return SinkBusy(f"the receiver at {self.path} does not read: {how}")
        self.close()
        return SinkUnavailable(f"the receiver at {self.path} stopped reading and was replaced by another")

    def _unread_bytes(self) -> int:
        assert self._socket is not None
        answer = fcntl.ioctl(self._socket, termios.TIOCOUTQ, b"\0\0\0\0")
        return int(struct.unpack("i", answer)[0])
