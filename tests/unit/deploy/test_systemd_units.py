"""deploy/systemd: what the units promise, and what systemd's own tools say of them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from services.forwarder.forward import CONFIRM_ON_STOP_SECONDS
from services.supervisor import children, embedded
from shared.aws.sessions import _CONFIG as CONFIG_OF_CALLS
from shared.liveness import STUCK_SECONDS
from shared.settings.environment import EXTRA
from shared.settings.fields import variables
from shared.settings.quantities import parse_bytes
from tests import unit_files
from tests.system.command import CWPIPE
from tests.unit_files import DIRECTORY, SERVICES, seconds

ROOT = Path(__file__).parents[3]
ROLES = ("cwpipe-fetcher.service", "cwpipe-normalizer@.service", "cwpipe-forwarder.service")
#: Beside the roles, for whoever has set metrics_address: without one it ends at once, so the target does not start it.
METRICS = "cwpipe-metrics.service"
WATCHED = (*ROLES, METRICS)
LASTING = ("cwpipe.service", *WATCHED)
UNITS = sorted(path.name for path in DIRECTORY.glob("cwpipe*.*") if path.suffix in (".service", ".target"))
#: Of the sandbox; what else a unit's [Service] says is its own.
SANDBOX = re.compile(
    r"NoNew|Capabilit|Ambient|Protect|Private|RemoveIPC|LockPers|MemoryDeny|Restrict[A-Z]\w*(?<!Status)$"
    r"|SystemCall|KeyringMode|UMask|LimitCORE"
)
#: 10 is no protection at all, 0 all there is. What is left: the network, and for some a group.
MOST_EXPOSED = 1.5

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="no systemd-analyze: on Debian, apt-get install systemd"
)


def analyze(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze on our units, with a cwpipe that is there."""
    for name in UNITS:
        text = (DIRECTORY / name).read_text().replace("/opt/cwpipe/bin/cwpipe", CWPIPE)
        (tmp_path / name).write_text(text)
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}:", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )


@needs_systemd
def test_systemd_has_nothing_to_say_against_the_units(tmp_path: Path) -> None:
    """An unknown key is only a warning to it, and the protection that it was to give is not there."""
    done = analyze(tmp_path, "verify", *(f"./{name}" for name in UNITS))

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_systemd_scores_the_sandbox_as_tight(tmp_path: Path, name: str) -> None:
    """Its list grows from version to version; what is new in it is worth a look."""
    done = analyze(tmp_path, "security", "--offline=true", name)
    score = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)

    assert score, done.stderr
    assert float(score[1]) <= MOST_EXPOSED, done.stdout


def test_every_service_has_the_same_sandbox() -> None:
    """None is forgotten when one is changed."""
    found = {
        name: {key: values for key, values in unit_files.read(name).values.items() if SANDBOX.match(key[8:])}
        for name in SERVICES
    }

    assert len(found["cwpipe.service"]) > 20
    for name in SERVICES:
        assert found["cwpipe.service"] == found[name], name


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_runs_as_root_or_holds_a_capability(name: str) -> None:
    """A service without User= is root's."""
    unit = unit_files.read(name)

    assert ("cwpipe", "cwpipe", "", "strict") == tuple(
        unit.one(f"Service.{key}") for key in ("User", "Group", "CapabilityBoundingSet", "ProtectSystem")
    )


@pytest.mark.parametrize("name", SERVICES)
def test_only_who_speaks_to_analysisd_is_in_its_group(name: str) -> None:
    """That group may read and write nearly all of Wazuh."""
    forwards = name in ("cwpipe.service", "cwpipe-forwarder.service", "cwpipe-check.service")

    assert (["wazuh"] if forwards else []) == unit_files.read(name).all("Service.SupplementaryGroups")
    assert "wazuh" not in (DIRECTORY / "cwpipe.sysusers").read_text().partition("\nu ")[2]


