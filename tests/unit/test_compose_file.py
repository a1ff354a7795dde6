"""What docker-compose.yml promises, without an engine. That it works is tests/compose's to show."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.forwarder.forward import CONFIRM_ON_STOP_SECONDS
from shared.aws.sessions import _CONFIG as CONFIG_OF_CALLS
from shared.liveness import STUCK_SECONDS
from shared.metrics import _PORT_OFFSETS
from shared.settings.environment import EXTRA
from shared.settings.fields import variables
from shared.settings.model import Limits
from shared.settings.quantities import parse_bytes

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WAZUH_DOCKER: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose/wazuh-docker.yml").read_text())
REMOTE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose/remote-forwarder.yml").read_text())
ROLES = ("fetcher", "normalizer", "forwarder", "dashboard")
WORKERS = ("fetcher", "normalizer", "forwarder")
ONCE_ONLY = ("passwords", "grafana-password", "demo-settings", "check")
#: What is published, each on the loopback of the host.
PORTS = {
    "dashboard": ["127.0.0.1:${DASHBOARD_PORT:-9181}:9181"],
    "prometheus": ["127.0.0.1:${PROMETHEUS_PORT:-9090}:9090"],
    "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
}
MONITORING = ("metrics", "prometheus", "grafana-password", "grafana")
#: Of no role in a container.
ELSEWHERE = {"CWPIPE_RUN_NORMALIZERS"}


def default_of(text: str) -> str:
    """Return what a value is where none of its variables is set."""
    return re.sub(r"\$\{\w+(?::-([^}]*))?\}", lambda found: found[1] or "", text)


def seconds(text: str) -> float:
    """Return the seconds of one of Compose's durations, such as 90s."""
    return float(text.removesuffix("s"))


def option(name: str) -> str:
    """Return what follows an option in Redis's command line."""
    command = SERVICES["redis"]["command"]
    return str(command[command.index(name) + 1])


def environment_of(service: str) -> dict[str, str | None]:
    return dict(SERVICES[service].get("environment", {}))


def test_redis_keeps_what_it_has_acknowledged() -> None:
    """Batches, checkpoints and remembered ids live nowhere else; an evicted key would be a lost batch."""
    assert ("yes", "everysec", "noeviction") == (
        option("--appendonly"),
        option("--appendfsync"),
        option("--maxmemory-policy"),
    )
    assert "redis-data:/data" in SERVICES["redis"]["volumes"]


def test_redis_is_never_filled_by_what_the_fetcher_may_queue() -> None:
    """A full Redis refuses even the transactions that would empty it: the budget is half of it at most."""
    limits, maxmemory = Limits(), parse_bytes(default_of(option("--maxmemory")).replace("gb", "GiB"))

    assert maxmemory >= 2 * (limits.queued_bytes + limits.kept_original_bytes)
    # A rewrite of the append-only file copies what changes meanwhile.
    assert parse_bytes(default_of(SERVICES["redis"]["mem_limit"]).replace("g", "GiB")) >= 2 * maxmemory


def test_the_password_of_redis_is_no_argument_and_no_variable() -> None:
    """Both are shown by `docker inspect`, and the first by `ps`."""
    assert "/run/cwpipe/passwords/redis.conf" == SERVICES["redis"]["command"][1]
    assert "environment" not in SERVICES["redis"]
    for role in ROLES:
        assert not re.search(r"://[^/]*@", str(environment_of(role)["CWPIPE_REDIS_URL"]))
        assert environment_of(role)["CWPIPE_REDIS_PASSWORD_FILE"] == "/run/cwpipe/passwords/redis-password"


@pytest.mark.parametrize("role", ROLES)
def test_a_stop_has_the_time_it_takes(role: str) -> None:
    """After it comes SIGKILL, and events are sent again. The longest: a call to AWS, the confirmation of what was sent."""
    call = CONFIG_OF_CALLS.connect_timeout + CONFIG_OF_CALLS.read_timeout  # type: ignore[attr-defined]

    assert seconds(SERVICES[role]["stop_grace_period"]) > max(call, CONFIRM_ON_STOP_SECONDS) + 10


