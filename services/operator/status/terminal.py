"""The terminal while a screen is on it: keys as they are pressed, and all as before at the end."""

import os
import select
import signal
import sys
import termios
import time
import tty
from contextlib import suppress
from types import FrameType, TracebackType


class Keys:
    """`with` has keys come one by one, unseen, and signals to end noted; leaving it sets everything back."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._before: list[object] = []
        self._handlers: dict[int, object] = {}
        self._woken, self._waker = -1, -1
        self.is_over = False
        """Whether somebody wants this to end."""

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or at once when there is reason to end. Blocks."""
        until = time.monotonic() + seconds
        while not self.is_over and (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._woken, *([] if self._fd is None else [self._fd])], [], [], left)
            if self._fd in ready:
                self._press(self._fd)

    def __enter__(self) -> "Keys":
        self._woken, self._waker = os.pipe()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._handlers[signum] = signal.signal(signum, self._end)
        if self._fd is not None:
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd, termios.TCSADRAIN)
            changed = termios.tcgetattr(self._fd)
            changed[6][termios.VSUSP] = b"\0"  # Ctrl-Z would leave the screen to the shell
            termios.tcsetattr(self._fd, termios.TCSADRAIN, changed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd is not None:
            with suppress(termios.error):  # the terminal may be gone
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]  # as it was given
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]  # as it was given
        os.close(self._woken)
        os.close(self._waker)

    def _press(self, fd: int) -> None:
        pressed = os.read(fd, 64)
        if not pressed:  # the terminal is gone
            self._fd = None
        self.is_over = self.is_over or not pressed or bool(set(pressed) & set(b"qQ\x03\x04"))

    def _end(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        self.is_over = True
        os.write(self._waker, b"\0")
