"""Redis by TLS: who is let in, and what is said where a certificate is not taken."""

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared import store
from shared.errors import Unreachable
from shared.store import Access
from tests.certificates import Authority
from tests.tls_front import TlsFront
from tests.valkey import Valkey


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(directory: Path) -> Authority:
    return Authority(directory)


@pytest.fixture(scope="module")
def server(redis_url: str) -> str:
    """The socket of a real, empty server that speaks no TLS itself."""
    with store.connect(redis_url) as client:
        client.flushall()  # another test may have left the keys of a newer layout there
    return redis_url.removeprefix("unix://")


@pytest.fixture(scope="module")
def front(server: str, authority: Authority) -> Iterator[TlsFront]:
    """The same server by TLS, with a certificate for localhost and 127.0.0.1."""
    with TlsFront(server, *authority.issue("server", "localhost", "127.0.0.1")) as front:
        yield front


def refusal(url: str, **access: Path) -> str:
    """Return what is said of the Redis at `url`; the test fails if it is taken."""
    client = store.connect(url, access=Access(**{name: str(file) for name, file in access.items()}))
    with pytest.raises(Unreachable) as raised:
        store.verify(client, url)
    client.close()
    assert 3 == raised.value.exit_code
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_of_an_authority_that_is_named_is_taken(front: TlsFront, authority: Authority, host: str) -> None:
    """By the name or the address that it is for."""
    url = f"rediss://{host}:{front.port}/0"
    client = store.connect(url, access=Access(ca_bundle=str(authority.file)))
    store.verify(client, url)

    assert client.set("cwpipe-test", "x" * 1_000_000)
    assert 1_000_000 == len(client.get("cwpipe-test") or b"")
    client.close()


def test_a_certificate_of_an_unknown_authority_is_not(front: TlsFront) -> None:
    """The host's own authorities are the ones that count where none is named."""
    said = refusal(f"rediss://localhost:{front.port}/0")

    assert "of an authority that is not trusted" in said
    assert "redis_ca_bundle" in said


def test_a_certificate_that_has_expired_is_not(server: str, authority: Authority) -> None:
    with TlsFront(server, *authority.issue("old", "localhost", lives=timedelta(days=-1))) as front:
        said = refusal(f"rediss://localhost:{front.port}/0", ca_bundle=authority.file)

    assert "no longer valid" in said
    assert "renew it" in said


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_for_another_host_is_not(server: str, authority: Authority, host: str) -> None:
    """Whoever holds a certificate of the same authority could stand in for Redis otherwise."""
    with TlsFront(server, *authority.issue("redis.example.com")) as front:
        said = refusal(f"rediss://{host}:{front.port}/0", ca_bundle=authority.file)

    assert "for another host" in said
    assert "write the host in redis_url as the certificate has it" in said


def test_a_client_shows_its_certificate_where_one_is_asked_for(server: str, authority: Authority) -> None:
    """Nobody else is let in, whatever password they know."""
    cert, key = authority.issue("client")
    with TlsFront(server, *authority.issue("strict", "localhost"), clients_of=authority.file) as front:
        url = f"rediss://localhost:{front.port}/0"
        access = Access(ca_bundle=str(authority.file), client_cert=str(cert), client_key=str(key))
        client = store.connect(url, access=access)
        store.verify(client, url)
        client.close()
        said = refusal(url, ca_bundle=authority.file)

    assert "asks for" in said
    assert "redis_client_cert" in said


def test_a_client_that_is_not_known_is_not_let_in(server: str, authority: Authority, directory: Path) -> None:
    """A certificate of an authority of the client's own choice proves nothing."""
    cert, key = Authority(directory, "others").issue("stranger")
    with TlsFront(server, *authority.issue("strict", "localhost"), clients_of=authority.file) as front:
        said = refusal(f"rediss://localhost:{front.port}/0", ca_bundle=authority.file, client_cert=cert, client_key=key)

    assert "redis_client_cert" in said


def test_a_port_without_tls_is_named_as_such(authority: Authority) -> None:
    """The port for plain text and the one for TLS are easily mistaken."""
    with Valkey(authority.file.parent / "plain") as plain:
        said = refusal(f"rediss://localhost:{plain.port}/0", ca_bundle=authority.file)

    assert "it speaks no TLS at this port" in said


def test_a_port_with_tls_takes_no_plain_text(front: TlsFront) -> None:
    """The other way round the server just hangs up."""
    assert "begin redis_url with rediss://" in refusal(f"redis://localhost:{front.port}/0")


def test_the_least_version_of_tls_is_a_recent_one() -> None:
    """What the Python of the host gives."""
    assert ssl.create_default_context().minimum_version >= ssl.TLSVersion.TLSv1_2