@pytest.mark.parametrize("role", ROLES)
def test_a_stuck_role_is_found_in_two_minutes(role: str) -> None:
    """By its last sign of life, not by its process: that one lives."""
    check = SERVICES[role]["healthcheck"]

    assert ["CMD", "cwpipe", "health"] == check["test"]
    assert STUCK_SECONDS + check["retries"] * seconds(check["interval"]) <= 120
    assert "/tmp/alive" == environment_of(role)["CWPIPE_ALIVE_FILE"]  # noqa: S108 - of a container's own


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_no_more_than_it_has_to(name: str) -> None:
    """Of every service, those of the demo too."""
    service = SERVICES[name]

    assert service["read_only"]
    assert ["ALL"] == service["cap_drop"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert service["mem_limit"]
    assert service["pids_limit"] > 0
    assert re.match(r"[1-9]", service.get("user", "10001"))


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" in SERVICES[name]])
def test_an_image_that_is_built_here_is_asked_of_no_registry(name: str) -> None:
    """Compose pulls before it builds, and whoever holds the name there would be obeyed."""
    assert "never" == default_of(SERVICES[name]["pull_policy"])


@pytest.mark.parametrize("name", SERVICES)
def test_what_works_for_good_is_started_again(name: str) -> None:
    """RQ's workers end when Redis goes away. The loader ends well only when it has put all there is to put."""
    expected = "no" if name in ONCE_ONLY else "on-failure" if name == "demo-loader" else "unless-stopped"

    assert expected == SERVICES[name]["restart"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_name_is_fixed_and_no_port_but_those_to_look_at(name: str) -> None:
    """Two containers of one name, or with one port of the host, cannot be: --scale would fail."""
    service = SERVICES[name]

    assert {"container_name", "hostname", "network_mode"} & service.keys() <= {"network_mode"}
    assert service.get("network_mode", "none") == "none"
    assert PORTS.get(name) == service.get("ports")


def test_the_queues_network_leads_nowhere() -> None:
    """Only the fetcher needs the world, and the dashboard a port."""
    assert COMPOSE["networks"]["queues"]["internal"]
    inside = ("redis", "normalizer", "forwarder", "metrics")
    assert {name: ["queues"] for name in inside} == {name: SERVICES[name]["networks"] for name in inside}


def test_monitoring_is_there_for_those_who_ask_for_it() -> None:
    """Its images come from elsewhere; and nothing that works waits for it."""
    assert set(MONITORING) == {name for name in SERVICES if SERVICES[name].get("profiles") == ["monitoring"]}
    waited_for = {name: set(SERVICES[name].get("depends_on", {})) & set(MONITORING) for name in SERVICES}
    assert {"grafana"} == {name for name, those in waited_for.items() if those}


def test_grafana_sees_prometheus_and_nothing_else_of_ours() -> None:
    """No queue, no Redis, no password but its own, which stands in no variable; and it asks everybody for one."""
    grafana, environment = SERVICES["grafana"], SERVICES["grafana"]["environment"]

    assert ["monitoring"] == grafana["networks"]
    assert ["prometheus", "grafana"] == [
        name for name in SERVICES if "monitoring" in (SERVICES[name].get("networks") or [])
    ]
    assert "/run/cwpipe/passwords/grafana-password" == environment["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    assert "grafana-password:/run/cwpipe/passwords:ro" in grafana["volumes"]
    assert not [volume for volume in grafana["volumes"] if volume.startswith("passwords:")]
    assert ["grafana-password:/run/cwpipe/passwords"] == SERVICES["grafana-password"]["volumes"]
    assert ("false", "false") == (environment["GF_AUTH_ANONYMOUS_ENABLED"], environment["GF_USERS_ALLOW_SIGN_UP"])
    assert [name for name in environment if "PASSWORD" in name] == ["GF_SECURITY_ADMIN_PASSWORD__FILE"]


def test_prometheus_keeps_what_it_has_and_reads_the_projects_own_rules() -> None:
    """It may write nowhere but into its volume, and has no secret."""
    prometheus = SERVICES["prometheus"]

    assert ["./deploy/prometheus:/etc/prometheus:ro", "prometheus-data:/prometheus"] == prometheus["volumes"]
    assert {"--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"} <= set(
        prometheus["command"]
    )
    assert "environment" not in prometheus


@pytest.mark.parametrize("role", [*WORKERS, "metrics"])
def test_a_role_serves_metrics_where_prometheus_looks_for_them(role: str) -> None:
    """By the one line of .env that the example names."""
    written = re.search(r"^#CWPIPE_METRICS_ADDRESS=(.+)$", (ROOT / ".env.example").read_text(), re.M)
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    sought = [one["dns_sd_configs"][0] for one in config["scrape_configs"]]
    offset = {str(name): moved for name, moved in _PORT_OFFSETS.items()}

    assert written is not None
    host, _, port = written[1].partition(":")
    assert "0.0.0.0" == host  # of a container
    assert [int(port) + offset[role]] == [place["port"] for place in sought if role in place["names"]]
    assert set(SERVICES[role]["networks"]) & set(SERVICES["prometheus"]["networks"])
    assert "CWPIPE_METRICS_ADDRESS" in environment_of(role)


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_a_setting_and_every_setting_can_be_given(role: str) -> None:
    """An unknown one keeps the role from starting; one that is not handed on would be set in .env for nothing."""
    known = {*variables(), *EXTRA}
    given = {name for name in environment_of(role) if name.startswith("CWPIPE_")}
    wanted = {name for name in variables() if not name.startswith("CWPIPE_DASHBOARD_")} - ELSEWHERE

    assert set() == given - known
    assert set() == wanted - given, "add it to x-settings in docker-compose.yml"


def test_every_setting_of_the_dashboard_can_be_given() -> None:
    """It alone reads them."""
    wanted = {name for name in variables() if name.startswith("CWPIPE_DASHBOARD_")}

    assert set() == wanted - environment_of("dashboard").keys()


@pytest.mark.parametrize("role", ["normalizer", "forwarder", "dashboard"])
def test_credentials_of_aws_are_the_fetchers_alone(role: str) -> None:
    """Nobody else calls AWS."""
    assert {"AWS_REGION", "AWS_DEFAULT_REGION"} >= {name for name in environment_of(role) if name.startswith("AWS_")}
    assert not [volume for volume in SERVICES[role]["volumes"] if "/.aws" in str(volume)]


def test_tls_is_never_verified_against_an_empty_name() -> None:
    """AWS_CA_BUNDLE set to nothing, as .env files often have it, breaks every call."""
    assert default_of(str(environment_of("fetcher")["AWS_CA_BUNDLE"])).startswith("/etc/ssl/")


def test_wazuhs_directory_is_mounted_for_reading_and_never_made() -> None:
    """The directory: a restarted analysisd binds a new socket. A wrong path must not become a new directory of root's."""
    mounts = [volume for volume in SERVICES["forwarder"]["volumes"] if isinstance(volume, dict)]
    (wazuh,) = [mount for mount in mounts if mount["target"] == "/var/ossec/queue"]

    assert ("bind", True, False) == (wazuh["type"], wazuh["read_only"], wazuh["bind"]["create_host_path"])
    assert (ROOT / default_of(wazuh["source"])).is_dir()


@pytest.mark.parametrize("name", ["forwarder", "forwarder-worker", "check"])
def test_beside_wazuh_docker_nothing_is_ever_written_into_the_managers_volume(name: str) -> None:
    """A manager fills its volume only as long as that is empty; Docker fills one too, without nocopy."""
    (mount,) = WAZUH_DOCKER["services"][name]["volumes"]

    assert ("volume", "/var/ossec/queue", True, {"nocopy": True}) == (
        mount["type"],
        mount["target"],
        mount["read_only"],
        mount["volume"],
    )
    assert WAZUH_DOCKER["volumes"][mount["source"]]["external"]


def test_on_another_host_only_the_forwarder_runs() -> None:
    """All else is behind a profile that nothing asks for: `up` starts neither a second Redis nor a second fetcher."""
    remote = REMOTE["services"]
    started = {name for name in SERVICES if not (SERVICES[name] | remote.get(name, {})).get("profiles")}

    assert {"forwarder"} == started
    assert remote.keys() <= SERVICES.keys()
    needs = SERVICES["forwarder"]["depends_on"] | remote["forwarder"]["depends_on"]
    assert not [name for name, need in needs.items() if need.get("required", True)]


def test_a_forwarder_on_another_host_reaches_redis_by_tls_and_shows_no_password() -> None:
    """It needs a network that leads out, and files that the image's user may read; nothing is made in their place."""
    forwarder = REMOTE["services"]["forwarder"]
    given = forwarder["environment"]
    (mount,) = forwarder["volumes"]

    assert set(given) <= {*variables(), *EXTRA}
    assert re.match(r"\$\{CWPIPE_REDIS_URL:\?.*rediss://", given["CWPIPE_REDIS_URL"])
    assert {Path(given[name]).parent for name in given if name != "CWPIPE_REDIS_URL"} == {Path(mount["target"])}
    assert (True, False) == (mount["read_only"], mount["bind"]["create_host_path"])
    assert [name for name in forwarder["networks"] if not (REMOTE["networks"][name] or {}).get("internal")]


def test_the_example_of_an_env_file_names_what_compose_reads() -> None:
    """A name that nothing reads would be filled in for nothing."""
    read = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    read |= {name for service in SERVICES.values() for name in service.get("environment", {})}
    read |= set(re.findall(r"\$\{(\w+)", (ROOT / "deploy/compose/wazuh-docker.yml").read_text()))
    named = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))

    assert set() == named - read - {"COMPOSE_FILE", "COMPOSE_PROFILES"}


def test_every_service_of_aws_that_is_asked_is_left_in_the_image() -> None:
    """The Dockerfile takes the others out of boto3."""
    asked = {
        found
        for module in (ROOT / "shared/aws").glob("*.py")
        for found in re.findall(r"""\.client\(\s*["']([\w-]+)["']""", module.read_text())
    }
    left = set(re.findall(r"! -name ([\w-]+)", (ROOT / "Dockerfile").read_text()))

    assert asked
    assert set() == asked - left


def test_compose_itself_agrees_with_all_profiles(tmp_path: Path) -> None:
    """Where there is a Compose: it needs no engine for that."""
    compose = ["docker", "compose"]
    if not shutil.which("docker") or subprocess.run([*compose, "version"], capture_output=True, check=False).returncode:
        pytest.skip("there is no Docker Compose on this machine")
    (tmp_path / "env").touch()
    profiles = [word for name in ("monitoring", "demo", "check", "multi-node") for word in ("--profile", name)]
    done = subprocess.run(
        [*compose, "--project-directory", ROOT, "--env-file", tmp_path / "env", *profiles, "config", "--services"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert set(SERVICES) == set(done.stdout.split())
