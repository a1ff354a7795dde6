"""docs/migrating.md: every command in it is run, in its order, beside a wodle that was read from before."""

import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from tests.standins.wodle import Wodle
from tests.system.command import CWPIPE, PATIENCE_SECONDS
from tests.system.host import REGION, Host

GUIDE = Path(__file__).parents[2] / "docs" / "migrating.md"
COMMANDS = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    for line in block.splitlines()
]
OSSEC_CONF = """\
<ossec_config>
  <wodle name="aws-s3">
    <interval>10m</interval>
    <service type="cloudwatchlogs">
      <regions>us-east-1</regions>
      <aws_log_groups>/app/shop</aws_log_groups>
      <service_endpoint>{endpoint}</service_endpoint>
    </service>
  </wodle>
</ossec_config>
"""


@pytest.mark.slow
def test_every_command_of_the_guide_works(host: Host) -> None:
    """What the wodle had sent stays sent, and the rest arrives, once."""
    ossec = host.shell.directory / "ossec"
    (ossec / "etc").mkdir(parents=True)
    (ossec / "wodles" / "aws").mkdir(parents=True)
    (ossec / "etc" / "ossec.conf").write_text(OSSEC_CONF.format(endpoint=host.aws.endpoint_url))
    host.put("/app/shop", ["sent by the wodle"], age_seconds=60)
    wodle = Wodle(ossec / "wodles" / "aws", host.aws.endpoint_url)
    wodle.poll(REGION, "/app/shop", after_ms=int(time.time() * 1000) - 3_600_000)
    host.put("/app/shop", ["after the last poll"], age_seconds=30)
    environment = host.shell.environment | {
        "CWPIPE_WAZUH_QUEUE_SOCKET": str(host.receiver.path),
        "CWPIPE_WAZUH_STATS_SOCKET": str(host.shell.directory / "none"),
        "PATH": f"{Path(CWPIPE).parent}:/usr/bin:/bin",
    }
    service = None
    for command in COMMANDS:
        if command == "cwpipe run":
            service = host.shell.start("run", env=environment)
            host.wait_delivered("/app/shop", ["after the last poll"])
            continue
        text = command.replace("/var/ossec", shlex.quote(str(ossec)))
        done = subprocess.run(
            ["/bin/sh", "-c", text],
            cwd=host.shell.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        if command.endswith(" beside.toml") and command.startswith("cp"):  # what the guide says to do with the copy
            with (host.shell.directory / "beside.toml").open("a") as beside:
                beside.write('only_logs_after = "10m"\nlocation = "cwpipe-trial:{log_group}"\n')
        wanted = (1,) if command.startswith("pgrep") else (0,)
        assert done.returncode in wanted, f"{command}: {done.stdout}{done.stderr}"
    assert service is not None
    assert 0 == service.end().exit_code

    trial = [text for text in host.receiver.datagrams if b"cwpipe-trial" in text]
    assert 2 == len(trial)
    assert ["after the last poll"] == host.delivered("/app/shop")
