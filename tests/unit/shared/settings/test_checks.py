"""Checks beyond types."""

from pathlib import Path

import pytest

from shared.settings.checks import check
from shared.settings.faults import Faults


def faults_of(values: dict[str, object]) -> list[str]:
    faults = Faults(Path("/f"))
    check(values, faults)
    return faults.lines


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redis_url", ""),
        ("redis_url", "redis://"),
        ("redis_url", "redis://joe:p%40ss@redis:6379/0"),
        ("redis_url", "rediss://[::1]:6380/0?ssl_cert_reqs=none"),
        ("redis_url", "unix:///run/redis.sock?db=1"),
        ("metrics_address", "0.0.0.0:9108"),
        ("metrics_address", "[::]:65533"),
        ("queue_socket", "/" + "x" * 106),
        ("role_arn", "arn:aws:iam::123456789012:role/path/to/cwpipe"),
        ("role_arn", "arn:aws-us-gov:iam::123456789012:role/cwpipe"),
        ("role_arn", "arn:aws-iso-b:iam::123456789012:role/cwpipe"),
        ("endpoint_url", "http://127.0.0.1:5000"),
        ("sts_endpoint_url", "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com"),
        ("keep_regex", r"^\d+ (a|b)$"),
    ],
)
def test_a_value_that_makes_sense_passes(name: str, value: str) -> None:
    """At the top level, and within a source."""
    assert [] == faults_of({name: value, "sources": [{name: value}]})


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("redis_url", "localhost:6379", "must begin redis://, rediss:// or unix://"),
        ("redis_url", "REDIS://localhost", "must begin"),
        ("redis_url", "redis://localhost:http", "must begin"),
        ("redis_url", "redis://[::1", "must begin"),
        ("redis_url", "unix://", "must begin"),
        ("metrics_address", "9108", "host:port with a port from 1 to 65533"),
        ("metrics_address", ":9108", "host:port"),
        ("metrics_address", "localhost:0", "host:port"),
        ("metrics_address", "localhost:65534", "host:port"),
        ("metrics_address", "http://localhost:9108", "host:port"),
        ("queue_socket", "queue", "an absolute path of at most 107 bytes"),
        ("queue_socket", "/" + "é" * 54, "an absolute path of at most 107 bytes"),
        ("queue_socket", "/a\0b", "an absolute path of at most 107 bytes"),
        ("role_arn", "arn:aws:iam::123456789012:user/joe", "the ARN of an IAM role"),
        ("role_arn", "arn:aws:iam::12345:role/joe", "the ARN of an IAM role"),
        ("endpoint_url", "logs.eu-west-1.amazonaws.com", "an http:// or https:// address"),
        ("endpoint_url", "https://", "an http:// or https:// address"),
        ("endpoint_url", "https://host:99999", "an http:// or https:// address"),
        ("discard_regex", "ab(c", "a regular expression: missing ), unterminated subpattern, at character 3"),
        ("keep_regex", "a{99999999999999999999}", "a regular expression: this one is too large"),
    ],
)
def test_a_value_that_makes_no_sense_is_a_fault(name: str, value: str, sentence: str) -> None:
    """It says what would make sense; at the top level, and within a source."""
    for line in faults_of({name: value}) + faults_of({"sources": [{name: value}]}):
        assert f"{name} = " in line
        assert sentence in line
    assert 2 == len(faults_of({name: value, "sources": [{name: value}]}))


def test_two_sources_of_one_name_are_a_fault() -> None:
    """Status, errors and the format of events go by the name."""
    (line,) = faults_of({"sources": [{"name": "a"}, {"name": "b"}, {}, {"name": "a"}]})

    assert '/f: sources[3].name = "a": is the name of sources[0] too; each needs its own' == line


def test_a_key_without_the_one_it_needs_is_a_fault() -> None:
    """Somebody believes in a protection, or a rule, that is not there."""
    lone = {"external_id": "hush", "role_arn": "", "discard_field": "level", "discard_regex": ""}
    lines = faults_of({"sources": [lone]})

    assert '/f: sources[0].external_id = "***": has no meaning without role_arn; give that too, or neither' == lines[0]
    assert "sources[0].discard_field = " in lines[1]
    assert "without discard_regex" in lines[1]


def test_a_faulty_value_does_not_cause_a_second_fault() -> None:
    """A role_arn of the wrong type was given, if badly; the external_id has its reason."""
    assert [] == faults_of({"sources": [{"external_id": "hush", "discard_field": "level"}]})
