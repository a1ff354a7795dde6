"""The forwarder in the pod of a Wazuh manager: its command from deploy/kubernetes, run as the pod would."""

from pathlib import Path

import redis
import yaml

from tests.system.command import CWPIPE, Running, child
from tests.system.host import Host, numbered, soon

PATCH = Path(__file__).parents[2] / "deploy/kubernetes/components/forwarder-sidecar/master.yaml"
EVENTS = numbered(20)
ROLES = ("fetcher", "normalizer")


def sidecar(host: Host, redis_url: str) -> Running:
    """Start the container's command, with its environment moved to where this host has things."""
    (container,) = yaml.safe_load(PATCH.read_text())["spec"]["template"]["spec"]["containers"]
    given = {variable["name"]: variable["value"] for variable in container["env"]} | {
        "CWPIPE_REDIS_URL": redis_url,
        "CWPIPE_REDIS_PASSWORD_FILE": "",
        "CWPIPE_ALIVE_FILE": str(host.shell.directory / "alive"),
        "CWPIPE_WAZUH_QUEUE_SOCKET": str(host.receiver.path),
        "CWPIPE_WAZUH_STATS_SOCKET": "",
        "PATH": f"{Path(CWPIPE).parent}:/usr/bin:/bin",
    }
    program, *arguments = container["command"]
    return host.shell.start(*arguments, program=(program,), env=given)


def test_a_sidecar_outlives_its_forwarder_and_a_redis_that_is_away(
    host: Host, redis_url: str, client: redis.Redis
) -> None:
    """A container that ends would take the manager's pod, and its agents, out of their Services."""
    host.configure("/app/*")
    host.put("/app/shop", EVENTS)
    later = host.shell.directory / "later.sock"
    beside = sidecar(host, f"unix://{later}")
    soon(lambda: "cannot be reached" in beside.err, "the forwarder has looked for Redis")
    assert (host.shell.directory / "alive").exists()
    later.symlink_to(redis_url.removeprefix("unix://"))
    child(beside.pid, "forwarder").kill()
    others = [host.shell.start(role, "--config", host.config, env={"CWPIPE_REDIS_URL": redis_url}) for role in ROLES]
    host.wait_delivered("/app/shop", EVENTS)

    assert [0, 0, 0] == [running.end().exit_code for running in (beside, *others)], beside.err
    assert "worker stopped" in beside.err
