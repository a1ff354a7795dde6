"""Settings of Redis that contradict one another, or name files that cannot be used."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from shared.settings.checks import check
from shared.settings.faults import Faults
from tests.certificates import Authority

NONE = {"redis_ca_bundle": "", "redis_client_cert": "", "redis_client_key": "", "redis_sentinel_password_file": ""}


def faults_of(**values: object) -> list[str]:
    faults = Faults(Path("/f"))
    check({**NONE, **{name: str(value) for name, value in values.items()}}, faults)
    return faults.lines


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def test_what_belongs_together_is_no_fault(authority: Authority) -> None:
    cert, key = authority.issue("client")
    for scheme in ("rediss://r", "rediss+sentinel://r/main"):
        assert [] == faults_of(
            redis_url=scheme, redis_ca_bundle=authority.file, redis_client_cert=cert, redis_client_key=key
        )


def test_a_key_may_lie_in_the_file_of_its_certificate(authority: Authority) -> None:
    """As many tools write it."""
    cert, key = authority.issue("both")
    cert.write_bytes(cert.read_bytes() + key.read_bytes())

    assert [] == faults_of(redis_url="rediss://r", redis_client_cert=cert)


@pytest.mark.parametrize("url", ["", "redis://r", "unix:///r", "redis+sentinel://r/main"])
def test_files_of_tls_without_tls_are_a_fault(authority: Authority, url: str) -> None:
    """Who names them believes that the way is encrypted."""
    (line,) = faults_of(redis_url=url, redis_ca_bundle=authority.file)

    assert "has no meaning without TLS; begin redis_url with rediss://" in line


def test_a_password_for_sentinels_needs_some() -> None:
    (line,) = faults_of(redis_url="rediss://r", redis_sentinel_password_file="/p")

    assert "redis_sentinel_password_file" in line


def test_a_key_without_a_certificate_is_a_fault(authority: Authority) -> None:
    (line,) = faults_of(redis_url="rediss://r", redis_client_key=authority.issue("lone")[1])

    assert "redis_client_key" in line
    assert "has no meaning without redis_client_cert" in line


def test_a_key_of_another_certificate_is_a_fault(authority: Authority) -> None:
    cert, key = authority.issue("one")[0], authority.issue("other")[1]
    (line,) = faults_of(redis_url="rediss://r", redis_client_cert=cert, redis_client_key=key)

    assert "is not the key of redis_client_cert" in line


def test_a_key_that_asks_for_a_password_is_a_fault_and_nobody_is_asked(authority: Authority) -> None:
    """OpenSSL would ask on the terminal, and a service has none."""
    cert, key = authority.issue("locked")
    opened = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        opened.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"a password"),
        )
    )
    (line,) = faults_of(redis_url="rediss://r", redis_client_cert=cert, redis_client_key=key)

    assert "without a password of its own" in line


@pytest.mark.parametrize(("cert", "sentence"), [("/none.pem", "can be read: No such file"), (__file__, "in PEM form")])
def test_a_certificate_that_is_none_is_a_fault(cert: str, sentence: str) -> None:
    (line,) = faults_of(redis_url="rediss://r", redis_client_cert=cert)

    assert sentence in line
