"""Redis behind Sentinels: found, followed in a failover, and what is said where they do not lead to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from shared import keys, store
from shared.errors import Unreachable
from shared.store import Access
from tests.certificates import Authority
from tests.eventually import eventually
from tests.tls_front import TlsFront
from tests.valkey import SentinelOf, Valkey, free_port

SECRET = "s3cr3t-p4ssw0rd"


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("primary")) as primary:
        yield primary


@pytest.fixture(scope="module")
def sentinel(primary: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelOf]:
    with SentinelOf(tmp_path_factory.mktemp("sentinel"), primary) as sentinel:
        yield sentinel


def refusal(url: str, **access: str) -> str:
    """Return what is said of the Redis at `url`; the test fails if it is taken."""
    client = store.connect(url, access=Access(**access))
    with pytest.raises(Unreachable) as raised:
        store.verify(client, url)
    client.close()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_primary_is_found(primary: Valkey, sentinel: SentinelOf) -> None:
    """By the first Sentinel that answers; the others may be down. The number of the database counts."""
    url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}/mymaster/3"
    client = store.connect(url)
    store.verify(client, url)
    client.close()

    with redis.Redis(port=primary.port, db=3) as direct:
        assert keys.LAYOUT.encode() == direct.get(keys.VERSION)


def test_another_service_is_not_known(sentinel: SentinelOf) -> None:
    """A typing mistake: the names there are shown."""
    said = refusal(f"redis+sentinel://127.0.0.1:{sentinel.port}/mistress")

    assert "is not known to its Sentinel as mistress (what it knows: mymaster)" in said


def test_no_sentinel_that_answers_is_said(sentinel: SentinelOf) -> None:
    said = refusal(f"redis+sentinel://:{SECRET}@127.0.0.1:{free_port()},127.0.0.1:{free_port()}/mymaster")

    assert "none of its Sentinels answers" in said
    assert SECRET not in said


def test_a_sentinel_taken_for_redis_is_said(sentinel: SentinelOf) -> None:
    """Its port is the one that people know."""
    assert "is a Sentinel: write redis_url as redis+sentinel://" in refusal(sentinel.url)


def test_passwords_of_both_are_their_own(tmp_path: Path) -> None:
    """The URL has Redis's; the Sentinels' is in a file."""
    (tmp_path / "file").write_text(f"{SECRET}\n")
    with (
        Valkey(tmp_path / "primary", "--requirepass", "of-redis") as primary,
        SentinelOf(
            tmp_path / "sentinel", primary, "main", "sentinel auth-pass main of-redis", f"requirepass {SECRET}"
        ) as sentinel,
    ):
        url = f"redis+sentinel://:of-redis@127.0.0.1:{sentinel.port}/main/0"

        def is_taken() -> bool:
            client = store.connect(url, access=Access(sentinel_password_file=str(tmp_path / "file")))
            try:
                store.verify(client, url)
            except Unreachable:  # before the Sentinel has found its primary well
                return False
            finally:
                client.close()
            return True

        eventually(is_taken, what="the Sentinel names its primary")
        said = refusal(url)
        wrong = refusal(
            f"redis+sentinel://:wrong@127.0.0.1:{sentinel.port}/main/0", sentinel_password_file=str(tmp_path / "file")
        )

    assert "the Sentinel refuses the password or user" in said
    assert "redis_sentinel_password_file" in said
    assert "refuses the password or user" in wrong
    assert "Sentinel refuses" not in wrong


def test_tls_is_spoken_with_sentinels_too(primary: Valkey, sentinel: SentinelOf, tmp_path: Path) -> None:
    """A Sentinel that could be stood in for would lead anywhere."""
    authority = Authority(tmp_path)
    with TlsFront(sentinel.port, *authority.issue("server", "127.0.0.1")) as front:
        untrusted = refusal(f"rediss+sentinel://127.0.0.1:{front.port}/mymaster")
        url = f"rediss+sentinel://127.0.0.1:{front.port}/mymaster"
        found = store.connect(url, access=Access(ca_bundle=str(authority.file)))
        pool: Any = found.connection_pool
        named = pool.sentinel_manager.discover_master("mymaster")
        found.close()

    assert "the Sentinel has a certificate of an authority that is not trusted" in untrusted
    assert ("127.0.0.1", primary.port) == named


def test_a_connection_ends_when_its_server_becomes_a_replica(tmp_path: Path) -> None:
    """Without Sentinels: the name in redis_url leads elsewhere after a failover, but only new connections follow it."""
    with Valkey(tmp_path / "old") as old, Valkey(tmp_path / "new") as new:
        client = store.connect(old.url)
        store.verify(client, old.url)
        with old.client() as direct:
            direct.replicaof("127.0.0.1", str(new.port))

        with pytest.raises(redis.ConnectionError, match="replica"):
            client.set("a", 1)
        with client.pipeline() as pipe:
            pipe.set("a", 1)
            with pytest.raises(redis.ConnectionError, match="replica"):
                pipe.execute()
        assert "is a replica, which takes no writes" in refusal(old.url)
        client.close()


def test_cluster_mode_is_refused(tmp_path: Path) -> None:
    """A transaction over the keys of a batch cannot be there."""
    with Valkey(tmp_path / "cluster", "--cluster-enabled", "yes") as cluster:
        assert "runs in cluster mode" in refusal(cluster.url)
