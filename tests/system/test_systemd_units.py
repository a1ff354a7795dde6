"""The units of deploy/systemd: each command line with its environment, on a real Valkey and a receiver, by nobody special.

Without systemd: it needs a machine that was started by it. So the sandbox is not here, but the command lines, variables,
credentials, signs of life and stops are.
"""

import os
import re
import shutil
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests import unit_files
from tests.eventually import eventually
from tests.system.command import CWPIPE, PATIENCE_SECONDS, Running
from tests.system.host import Host, numbered
from tests.unit_files import Unit
from tests.valkey import free_port

EVENTS = numbered(40)
PASSWORD = "a-password-of-tests"
AWS_CREDENTIALS = "[default]\naws_access_key_id = AKIDSYSTEMTEST\naws_secret_access_key = made-up-secret-key\n"
#: Where root runs the tests: no capabilities, and none to be had, as under the units. Any other user has none anyway.
UNPRIVILEGED = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all") if 0 == os.geteuid() else ()


class Systemd:
    """Starts units as systemd would: with their own environment and nothing of ours, and hears their signs of life."""

    def __init__(self, host: Host, environment_file: dict[str, str]) -> None:
        self.host = host
        self.file = {"CWPIPE_CONFIG": str(host.config), **environment_file}
        directory = host.shell.directory
        self.credentials = directory / "credentials"
        self._specifiers = {"S": str(directory / "state"), "d": str(self.credentials)}
        (directory / "state").mkdir()
        self.credentials.mkdir()
        (self.credentials / "aws-credentials").write_text(AWS_CREDENTIALS)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._notify.bind(str(directory / "notify"))
        self._notify.settimeout(0)
        self.watched: set[int] = set()

    def start(self, unit: Unit, *drop_ins: Unit) -> Running:
        """Start a unit: its ExecStart, the variables that systemd sets, the unit's, its drop-ins', those of its file."""
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.host.shell.directory), "USER": "cwpipe"}
        if unit.all("Service.WatchdogSec"):
            environment |= {"NOTIFY_SOCKET": self._notify.getsockname(), "WATCHDOG_USEC": "100000000"}
        for file in (unit, *drop_ins):
            environment |= file.environment(self._specifiers)
        environment |= self.file
        program, *arguments = unit.command(self._specifiers)
        assert "/opt/cwpipe/bin/cwpipe" == program
        shell = self.host.shell
        shell.environment = {
            name: value for name, value in shell.environment.items() if name in ("NO_PROXY", "PYTHONPYCACHEPREFIX")
        } | {"AWS_EC2_METADATA_DISABLED": "true"}
        return shell.start(*arguments, program=(*UNPRIVILEGED, CWPIPE), env=environment)

    def hear(self) -> set[int]:
        """Return the processes that have shown a sign of life so far."""
        while True:
            try:
                text, ancillary, _, _ = self._notify.recvmsg(100, 100)
            except BlockingIOError:
                return self.watched
            assert b"WATCHDOG=1" == text
            self.watched |= {struct.unpack("3i", data)[0] for _, _, data in ancillary}

    def close(self) -> None:
        self._notify.close()


@pytest.fixture
def systemd(host: Host) -> Iterator[Systemd]:
    """A host with something to read, and the settings of the file cwpipe.env."""
    host.configure("/app/*")
    host.put("/app/shop", EVENTS)
    systemd = Systemd(host, {"CWPIPE_WAZUH_STATS_SOCKET": ""})
    yield systemd
    systemd.close()


@pytest.fixture
def redis_url_with_password(redis_url: str, client: redis.Redis) -> Iterator[str]:
    """The session's Valkey, for a user that has a password."""
    client.execute_command("ACL", "SETUSER", "units", "on", f">{PASSWORD}", "~*", "&*", "+@all")  # type: ignore[no-untyped-call]
    yield redis_url.replace("://", "://units@", 1)
    client.execute_command("ACL", "DELUSER", "units")  # type: ignore[no-untyped-call]


