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
        ("metrics_address", "[::]:65532"),
        ("queue_socket", "/" + "x" * 106),
        ("role_arn", "arn:aws:iam::123456789012:role/path/to/cwpipe"),
        ("role_arn", "arn:aws-us-gov:iam::123456789012:role/cwpipe"),
        ("role_arn", "arn:aws-iso-b:iam::123456789012:role/cwpipe"),
        ("endpoint_url", "http://127.0.0.1:5000"),
        ("sts_endpoint_url", "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com"),
        ("keep_regex", r"^\d+ (a|b)$"),
        ("proxy_url", "http://joe:p%40ss@proxy:3128"),
        ("proxy_url", "https://proxy.example"),
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
        ("metrics_address", "9108", "host:port with a port from 1 to 65532"),
        ("metrics_address", ":9108", "host:port"),
        ("metrics_address", "localhost:0", "host:port"),
        ("metrics_address", "localhost:65533", "host:port"),
        ("metrics_address", "http://localhost:9108", "host:port"),
        ("queue_socket", "queue", "an absolute path of at most 107 bytes"),
        ("queue_socket", "/" + "é" * 54, "an absolute path of at most 107 bytes"),
        ("queue_socket", "/a\0b", "an absolute path of at most 107 bytes"),
        ("role_arn", "arn:aws:iam::123456789012:user/joe", "the ARN of an IAM role"),
        ("role_arn", "arn:aws:iam::12345:role/joe", "the ARN of an IAM role"),
        ("endpoint_url", "logs.eu-west-1.amazonaws.com", "an http:// or https:// address"),
        ("endpoint_url", "https://", "an http:// or https:// address"),
        ("endpoint_url", "https://host:99999", "an http:// or https:// address"),
        ("proxy_url", "proxy:3128", 'must be http:// or https:// and a host, such as "http://proxy:3128"'),
        ("proxy_url", "socks5://proxy:3128", "must be http:// or https://"),
        ("log_stream_prefix", "web-*", "must not hold : or *"),
        ("ca_bundle", "/nonexistent/ca.pem", "a file of certificates that can be read: No such file or directory"),
        ("ca_bundle", "/", "a file of certificates"),
        ("ca_bundle", __file__, "a file of certificates in PEM form"),
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


ARN = "arn:aws:logs:eu-west-1:123456789012:log-group:/app"
SOURCE: dict[str, object] = {"regions": ["eu-west-1"], "log_groups": ["/app"], "late_window": 900_000}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"log_groups": ["arn:aws:s3:::bucket"]}, 'log_groups[0] = "arn:aws:s3:::bucket": must be an ARN such as'),
        ({"log_groups": ["arn:aws:logs:eu-west-1:12:log-group:/a"]}, "must be an ARN such as"),
        ({"log_groups": ["/app", ARN.replace("eu", "us")]}, "is in us-west-1, which is none of regions; add it there"),
        ({"log_groups": [ARN.replace("aws", "aws-cn")]}, "must begin arn:aws: in eu-west-1"),
        (
            {"log_groups": [ARN.replace("eu-west-1", "*")], "regions": ["us-gov-west-1"]},
            "must begin arn:aws-us-gov: in us-gov-west-1",
        ),
        ({"exclude_log_groups": [ARN]}, "exclude_log_groups[0] = "),
        ({"exclude_log_groups": ["/b", "/ap*"]}, 'log_groups[0] = "/app": is left out by "/ap*" of exclude_log_groups'),
        (
            {"account_id": "123456789012", "role_arn": "arn:aws:iam::999999999999:role/r"},
            'account_id = "123456789012": is not the account of role_arn, 999999999999; correct one',
        ),
        ({"delete_log_streams": True, "filter_pattern": "ERROR"}, "would delete events that filter_pattern leaves out"),
        ({"delete_log_streams": True, "sweep_interval": 0}, "delete_log_streams = true: needs deep sweeps"),
        ({"delete_log_streams": True, "sweep_window": 900_000}, "delete_log_streams = true: needs deep sweeps"),
        ({"delete_log_streams": True, "log_groups": [ARN]}, "cannot delete in linked accounts, such as arn:"),
    ],
)
def test_what_contradicts_itself_in_a_source_is_one_fault(changes: dict[str, object], fault: str) -> None:
    """It names the key and says what to do."""
    (line,) = faults_of({"sources": [SOURCE | changes]})

    assert line.startswith("/f: sources[0].")
    assert fault in line


@pytest.mark.parametrize(
    "changes",
    [
        {"log_groups": [ARN, f"{ARN}:*", ARN.replace("123456789012", "*") + "/*", ARN.replace("eu-west-1", "*")]},
        {
            "log_groups": [ARN.replace("aws", "aws-iso-b").replace("eu-west", "us-isob-east")],
            "regions": ["us-isob-east-1"],
        },
        {"log_groups": ["/app/*"], "exclude_log_groups": ["/app", "/app/debug-*"]},
        {"delete_log_streams": True, "log_stream_prefix": "web", "sweep_window": 86_400_000, "sweep_interval": 1},
        {"filter_pattern": "ERROR", "log_stream_prefix": "web", "unmask": True},
    ],
)
def test_what_goes_together_in_a_source_passes(changes: dict[str, object]) -> None:
    """ARNs in every form that AWS shows them in, and options that only look like a contradiction."""
    assert [] == faults_of({"sources": [SOURCE | changes]})
