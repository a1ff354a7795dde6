"""What the stage needs of a receiver, and what a receiver may answer instead of taking a datagram."""

from collections.abc import Sequence
from typing import Protocol

from shared.errors import CwpipeError

#: At most so many datagrams are sent and not yet recorded as confirmed: what a killed forwarder repeats.
WINDOW = 1_000


class SinkUnavailable(CwpipeError):
    """Nobody knows what became of what was sent and not confirmed: send it again. Says why, and what to do."""

    exit_code = 3


class SinkBusy(CwpipeError):
    """The receiver takes no more now, or has not got as far as asked. Waiting may help, sending again would not."""


class Undeliverable(CwpipeError):
    """This one datagram will never be taken."""


class Sink(Protocol):
    """One receiver. Not safe between threads. No method blocks for much longer than a second.

    Datagrams are confirmed in the order in which they were sent. SinkUnavailable, from any method, means that the sink
    has forgotten everything that it had not confirmed.
    """

    def connect(self) -> None:
        """Be ready to send to the receiver that is there now. Raises SinkUnavailable."""

    def send(self, datagrams: Sequence[bytes], start: int, limit: int) -> int:
        """Send some, at most `limit`, from index `start` on; return the index after the last one sent.

        Raises SinkBusy when the receiver takes none, SinkUnavailable, and Undeliverable for the datagram at `start`.
        """

    def confirm(self, *, wait: bool) -> int:
        """Return how many more of the datagrams sent are confirmed now; with `wait`, at least one.

        Raises SinkBusy when none is after a while of waiting, or when the receiver cannot be asked, and SinkUnavailable.
        """

    def close(self) -> None:
        """Let go of the receiver. What it has, it keeps."""
