"""One stack, looked at, then mistreated in every way that happens to stacks. The tests go in their order: each leaves a
healthy stack to the next, until the last takes it away.
"""

import json
import signal
from time import monotonic

import pytest

from tests.compose.stack import ROLES, WORKERS, Counts, Stack, eventually, eventually_is

ONCE_ONLY = ("passwords", "demo-settings")
SCALED = ("--scale", "normalizer=4", "--scale", "fetcher=2", "--scale", "forwarder=2")
#: Events a second while things are broken.
RATE = "100"
#: What a forwarder may have sent and not yet have recorded as confirmed.
WINDOW = 1_000
#: A sign of life is stale after 80 s, looked at every 20 s, and found so twice; then some, on a busy machine.
STUCK_SECONDS = 150
PASSWORDS = "/run/cwpipe/passwords"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def put() -> tuple[Counts, Counts]:
    """All that was put so far by group: events, and those in JSON. Tests add to it."""
    return {}, {}


def add(put: tuple[Counts, Counts], more: tuple[Counts, Counts]) -> None:
    """Add counts to counts."""
    for so_far, counts in zip(put, more, strict=True):
        for group, count in counts.items():
            so_far[group] = so_far.get(group, 0) + count


def missing(put: Counts, arrived: Counts) -> Counts:
    """Return how many of what was put have not arrived, by group."""
    return {group: count - arrived.get(group, 0) for group, count in put.items() if arrived.get(group, 0) < count}


def test_every_event_that_was_put_arrives_once(stack: Stack, put: tuple[Counts, Counts]) -> None:
    """The promise of the whole, with nothing set: by group, and by the ids of those events that carry one."""
    add(put, stack.stop_loading())

    assert 24_000 <= sum(put[0].values())
    eventually_is(put, stack.report, 30)


def test_check_finds_all_it_needs(stack: Stack) -> None:
    """It runs where all that the roles have is at hand."""
    assert {"ok"} == {line.split()[0] for line in stack.compose("run", "--rm", "--no-TTY", "check").splitlines()}


@pytest.mark.parametrize("service", [*ROLES, "redis", "passwords", "demo-cloudwatch", "demo-receiver"])
def test_a_container_can_do_no_more_than_it_has_to(stack: Stack, service: str) -> None:
    """A fault in any of them is not the host's."""
    for found in stack.inspect(service):
        host = found["HostConfig"]

        assert int(found["Config"]["User"].split(":")[0]) > 0
        assert host["ReadonlyRootfs"]
        assert not host["Privileged"]
        assert ["ALL"] == host["CapDrop"]
        assert not host["CapAdd"]
        assert ["no-new-privileges:true"] == host["SecurityOpt"]
        assert host["Memory"] > 0
        assert host["PidsLimit"] > 0


@pytest.mark.parametrize("service", [*ROLES, "redis"])
def test_a_process_is_no_root_and_may_write_to_its_scratch_space_only(stack: Stack, service: str) -> None:
    """Tried, not only declared."""
    assert "0" != stack.run_in(service, "id", "-u").strip()
    tried = "for d in / /opt /etc /run/cwpipe/passwords; do touch $d/x 2>/dev/null && echo $d; done; touch /tmp/x && echo ok"
    assert "ok\n" == stack.run_in(service, "sh", "-c", tried)
    assert "0000000000000000" == stack.run_in(service, "sh", "-c", "grep CapEff /proc/self/status").split()[1]


def test_what_works_for_good_is_started_again_and_what_works_once_is_not(stack: Stack) -> None:
    """RQ's workers end when Redis goes away: only the engine brings them back."""
    policies = {
        found["Config"]["Labels"]["com.docker.compose.service"]: found["HostConfig"]["RestartPolicy"]["Name"]
        for found in stack.inspect()
    }

    assert {"unless-stopped"} == {policies[service] for service in (*ROLES, "redis")}
    assert {"no"} == {policies[service] for service in ONCE_ONLY}


def test_the_dashboard_alone_has_a_port_on_the_host_and_on_its_loopback_only(stack: Stack) -> None:
    """Docker's published ports pass by the host's firewall."""
    published = {
        found["Config"]["Labels"]["com.docker.compose.service"]: [
            binding["HostIp"] for bindings in found["NetworkSettings"]["Ports"].values() for binding in bindings or []
        ]
        for found in stack.inspect()
    }

    assert {"dashboard": ["127.0.0.1"]} == {service: addresses for service, addresses in published.items() if addresses}


