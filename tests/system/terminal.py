"""A terminal: what a command shows to somebody who sits before it, and the keys that somebody presses."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.system.command import CWPIPE, PATIENCE_SECONDS

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """One command as the foreground job of a terminal of its own, of 120 columns unless told."""

    def __init__(
        self, *arguments: str | Path, cwd: Path, env: Mapping[str, str], size: tuple[int, int] = (120, 40)
    ) -> None:
        self._keyboard, self._screen = pty.openpty()
        self.resize(*size)
        self.settings_before = termios.tcgetattr(self._keyboard)
        self._shown = b""
        self._process = subprocess.Popen(
            [CWPIPE, *map(str, arguments)],
            cwd=cwd,
            env={**env, "TERM": "xterm"},
            stdin=self._screen,
            stdout=self._screen,
            stderr=self._screen,
            start_new_session=True,
            preexec_fn=self._make_controlling,  # noqa: PLW1509 - one system call
        )
        os.close(self._screen)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def raw(self) -> str:
        """All that was sent to the screen so far, escape sequences and all."""
        return self._shown.decode(errors="replace")

    @property
    def text(self) -> str:
        """All that was shown so far, overwritten lines too, without colours and movements of the cursor."""
        return _ESCAPE.sub("", self.raw).replace("\r\n", "\n").replace("\r", "\n")

    @property
    def settings(self) -> list[object]:
        """What the terminal is set to now: whether it shows what is typed, waits for lines, and so on."""
        return termios.tcgetattr(self._keyboard)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size."""
        fcntl.ioctl(self._keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._keyboard, keys.encode())

    def send(self, signum: signal.Signals) -> None:
        """Send a signal to the command."""
        self._process.send_signal(signum)

    def press_interrupt(self) -> None:
        """Press Ctrl-C: SIGINT goes to every process of the foreground job."""
        os.write(self._keyboard, b"\x03")

    def wait(self) -> int:
        """Wait for the end of the command; return its exit code."""
        exit_code = self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return exit_code

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self.wait()
        os.close(self._keyboard)

    @staticmethod
    def _make_controlling() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def _read(self) -> None:
        while True:
            try:
                read = os.read(self._keyboard, 65_536)
            except OSError:  # nobody has the other end any more
                return
            self._shown += read
