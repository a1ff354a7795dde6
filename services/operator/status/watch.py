"""`cwpipe status --watch`: the status on the whole screen, until somebody has seen enough."""

import errno
import os
import sys
import threading
import time
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path

import msgspec
import redis
from msgspec import Struct
from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live

from services.operator.connection import connected
from services.operator.status.picture import Picture, picture
from services.operator.status.rates import Meter, Rates
from services.operator.status.screen import View, screen
from services.operator.status.terminal import Keys
from services.operator.status.trouble import patience, worst_first
from shared.errors import CwpipeError, SettingsError, Unreachable
from shared.settings.load import Loaded

#: Between two looks at the size of the window.
STEP_SECONDS = 0.2
AGAIN_SECONDS = 1.0


class _News(Struct, frozen=True, kw_only=True):
    picture: Picture
    rates: Rates
    taken: float
    away: str = ""


class _Look(threading.Thread):
    """Takes one picture after another. It may block on Redis for seconds, while the screen does not."""

    def __init__(self, loaded: Loaded, data_dir: Path, interval: float) -> None:
        super().__init__(daemon=True)
        self._loaded, self._data_dir, self._interval = loaded, data_dir, interval
        self._meter = Meter()
        self._stopped = threading.Event()
        self.fault: BaseException | None = None
        with connected(loaded, data_dir) as client:
            first = picture(client, time.time())
        self.news = _News(picture=first, rates=self._meter.add(first, time.monotonic()), taken=time.time())

    def run(self) -> None:
        try:
            self._stopped.wait(self._interval)
            while not self._stopped.is_set():
                self._follow()
                self._stopped.wait(AGAIN_SECONDS)
        except BaseException as error:  # noqa: BLE001 - the main thread raises it, once the terminal is itself again
            self.fault = error

    def stop(self) -> None:
        self._stopped.set()

    def _follow(self) -> None:
        """Look for as long as Redis answers; note why it does not."""
        try:
            with connected(self._loaded, self._data_dir) as client:
                while not self._stopped.is_set():
                    # Of ten thousand groups a picture is no small thing: most of the time is Redis's own.
                    self._stopped.wait(max(self._interval, 5 * self._look(client)))
        except (CwpipeError, msgspec.MsgspecError, ValueError) as error:
            self._meter.forget()
            self.news = msgspec.structs.replace(self.news, away=" ".join(str(error).split()))

    def _look(self, client: redis.Redis) -> float:
        """Take a picture; return the seconds it took."""
        began = time.monotonic()
        try:
            seen = picture(client, time.time())
        except redis.RedisError as error:
            raise Unreachable(f"Redis does not answer ({error}), looking for it again") from None
        self.news = _News(picture=seen, rates=self._meter.add(seen, began), taken=time.time())
        return time.monotonic() - began


def watch(loaded: Loaded, data_dir: Path, interval: float) -> None:
    """Show the status on the terminal until `q`, Ctrl-C or SIGTERM, anew every `interval` seconds. Blocks.

    Raises SettingsError where there is no terminal, Unreachable when there is no Redis to ask at the start.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may have characters that the terminal has not
    console = Console(highlight=False)
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        raise SettingsError(
            ["--watch needs a terminal on standard output: use `cwpipe status`, or `cwpipe status --json` in a script"]
        )
    look = _Look(loaded, data_dir, interval)
    try:
        with Keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
            look.start()
            _show(look, live, keys, patience(loaded.settings), interval)
    except OSError as error:
        if error.errno != errno.EIO:  # the terminal is gone: nobody is left to show anything to
            raise
    look.stop()
    if look.fault is not None:
        raise look.fault


def _show(look: _Look, live: Live, keys: Keys, allowed: Callable[[str], float], interval: float) -> None:
    """Draw what is new, and nothing while nothing is."""
    console = live.console
    shown: tuple[object, ...] = ()
    while not keys.is_over and look.fault is None:
        _measure(console)
        news = look.news
        away_seconds = round(time.time() - news.taken) if news.away else 0
        state = (news.taken, news.away, away_seconds, console.size)
        if state != shown:
            shown = state
            view = View(
                picture=news.picture,
                rates=news.rates,
                groups=worst_first(news.picture, allowed),
                taken=news.taken,
                interval=interval,
                width=console.width,
                height=console.height,
                away=news.away,
                away_seconds=away_seconds,
                charts=console.encoding.lower().startswith("utf"),
            )
            live.update(Group(*screen(view)), refresh=True)
        keys.wait(STEP_SECONDS)


def _measure(console: Console) -> None:
    """Have the console be as large as the window is now: COLUMNS and LINES say how large it was, where they are exported."""
    columns, lines = os.get_terminal_size(sys.stdout.fileno())
    if columns and lines:
        console.size = ConsoleDimensions(columns, lines)