def test_redis_cannot_leave_its_network_and_the_fetcher_can(stack: Stack) -> None:
    """What holds the queues needs no way out, to the world or to another network of the host."""
    networks = stack.inspect("demo-cloudwatch")[0]["NetworkSettings"]["Networks"]
    address = next(iter(networks.values()))["IPAddress"]
    leave = "timeout 3 bash -c 'exec 3<>/dev/tcp/{}/{}' 2>/dev/null && echo out"

    assert "" == stack.run_in("redis", "sh", "-c", leave.format(address, 5000), check=False)
    assert "" == stack.run_in("redis", "sh", "-c", leave.format("1.1.1.1", 443), check=False)
    assert "out\n" == stack.run_in("fetcher", "sh", "-c", leave.format(address, 5000), check=False)
    assert "true\n" == stack.docker("network", "inspect", "--format", "{{.Internal}}", f"{stack.project}_queues")


def test_wazuhs_directory_is_mounted_for_reading_only(stack: Stack) -> None:
    """Sending needs no more, and nothing of Wazuh's is ours to change."""
    mounts = {mount["Destination"]: mount["RW"] for mount in stack.inspect("forwarder")[0]["Mounts"]}

    assert mounts["/var/ossec/queue"] is False


def test_passwords_are_seen_nowhere_but_in_their_files(stack: Stack) -> None:
    """Not in what docker inspect shows to its users, not in logs, not in what ps or a core of the environment shows."""
    secrets = [
        stack.run_in("normalizer", "cat", f"{PASSWORDS}/{name}-password").strip() for name in ("redis", "dashboard")
    ]
    shown = json.dumps(stack.inspect()) + stack.compose("logs") + stack.compose("config")
    for service in (*ROLES, "redis"):
        shown += "".join(stack.docker("top", found, "-o", "pid,args") for found in stack.containers(service))
        shown += stack.run_in(service, "sh", "-c", "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'", check=False)

    assert [False, False] == [secret in shown for secret in secrets]
    assert 2 == len({secret for secret in secrets if len(secret) >= 24})


@pytest.fixture(scope="module")
def stuck(stack: Stack) -> tuple[list[str], float]:
    """One worker of each role, stopped in its tracks, with whatever it had in hand; and since when."""
    containers = [stack.containers(service)[0] for service in ROLES]
    stack.signal(signal.SIGSTOP, *containers)
    return containers, monotonic()


def test_more_workers_are_a_matter_of_one_option(stack: Stack, stuck: tuple[list[str], float]) -> None:
    """Neither a name nor a port of theirs is fixed. They take over, for those that there were are stuck."""
    stack.set(DEMO_RATE=RATE)
    stack.compose("up", "--detach", *SCALED)
    more = [found for role in WORKERS for found in stack.containers(role) if found not in stuck[0]]

    assert 3 + 1 + 1 == len(more)
    eventually(lambda: stack.are_healthy(*more), 90, "the new workers are healthy")


@pytest.mark.parametrize("service", [*WORKERS, "redis", "forwarder"])
def test_what_is_killed_is_started_again(stack: Stack, stuck: tuple[list[str], float], service: str) -> None:
    """By SIGKILL from outside, all of a service at once. What became of the events, a later test asks."""
    stack.crash(service, *stuck[0])


@pytest.mark.parametrize("service", ["redis", "demo-receiver"])
def test_what_the_workers_need_may_be_restarted_at_any_time(stack: Stack, service: str) -> None:
    """Redis, and the receiver: it binds a new socket. What became of the events, a later test asks."""
    stack.compose("restart", service)


def test_a_stuck_worker_is_found_though_its_process_lives(stack: Stack, stuck: tuple[list[str], float]) -> None:
    """In some two minutes. One that goes on after that does no harm."""
    containers, since = stuck
    eventually(
        lambda: {"unhealthy"} == {state["Health"]["Status"] for state in stack.states(*containers)},
        STUCK_SECONDS - (monotonic() - since),
        "stuck workers are found",
    )

    assert {"running"} == {state["Status"] for state in stack.states(*containers)}
    stack.signal(signal.SIGCONT, *containers)
    eventually(lambda: stack.is_healthy(*ROLES, "redis"), 90, "all containers are healthy again")


