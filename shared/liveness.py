"""Signs of life for whoever watches a process from outside: a file that a working role touches, and its age.

Under systemd the watchdog of the unit hears of each too.

A process can live and be stuck. So the file is touched where work goes on: between two looks at the queue, while a
batch waits for its receiver, and by a schedule whose tasks all come to an end.
"""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from time import monotonic

from shared.errors import SettingsError, Unreachable

#: Touched at most so often.
TOUCH_SECONDS = 2.0
#: Older than this, the role is taken to be stuck. No step of the work takes so long: a call to AWS may take 70 s.
STUCK_SECONDS = 80.0


class Liveness:
    """Touches the file at `path`, if it is not empty, and tells systemd where that wants to know."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._watchdog = _watchdog()
        self._touched_at = 0.0

    def touch(self) -> None:
        """Leave a sign of life. Where that cannot be done the work goes on: whoever looks will say so."""
        if monotonic() - self._touched_at < TOUCH_SECONDS:
            return
        self._touched_at = monotonic()
        if self._path is not None:
            with suppress(OSError):
                self._path.touch()
        if self._watchdog:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                notify.sendto(b"WATCHDOG=1", socket.MSG_DONTWAIT, self._watchdog)


def _watchdog() -> str:
    """Return the address of systemd's socket, or "" where it does not watch this process; see sd_notify(3)."""
    environ = os.environ  # noqa: TID251 - of systemd, no setting
    if "WATCHDOG_USEC" not in environ or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return ""
    address = environ.get("NOTIFY_SOCKET", "")
    return f"\0{address[1:]}" if address.startswith("@") else address


def check(path: str) -> None:
    """Raise Unreachable when the file at `path` is missing or older than STUCK_SECONDS, SettingsError without a path."""
    if not path:
        raise SettingsError(
            ["alive_file is not set, so no role leaves a sign of life: set it for the role and for this"]
        )
    try:
        age = time.time() - Path(path).stat().st_mtime
    except OSError as error:
        raise Unreachable(f"no sign of life at {path}: {error.strerror}") from None
    if age > STUCK_SECONDS:
        raise Unreachable(f"the last sign of life at {path} is {age:.0f} s old: the role is stuck")
