"""Redis behind Sentinels: its primary is killed in the middle of the work, and a replica takes its place."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.system.host import Host, numbered, soon
from tests.valkey import SentinelOf, Valkey

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

GROUPS = ("/app/shop", "/app/pay", "/app/mail")
PERSISTENT = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "primary", *PERSISTENT) as primary:
        yield primary


@pytest.fixture
def replica(tmp_path: Path, primary: Valkey) -> Iterator[Valkey]:
    with Valkey(tmp_path / "replica", *PERSISTENT, "--replicaof", f"127.0.0.1 {primary.port}") as replica:
        soon(lambda: _info(replica)["master_link_status"] == "up", "the replica has what the primary has")
        yield replica


@pytest.fixture
def sentinels(tmp_path: Path, primary: Valkey, replica: Valkey) -> Iterator[list[SentinelOf]]:
    """Two, each of which may decide alone: what is looked at is cwpipe, not their vote."""
    with (
        SentinelOf(tmp_path / "sentinel-1", primary) as one,
        SentinelOf(tmp_path / "sentinel-2", primary) as other,
    ):
        for sentinel in (one, other):
            with sentinel.client() as client:
                soon(lambda: client.sentinel_slaves("mymaster"), "the Sentinel knows the replica")
        yield [one, other]


def _info(server: Valkey) -> dict[str, Any]:
    with server.client() as client:
        answer: dict[str, Any] = client.info("replication")
    return answer


def _is_primary(server: Valkey) -> bool:
    try:
        return bool(_info(server)["role"] == "master")
    except redis.ConnectionError:
        return False


def test_every_event_arrives_though_the_primary_dies(
    host: Host, primary: Valkey, replica: Valkey, sentinels: list[SentinelOf]
) -> None:
    """What was not replicated is rolled back as a whole, so it is read again: events may come twice, none is missing."""
    addresses = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels)
    host.configure("/app/*", top=f'redis_url = "redis+sentinel://{addresses}/mymaster/0"')
    said = numbered(2_000)
    for group in GROUPS:
        host.put(group, said, age_seconds=60)
    run = host.start()
    soon(lambda: len(host.receiver.datagrams) > 500, "the work has begun")
    primary.kill()
    was_delivered = len(host.receiver.datagrams)
    later = numbered(300, "later")
    for group in GROUPS:
        host.put(group, later, age_seconds=1, stream="later")
    soon(lambda: _is_primary(replica), "the replica is the primary now")
    for group in GROUPS:
        host.wait_delivered(group, [*said, *later])
    soon(lambda: not host.status()["in_flight"], "all is booked")
    status = host.status()

    assert was_delivered < len(GROUPS) * len(said), "the primary was killed too late to show anything"
    assert (0, 0) == (status["dead_letters"], status["in_flight"])
    arrived = Counter(text for group in GROUPS for text in host.delivered(group))
    assert len(GROUPS) * (len(said) + len(later)) <= arrived.total()
    assert status["total"]["delivered"] <= arrived.total()
    assert 0 == run.end().exit_code, run.err
    assert "Traceback" not in run.err