def capabilities(pid: int) -> set[str]:
    """Return the sets of capabilities of a process, as hexadecimal numbers."""
    status = Path(f"/proc/{pid}/status").read_text()
    return set(re.findall(r"^Cap(?:Prm|Eff|Bnd):\t(\w+)", status, re.M))


@pytest.mark.skipif(0 == os.geteuid() and not shutil.which("setpriv"), reason="no setpriv, of util-linux")
def test_the_one_service_delivers_keeps_its_state_and_stops_in_order(systemd: Systemd) -> None:
    """cwpipe-check.service finds all well before it, and while it runs."""
    check, service = unit_files.read("cwpipe-check.service"), unit_files.read("cwpipe.service")
    before = systemd.start(check).wait()
    running = systemd.start(service)
    systemd.host.wait_delivered("/app/shop", EVENTS)
    beside = systemd.start(check).wait()

    assert (0, 0) == (before.exit_code, beside.exit_code), before.text + beside.text
    if UNPRIVILEGED:
        assert {"0" * 16} == capabilities(running.pid)
    assert 0 == running.end().exit_code, running.err
    assert (systemd.host.shell.directory / "state" / "cwpipe" / "appendonlydir").is_dir()
    assert set() == systemd.hear()


@pytest.mark.skipif(0 == os.geteuid() and not shutil.which("setpriv"), reason="no setpriv, of util-linux")
def test_the_units_of_the_target_deliver_together_and_each_shows_signs_of_life(
    systemd: Systemd, redis_url_with_password: str
) -> None:
    """Two normalizers, as `systemctl enable --now cwpipe-normalizer@2` has it; the password of Redis by the drop-in."""
    systemd.file["CWPIPE_REDIS_URL"] = redis_url_with_password
    (systemd.credentials / "redis-password").write_text(f"{PASSWORD}\n")
    drop_in = unit_files.read("redis-password.conf")
    names = ("fetcher.service", "normalizer@.service", "normalizer@.service", "forwarder.service")
    roles = [systemd.start(unit_files.read(f"cwpipe-{name}"), drop_in) for name in names]
    systemd.host.wait_delivered("/app/shop", EVENTS)

    eventually(lambda: systemd.hear() >= {role.pid for role in roles}, PATIENCE_SECONDS, "signs of life of all")
    assert {role.pid for role in roles} == systemd.hear()
    for role in roles:
        assert 0 == role.end().exit_code, role.err


def test_the_unit_for_prometheus_serves_and_shows_signs_of_life(systemd: Systemd, redis_url_with_password: str) -> None:
    """With the password of Redis by the same drop-in; without an address it ends, and is not started again."""
    systemd.file["CWPIPE_REDIS_URL"] = redis_url_with_password
    (systemd.credentials / "redis-password").write_text(f"{PASSWORD}\n")
    unit, drop_in = unit_files.read("cwpipe-metrics.service"), unit_files.read("redis-password.conf")
    without = systemd.start(unit, drop_in).wait()
    systemd.file["CWPIPE_METRICS_ADDRESS"] = f"127.0.0.1:{free_port()}"
    running = systemd.start(unit, drop_in)

    eventually(lambda: "metrics ready" in running.err, PATIENCE_SECONDS, "the state served")
    eventually(lambda: systemd.hear() == {running.pid}, PATIENCE_SECONDS, "a sign of life")
    assert 0 == running.end().exit_code, running.err
    assert 2 == without.exit_code
    assert "metrics_address is not set" in without.err


def test_a_role_without_the_credential_says_so(systemd: Systemd, redis_url: str) -> None:
    """With the code that keeps systemd from starting it again."""
    systemd.file["CWPIPE_REDIS_URL"] = redis_url
    drop_in = unit_files.read("redis-password.conf")
    done = systemd.start(unit_files.read("cwpipe-normalizer@.service"), drop_in).wait()

    assert 2 == done.exit_code
    assert re.search(r"redis_password_file = \S+/credentials/redis-password: cannot be read", done.err)
