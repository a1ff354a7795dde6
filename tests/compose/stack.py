"""A stack of docker-compose.yml, driven as an operator would: by the command lines of Docker and of nothing else."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

ROOT = Path(__file__).parents[2]
WORKERS = ("fetcher", "normalizer", "forwarder")
ROLES = (*WORKERS, "dashboard")
REPORT = "/run/cwpipe/demo/received.json"
#: The receiver writes it about so often.
REPORT_SECONDS = 1.0
Counts = dict[str, int]


class Stack:
    """One compose project, its images and port its own, untouched by any .env and by what the shell has set."""

    def __init__(self, project: str, **variables: str) -> None:
        self.project = project
        self.image, self.demo_image = f"{project}:local", f"{project}-demo:local"
        kept = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "HTTPS_PROXY", "NO_PROXY")
        self._environ = {name: value for name, value in os.environ.items() if name in kept}  # noqa: TID251
        self._environ |= {
            "COMPOSE_PROFILES": "demo",
            "CWPIPE_IMAGE": self.image,
            "CWPIPE_DEMO_IMAGE": self.demo_image,
        } | variables

    def docker(self, *arguments: str, seconds: float = 60, check: bool = True) -> str:
        """Return what a docker command prints on standard output; fail with all it printed if it fails."""
        return self._run("docker", *arguments, seconds=seconds, check=check)

    def compose(self, *arguments: str, seconds: float = 180, check: bool = True, also: str = "") -> str:
        """Run docker compose on this project, with the demo's profile; `also` names a second file."""
        files = ["-f", "docker-compose.yml", *(["-f", also] if also else [])]
        options = ["--env-file", "/dev/null", "--project-name", self.project, *files]
        return self._run("docker", "compose", *options, *arguments, seconds=seconds, check=check)

    def set(self, **variables: str) -> None:
        """Set variables of the compose file from now on."""
        self._environ |= variables

    def containers(self, service: str = "") -> list[str]:
        """Return the ids of the containers of a service, or of all, running or not."""
        return self.compose("ps", "--all", "--quiet", *([service] if service else [])).split()

    def inspect(self, *services: str) -> list[dict[str, Any]]:
        """Return what Docker tells of the containers of these services, or of all."""
        return self.inspect_ids(*(found for service in services or [""] for found in self.containers(service)))

    def inspect_ids(self, *containers: str) -> list[dict[str, Any]]:
        """Return what Docker tells of these containers."""
        inspected: list[dict[str, Any]] = json.loads(self.docker("inspect", *containers)) if containers else []
        return inspected

    def states(self, *containers: str) -> list[dict[str, Any]]:
        """Return the states of these containers."""
        return [found["State"] for found in self.inspect_ids(*containers)]

    def run_in(self, service: str, *command: str, check: bool = True) -> str:
        """Return what a command prints that runs in a container of the service."""
        return self.compose("exec", "--no-TTY", service, *command, check=check)

    def signal(self, number: signal.Signals, *containers: str) -> None:
        """Send a signal to all processes of these containers, from outside: the engine takes it for an accident."""
        pids = [pid for container in containers for pid in self._processes(container)]
        command = f"kill -{number.value} {' '.join(pids)}; true"  # some are gone with their parent
        outside = ("--pid", "host", "--user", "0:0", "--network", "none", "--entrypoint", "sh")
        self.docker("run", "--rm", *outside, self.image, "-c", command)

    def _processes(self, container: str) -> list[str]:
        """Return the ids of a container's processes; wait for it where it just ended, as Redis was away when it began."""
        found: list[str] = []

        def are_there() -> bool:
            found[:] = self.docker("top", container, "-o", "pid", check=False).split()[1:]
            return bool(found)

        eventually(are_there, 60, f"{container} runs")
        return found

    def crash(self, service: str, *spared: str) -> None:
        """Kill all containers of a service but the `spared` with SIGKILL, and wait until each has been restarted."""
        victims = [found for found in self.inspect(service) if found["Id"] not in spared]
        before = {found["Id"]: found["RestartCount"] for found in victims}
        self.signal(signal.SIGKILL, *before)

        def restarted() -> bool:
            now = self.inspect_ids(*before)
            return all(found["RestartCount"] > before[found["Id"]] and found["State"]["Running"] for found in now)

        eventually(restarted, 60, f"a killed {service} is restarted")

    def is_healthy(self, *services: str) -> bool:
        """Tell whether each container of these services, or of all, runs and is healthy if it can say so."""
        return all(_is_well(found) for found in self.inspect(*services))

    def are_healthy(self, *containers: str) -> bool:
        """Tell the same of these containers."""
        return all(_is_well(found) for found in self.inspect_ids(*containers))

    def report(self, service: str = "demo-receiver") -> tuple[Counts, Counts]:
        """Return what the receiver has counted by group: datagrams, and different ids of events in JSON."""
        report = json.loads(self.run_in(service, "cat", REPORT))
        return report["counts"], report["distinct"]

    def settled_report(self) -> tuple[Counts, Counts]:
        """Return the same once it shows all that was received before this was called."""
        sleep(2 * REPORT_SECONDS)
        return self.report()

    def status(self) -> dict[str, Any]:
        """Return what `cwpipe status` says."""
        status: dict[str, Any] = json.loads(self.run_in("dashboard", "cwpipe", "status", "--json"))
        return status

    def stop_loading(self) -> tuple[Counts, Counts]:
        """End the loader; return what it has put by group since its start: events, and those in JSON."""
        self.compose("stop", "demo-loader")
        said = json.loads(self.compose("logs", "--no-log-prefix", "demo-loader").splitlines()[-1])
        put, in_json = ({group: count for group, count in said[key].items() if count} for key in ("put", "json"))
        return put, in_json

    def in_volume(self, volume: str, command: str) -> str:
        """Return what a shell command prints that runs in a volume."""
        mounted = ("--volume", f"{volume}:/volume", "--workdir", "/volume", "--user", "0:0", "--network", "none")
        return self.docker("run", "--rm", *mounted, "--entrypoint", "sh", self.image, "-c", command)

    def start_manager(self, volume: str) -> None:
        """Start what stands in for a manager of wazuh-docker, on its volume and of its name: owners and modes are as there."""
        commands = (
            "chgrp 999 /queue && chmod 0750 /queue && install -d -o 999 -g 999 -m 0770 /queue/sockets && "
            "exec setpriv --reuid 999 --regid 999 --clear-groups python -m services.demo.receiver "
            "/queue/sockets/queue --report /queue/sockets/report"
        )
        options = ("--name", volume, "--volume", f"{volume}:/queue", "--user", "0:0", "--network", "none")
        self.docker("run", "--detach", *options, "--entrypoint", "sh", self.demo_image, "-c", commands)

    def received(self, volume: str) -> int:
        """Return how many datagrams that manager has received."""
        report = self.docker("exec", volume, "cat", "/queue/sockets/report", check=False)
        return sum(json.loads(report)["counts"].values()) if report else 0

    def _run(self, *command: str, seconds: float, check: bool) -> str:
        done = subprocess.run(
            command, cwd=ROOT, env=self._environ, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert not check or not done.returncode, (
            f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout


def eventually(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Return as soon as `condition` holds; fail when it does not within `seconds`."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        sleep(0.5)


def eventually_is(expected: object, ask: Callable[[], object], seconds: float) -> None:
    """Return as soon as `ask` returns what is expected; fail with the difference when it does not within `seconds`."""
    deadline = monotonic() + seconds
    while (answer := ask()) != expected and monotonic() < deadline:
        sleep(0.5)

    assert expected == answer


def _is_well(found: dict[str, Any]) -> bool:
    state = found["State"]
    if found["HostConfig"]["RestartPolicy"]["Name"] == "no":
        return bool(state["Status"] == "exited" and state["ExitCode"] == 0)
    return bool(state["Running"] and state.get("Health", {"Status": "healthy"})["Status"] == "healthy")
