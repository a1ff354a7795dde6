"""What somebody at a terminal sees, and what Ctrl-C does there."""

import re

from tests.system.command import descendants
from tests.system.host import Host, numbered, soon
from tests.system.terminal import Terminal

LOG_LINE = re.compile(r"^(?!\s*$).*\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.MULTILINE)


def test_run_once_shows_a_progress_bar_and_a_table(host: Host) -> None:
    """The bar moves on a line of its own, log lines pass above it, and a table stands at the end."""
    host.configure("/app/shop")
    host.put("/app/shop", numbered(3_000))
    with Terminal(*host.once, cwd=host.shell.directory, env=host.shell.environment) as terminal:
        assert 0 == terminal.wait()
    assert "reading and delivering ━" in terminal.text
    assert re.search(r"│ us-east-1 │ /app/shop │ +3,000 │ +3,000 │", terminal.text)
    assert "3000 fetched, 3000 delivered" in terminal.text.splitlines()[-1]
    for line in LOG_LINE.findall(terminal.text):
        assert re.match(r"\d{4}-", line), f"a log line began in the middle of another one: {line!r}"


def test_interrupt_ends_run_once_in_order(host: Host) -> None:
    """Ctrl-C reaches the whole foreground job; exit code 4, since not all is delivered, and nothing is left running."""
    host.configure("/app/shop")
    host.receiver.pause()
    host.put("/app/shop", numbered(3_000))
    with Terminal(*host.once, cwd=host.shell.directory, env=host.shell.environment) as terminal:
        soon(lambda: "\ndelivering ━" in terminal.text, "everything read")
        started = descendants(terminal.pid)
        terminal.press_interrupt()
        exit_code = terminal.wait()
    assert 4 == exit_code, terminal.text
    assert "cwpipe: incomplete: stopped early; batches that wait for the next run: 1\n" in terminal.text
    assert "Traceback" not in terminal.text
    assert not [process for process in started if process.lives()]


def test_interrupt_ends_the_service_in_order(host: Host) -> None:
    """For a service, to be stopped is the normal end."""
    host.configure("/app/shop")
    with Terminal(*host.service, cwd=host.shell.directory, env=host.shell.environment) as terminal:
        soon(lambda: "fetcher ready" in terminal.text, "the fetcher started")
        started = descendants(terminal.pid)
        terminal.press_interrupt()
        assert 0 == terminal.wait(), terminal.text
    assert "Traceback" not in terminal.text
    assert not [process for process in started if process.lives()]
