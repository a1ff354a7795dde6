"""`status --watch` as somebody before a terminal sees it."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import redis

from tests.system.host import Host, numbered, soon
from tests.system.terminal import Terminal

ENTERED, LEFT, CURSOR_SHOWN = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-9]|4[0-9]|9[0-7])(?:;[0-9]+)*m")


@contextmanager
def watching(host: Host, *, size: tuple[int, int] = (120, 40), **env: str) -> Iterator[Terminal]:
    arguments = ("status", "--watch", "0.5", "--config", host.config, "--data-dir", host.data_dir)
    environment = {**host.shell.environment, "LANG": "C.UTF-8", "PYTHONIOENCODING": "utf-8", **env}
    with Terminal(*arguments, cwd=host.shell.directory, env=environment, size=size) as terminal:
        yield terminal


def frames(terminal: Terminal) -> list[list[str]]:
    """Return what was drawn, frame by frame, each as its lines."""
    drawn = terminal.raw.partition(ENTERED)[2].split("\x1b[H")[1:]
    return [_SEQUENCE.sub("", frame).replace("\r", "").split("\n") for frame in drawn]


def shows(terminal: Terminal, text: str) -> bool:
    return text in terminal.text


def is_restored(terminal: Terminal) -> bool:
    """Tell whether the shell finds its screen, its cursor and its settings as they were."""
    screen = terminal.raw.rfind(LEFT) > terminal.raw.rfind(ENTERED) >= 0
    return screen and CURSOR_SHOWN in terminal.raw and terminal.settings == terminal.settings_before


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 15), (30, 6), (9, 2)])
def test_it_fits_the_window(idle: Host, size: tuple[int, int]) -> None:
    """The way from CloudWatch to the receiver, then the groups, the worst first; q ends it, exit code 0."""
    with watching(idle, size=size, COLUMNS="80", LINES="24") as terminal:  # as a shell exported them once
        soon(lambda: len(frames(terminal)) > 2, "drawn more than once")
        assert terminal.settings != terminal.settings_before
        terminal.press("q")
        assert 0 == terminal.wait()
        assert is_restored(terminal)
    *_, last = frames(terminal)[:-1] or frames(terminal)
    assert len(last) <= size[1]
    assert max(map(len, last)) <= size[0]
    if size[1] < 15:
        return
    shown = [line.split() for line in last if line.strip()]
    names = [words[0] for words in shown]
    assert ["fetched", "raw", "normalizers", "enriched", "forwarders", "receiver"] == names[2:8]
    assert ["fault", "/app/denied"] == shown[names.index("fault")][:2]
    assert names.index("fault") < names.index("well")
    assert "1 group of 2 in trouble" in last[1]
    assert all("events" in line for line in last if line.startswith(("fetched", "forwarders")))


def test_it_follows_the_size_of_the_window(idle: Host) -> None:
    """Made smaller, nothing is drawn outside."""
    with watching(idle) as terminal:
        soon(lambda: frames(terminal), "drawn")
        before = len(frames(terminal))
        terminal.resize(60, 15)
        soon(lambda: len(frames(terminal)) > before + 2, "drawn again")
        assert max(map(len, frames(terminal)[-2])) <= 60
        terminal.press_interrupt()
        assert 0 == terminal.wait()
        assert is_restored(terminal)


def test_there_is_no_colour_where_none_is_wanted(idle: Host) -> None:
    """NO_COLOR; without it, what is at fault is red."""
    found = []
    for no_color in ("", "1"):
        with watching(idle, NO_COLOR=no_color) as terminal:
            soon(partial(shows, terminal, "/app/denied"), "drawn")
            terminal.press("q")
            assert 0 == terminal.wait()
        found.append(bool(_COLOUR.search(terminal.raw)))
    assert [True, False] == found


def test_nothing_is_drawn_line_by_line(idle: Host) -> None:
    """A frame goes over the last one: a screen that is wiped first flickers."""
    with watching(idle) as terminal:
        soon(lambda: len(frames(terminal)) > 3, "drawn again and again")
        terminal.press("q")
        terminal.wait()
    after_first = terminal.raw.partition(ENTERED)[2].split("\x1b[H", 2)[2]
    assert "\x1b[2J" not in after_first.partition(LEFT)[0]


def test_a_signal_to_end_leaves_the_terminal_as_it_was(idle: Host) -> None:
    """As from a session that is closed."""
    with watching(idle) as terminal:
        soon(lambda: frames(terminal), "drawn")
        terminal.send(signal.SIGTERM)
        assert 0 == terminal.wait()
        assert is_restored(terminal)


@contextmanager
def another_group(host: Host, name: bytes) -> Iterator[None]:
    """Have Redis hold a group of this name, written as JSON: whoever can write there can name one as he likes."""
    client = redis.Redis.from_url((host.data_dir / "redis_url").read_text())
    states: Any = client.hvals("cwpipe:groups")
    (state,) = [value for value in states if b"/app/denied" in value]
    client.hset("cwpipe:groups", "0123456789abcdef", state.replace(b"/app/denied", name))
    try:
        yield
    finally:
        client.hdel("cwpipe:groups", "0123456789abcdef")
        client.close()


def test_no_name_commands_the_terminal(idle: Host) -> None:
    """It is shown as it is written."""
    with another_group(idle, rb"/\u001b[2J\u009b31m\u202e\rx"), watching(idle) as terminal:
        soon(lambda: r"\x1b[2J\x9b31m\u202e\rx" in terminal.text, "the name shown, harmless")
        terminal.press("q")
        assert 0 == terminal.wait()
    assert "\u202e" not in terminal.raw
    assert "\x9b" not in terminal.raw
    assert "\rx" not in terminal.raw


def test_a_terminal_without_the_characters_of_a_name_shows_something_else(idle: Host) -> None:
    """And no chart."""
    with another_group(idle, "/caf\u00e9".encode()), watching(idle, PYTHONIOENCODING="ascii") as terminal:
        soon(lambda: r"/caf\xe9" in terminal.text, "the name shown")
        soon(lambda: len(frames(terminal)) > 3, "drawn again")
        terminal.press("q")
        assert 0 == terminal.wait()
    assert terminal.raw.isascii()


def test_it_outlives_redis(host: Host) -> None:
    """It says that there is no news, keeps what it knew, and goes on by itself."""
    host.configure("/app/shop")
    host.put("/app/shop", numbered(100))
    run = host.start()
    host.wait_delivered("/app/shop", numbered(100))
    with watching(host) as terminal:
        soon(lambda: "/app/shop" in terminal.text, "drawn")
        assert 0 == run.end().exit_code
        soon(lambda: any("NO NEWS FROM REDIS" in line for line in frames(terminal)[-1]), "it says that Redis is away")
        assert any("/app/shop" in line for line in frames(terminal)[-2])
        again = host.start()
        soon(lambda: not any("NO NEWS FROM REDIS" in line for line in frames(terminal)[-1]), "it goes on")
        terminal.press("q")
        assert 0 == terminal.wait()
        assert is_restored(terminal)
    assert "Traceback" not in terminal.raw
    assert 0 == again.end().exit_code


def test_without_a_terminal_it_is_refused(host: Host) -> None:
    """Exit code 2, one line, and what to use instead."""
    host.configure("/app/shop")
    done = host.shell.run("status", "--watch", "--config", host.config)
    assert (2, "") == (done.exit_code, done.out)
    assert "cwpipe: --watch needs a terminal on standard output: use `cwpipe status`" in done.err
    assert 1 == len(done.err.splitlines())


def test_where_nothing_runs_no_screen_is_opened(host: Host) -> None:
    """Exit code 3, as of `status`."""
    host.configure("/app/shop")
    with watching(host) as terminal:
        assert 3 == terminal.wait()
    assert "cwpipe: nothing runs on " in terminal.text
    assert ENTERED not in terminal.raw