@pytest.mark.parametrize("name", SERVICES)
def test_credentials_of_aws_are_given_to_those_that_call_it(name: str) -> None:
    """As files that no other service can read, never as variables; a host with a role has none, and starts all the same."""
    calls = name in ("cwpipe.service", "cwpipe-fetcher.service", "cwpipe-check.service")
    unit = unit_files.read(name)

    assert (["aws-credentials:cwpipe.aws-credentials"] if calls else []) == unit.all("Service.LoadCredential")
    assert calls == ("AWS_SHARED_CREDENTIALS_FILE" in unit.environment({"d": "/run/credentials"}))


@pytest.mark.parametrize("name", [*SERVICES, "redis-password.conf"])
def test_every_variable_is_a_setting(name: str) -> None:
    """An unknown one keeps the role from starting."""
    given = {key for key in unit_files.read(name).environment({"d": "/c"}) if key.startswith("CWPIPE_")}

    assert set() == given - {*variables(), *EXTRA}


@pytest.mark.parametrize("name", LASTING)
def test_what_works_for_good_is_started_again_unless_its_settings_are_wrong(name: str) -> None:
    """For as long as Redis is away, and with no end to the trying."""
    unit = unit_files.read(name)

    assert ("always", "2", "0") == (
        unit.one("Service.Restart"),
        unit.one("Service.RestartPreventExitStatus"),
        unit.one("Unit.StartLimitIntervalSec"),
    )


@pytest.mark.parametrize("name", LASTING)
def test_a_stop_has_the_time_it_takes_and_that_of_the_compose_stack(name: str) -> None:
    """After it comes SIGKILL, and events are sent again."""
    call = CONFIG_OF_CALLS.connect_timeout + CONFIG_OF_CALLS.read_timeout  # type: ignore[attr-defined]
    longest = max(call, CONFIRM_ON_STOP_SECONDS, children.STOP_SECONDS + embedded.STOP_SECONDS)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["fetcher"]["stop_grace_period"]
    stop = seconds(unit_files.read(name).one("Service.TimeoutStopSec"))

    assert stop > longest + 10
    assert stop == seconds(compose)


@pytest.mark.parametrize("name", WATCHED)
def test_a_stuck_role_is_killed_but_none_that_only_waits(name: str) -> None:
    """The watchdog hears what `cwpipe health` would read."""
    watchdog = seconds(unit_files.read(name).one("Service.WatchdogSec"))

    assert STUCK_SECONDS < watchdog <= STUCK_SECONDS + 60


def test_the_supervisor_is_watched_by_nobody_but_its_end() -> None:
    """It leaves no signs of life, so a watchdog would kill it; its roles' signs would be refused, and logged."""
    assert not unit_files.read("cwpipe.service").all("Service.WatchdogSec")
    assert "mixed" == unit_files.read("cwpipe.service").one("Service.KillMode")


def test_the_target_starts_every_role_and_they_stop_with_it() -> None:
    """And never beside cwpipe.service: there would be two of each."""
    target = unit_files.read("cwpipe.target")

    assert {name.replace("@.", "@1.") for name in ROLES} == set(target.one("Unit.Wants").split())
    for name in WATCHED:
        unit = unit_files.read(name)
        assert "cwpipe.target" == unit.one("Unit.PartOf") == unit.one("Install.WantedBy")
        assert "cwpipe.service" == unit.one("Unit.Conflicts") == target.one("Unit.Conflicts")
    assert "cwpipe.target" == unit_files.read("cwpipe.service").one("Unit.Conflicts")


def test_redis_is_set_up_as_in_the_compose_stack() -> None:
    """It loses nothing that was acknowledged, and is never filled by what may be queued."""
    lines = (DIRECTORY / "redis.conf").read_text().splitlines()
    given = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    command = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["redis"]["command"]
    pairs = zip(command[2::2], command[3::2], strict=True)
    wanted = {name.removeprefix("--"): value or '""' for name, value in pairs}

    assert parse_bytes(given["maxmemory"].replace("gb", "GiB"))
    assert wanted | {"maxmemory": "1gb", "bind": "127.0.0.1 -::1"} == given
