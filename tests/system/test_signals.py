"""SIGTERM, as systemd and docker send it: an orderly end, with the exit code that is documented for it."""

from time import monotonic

from tests.system.command import catches_sigterm, descendants
from tests.system.host import Host, numbered, soon


def test_sigterm_ends_the_service_with_0_and_leaves_nothing_running(host: Host) -> None:
    """To be stopped is the normal end of a service; it does not take long."""
    host.configure("/app/shop")
    host.put("/app/shop", numbered(1_000))
    run = host.start()
    host.wait_delivered("/app/shop", numbered(1_000))
    started = descendants(run.pid)
    began = monotonic()
    done = run.end()
    assert (0, "") == (done.exit_code, done.out), done.text
    assert 10 > monotonic() - began
    assert 4 == len(started)
    assert not [process for process in started if process.lives()]
    assert "Traceback" not in done.err


def test_sigterm_ends_run_once_with_4_and_says_what_is_left(host: Host) -> None:
    """It is incomplete; the next run delivers the rest."""
    host.configure("/app/shop")
    host.receiver.pause()
    host.put("/app/shop", numbered(1_000))
    run = host.start("--once")
    soon(lambda: "waiting for the receiver" in run.err, "the forwarder has a batch in its hands")
    done = run.end()
    assert 4 == done.exit_code, done.text
    assert "1000 fetched, 0 delivered" in done.out
    assert "1000 events are still on their way" in done.out
    assert done.err.endswith("cwpipe: incomplete: stopped early; batches that wait for the next run: 1\n")


def test_sigterm_before_the_work_begins_ends_run_once_at_once(host: Host) -> None:
    """While it looks for its receiver there is nothing to stop."""
    host.configure("/app/shop")
    host.receiver.stop()
    run = host.start("--once", CWPIPE_LOG_LEVEL="debug")
    soon(lambda: catches_sigterm(run.pid), "the handler is in place")
    done = run.end()
    assert (4, "cwpipe: stopped before the work began\n") == (done.exit_code, done.err)
