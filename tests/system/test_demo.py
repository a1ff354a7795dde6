"""`cwpipe demo`: what a new user tries first."""

import pytest

from tests.system.host import CLOSED, Host


@pytest.mark.slow
def test_demo_delivers_every_event_and_leaves_nothing_behind(host: Host) -> None:
    """On a machine with neither AWS nor Wazuh; whatever lies in the directory it is started from and in its settings."""
    trap = host.shell.directory / "services"
    trap.mkdir()
    (trap / "__init__.py").write_text("raise SystemExit('not this one')")
    temporary = host.shell.directory / "tmp"
    temporary.mkdir()
    of_this_machine = {
        "AWS_PROFILE": "of-somebody",
        "HTTP_PROXY": f"http://{CLOSED}",
        "NO_PROXY": "",
        "REDIS_URL": "redis://x",
    }
    done = host.shell.run("demo", "--events", "3000", env={"TMPDIR": str(temporary), **of_this_machine})
    assert 0 == done.exit_code, done.text
    assert "Put 3,000 events into 3 log groups" in done.out
    assert "3000 fetched, 3000 delivered" in done.out
    assert done.out.endswith("\nEvery event arrived, once.\n")
    assert "1:Wazuh-AWS|:eu-west-1|:/demo/edge|:node-01:" in done.out
    assert "\x1b" not in done.text
    assert [] == list(temporary.iterdir())
