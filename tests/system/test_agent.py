"""A host with a Wazuh agent and no manager: whatever CloudWatch has gets past the agent, and no word promises more."""

import json

from tests.standins.agent import Agent
from tests.system.host import Host, numbered, soon

LINES = numbered(600)
OBJECT = json.dumps({"level": "info", "text": "y" * 100_000})


def test_lines_and_what_is_too_long_for_an_agent_reach_its_manager(host: Host) -> None:
    """A text of 100 kB in parts, an object shortened; `check` and `status` say what is promised of them."""
    host.configure("/app/shop")
    host.put("/app/shop", LINES)
    host.put("/app/shop", ["x" * 100_000, OBJECT], stream="long")
    with Agent(host.shell.directory / "ossec", queue_size=400) as agent:
        settings = {"CWPIPE_WAZUH_CONFIRM": "agent", "CWPIPE_WAZUH_QUEUE_SOCKET": str(agent.path)}
        run = host.start(**settings)
        soon(lambda: len(agent.ours()) >= len(LINES) + 3, "all to arrive at the manager")
        soon(lambda: not host.status()["in_flight"], "all confirmed")
        checked = host.shell.run("check", "--config", host.config, "--data-dir", host.data_dir, env=settings)
        status = host.shell.run("status", "--config", host.config, "--data-dir", host.data_dir, env=settings)
        levels = host.status()["levels"]
        run.end()
        arrived, dropped = agent.ours(), agent.dropped

    assert 0 == dropped
    assert set(LINES) == {text.split(b":")[-1].decode() for text in arrived if b"|:web:" in text}
    parts = [text.split(b"|:long:", 1)[1] for text in arrived if b"|:long:" in text and b"cloudwatch" not in text]
    assert 100_000 == sum(part.rpartition(b": ")[2].count(b"x") for part in parts)
    (shortened,) = [text for text in arrived if b'"truncated":["text"]' in text]
    assert json.loads(shortened.split(b"|:long:", 1)[1])["level"] == "info"
    assert [("agent", str(agent.path))] == [(level["level"], level["receiver"]) for level in levels]
    promise = "what the agent drops or loses before its manager has it, and the manager after that, is not noticed"
    assert f"confirm   at level agent, receiver {agent.path}: {promise}" in status.out
    assert f"ok    agent at {agent.path}, events confirmed when the agent has read them: {promise}" in checked.out