def test_after_all_that_every_event_has_arrived(stack: Stack, put: tuple[Counts, Counts]) -> None:
    """Some perhaps twice, within the bound that is promised, and never more than the books say.

    Events in JSON are told apart by their ids; a line of text that is there twice could stand for another of its group.
    """
    add(put, stack.stop_loading())
    everything, in_json = put
    eventually_is(in_json, lambda: stack.report()[1], 60)
    # What was put last is fetched in its own time, and reported up to a second after it was confirmed.
    eventually_is({}, lambda: missing(everything, stack.report()[0]), 60)
    eventually(lambda: not stack.status()["in_flight"], 60, "every event is accounted for")
    again = sum(stack.settled_report()[0].values()) - sum(everything.values())

    assert again <= stack.status()["total"]["sent_again"]
    # Twice one forwarder was killed, once one was stuck, three times both lost what they need.
    assert again <= (2 + 1 + 3 * 2) * WINDOW


def test_a_stop_is_quick_and_clean_and_a_second_start_goes_on(stack: Stack, put: tuple[Counts, Counts]) -> None:
    """Well within the grace period, with exit code 0; nothing is sent again, and the passwords stay."""
    secrets = stack.run_in("normalizer", "sh", "-c", f"cat {PASSWORDS}/*")
    before = stack.settled_report()[0]
    stack.compose("start", "demo-loader")
    eventually(lambda: before != stack.report()[0], 30, "events are on their way")
    began = monotonic()
    stack.compose("stop", *ROLES, "redis")
    seconds = monotonic() - began
    codes = {found["State"]["ExitCode"] for found in stack.inspect(*ROLES, "redis")}
    stack.compose("up", "--detach", *SCALED)
    more, _ = stack.stop_loading()

    assert {0} == codes
    assert seconds < 30
    assert secrets == stack.run_in("normalizer", "sh", "-c", f"cat {PASSWORDS}/*")
    expected = {group: count + more.get(group, 0) for group, count in before.items()}
    eventually_is(expected, lambda: stack.report()[0], 60)


def test_beside_wazuh_docker_each_manager_has_a_forwarder_that_leaves_its_volume_alone(stack: Stack) -> None:
    """A manager fills its volume only as long as it finds that empty. Here it starts last, the other way round."""
    volumes = [f"{stack.project}-{node}" for node in ("master", "worker")]
    for volume in volumes:
        stack.docker("volume", "create", volume)
    try:
        stack.set(WAZUH_VOLUME=volumes[0], WAZUH_WORKER_VOLUME=volumes[1], COMPOSE_PROFILES="demo,multi-node")
        stack.set(CWPIPE_WAZUH_QUEUE_SOCKET="/var/ossec/queue/sockets/queue")  # the demo's settings say another
        beside = ("up", "--detach", "--no-deps", "forwarder", "forwarder-worker")
        stack.compose(*beside, also="deploy/compose/wazuh-docker.yml")
        stack.compose("start", "demo-loader")
        left = [stack.in_volume(volume, "ls -A") for volume in volumes]
        for volume in volumes:
            stack.start_manager(volume)
        eventually(lambda: all(stack.received(volume) for volume in volumes), 60, "both managers receive events")
        more, _ = stack.stop_loading()

        assert ["", ""] == left
        eventually_is(sum(more.values()), lambda: sum(stack.received(volume) for volume in volumes), 60)
    finally:
        stack.compose(
            "rm", "--stop", "--force", "forwarder", "forwarder-worker", also="deploy/compose/wazuh-docker.yml"
        )
        for volume in volumes:
            stack.docker("rm", "--force", volume)
            stack.docker("volume", "rm", volume)


def test_nothing_is_left_of_it(stack: Stack) -> None:
    """`down --volumes` takes containers, networks and volumes away."""
    stack.compose("down", "--volumes")
    ours = ("--quiet", "--filter", f"label=com.docker.compose.project={stack.project}")

    assert "" == stack.docker("ps", "--all", *ours)
    assert "" == stack.docker("volume", "ls", *ours)
    assert "" == stack.docker("network", "ls", *ours)
