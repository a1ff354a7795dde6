"""Whose credentials read a source, where its calls go, and what happens when credentials run out."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.aws.logs_api import LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import CredentialsExpired, SourceBusy, SourceDenied, SourceError, SourceUnreachable
from shared.settings.model import Source
from tests.standins.cloudwatch import CloudWatch
from tests.unit.fetcher.at_work import REGION, a_source, emptied, messages, read_once

ROLE_ACCOUNT = "999999999999"
ROLE = f"arn:aws:iam::{ROLE_ACCOUNT}:role/logs"
NOW_MS = 1_800_000_000_000


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield emptied(server, monkeypatch)


def read(source: Source) -> list[str]:
    """Read /app once, and return what it says."""
    return [event.message for event in an_api(source).page("/app", 0, NOW_MS * 2).events]


def an_api(source: Source) -> LogsApi:
    """Return the way to AWS by a session of its own."""
    return LogsApi(SourceSession(source), source.name, REGION, _count)


def write_config(text: str) -> None:
    """Write the file of profiles that AWS_CONFIG_FILE names."""
    Path(os.environ["AWS_CONFIG_FILE"]).write_text(text)  # noqa: TID251 - set for each test


def test_a_profile_of_the_config_file_is_used(aws: CloudWatch) -> None:
    """As everywhere with AWS; its region is not asked, the source names its own."""
    aws.add_key("AKIAPROFILE", account=ROLE_ACCOUNT)
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    write_config(
        "[profile prod]\nregion = ap-south-1\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret\n"
    )

    assert ["theirs"] == read(a_source(aws, profile="prod"))


def test_a_profile_that_does_not_exist_is_named(aws: CloudWatch) -> None:
    """A misspelt profile must not fall back on other credentials."""
    with pytest.raises(SourceError, match=r"\(typo\) could not be found: correct `profile`, or add it") as caught:
        read(a_source(aws, profile="typo"))
    assert caught.value.lasting


def test_a_role_is_assumed_with_its_external_id(aws: CloudWatch) -> None:
    """The way into a customer's account; the credentials of the role read, not ours."""
    aws.add_role(ROLE, external_id="cwpipe-1")
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)

    assert ["theirs"] == read(a_source(aws, role_arn=ROLE, external_id="cwpipe-1"))
    assert ROLE_ACCOUNT == an_api(a_source(aws, role_arn=ROLE, external_id="cwpipe-1")).account_id()


@pytest.mark.parametrize("external_id", ["", "wrong"])
def test_a_role_that_may_not_be_assumed_says_what_to_correct(aws: CloudWatch, external_id: str) -> None:
    """It is no denial of the call asked for: nobody is to look into the role's policy for logs."""
    aws.add_role(ROLE, external_id="right")
    api = an_api(a_source(aws, role_arn=ROLE, external_id=external_id))

    for call in (lambda: api.page("/app", 0, 1), lambda: list(api.groups("/app")), api.account_id):
        with pytest.raises(SourceError) as caught:
            call()
        assert not isinstance(caught.value, SourceDenied)
        assert "AWS answers sts:AssumeRole with AccessDenied: " in str(caught.value)
        assert str(caught.value).endswith("correct role_arn or external_id, or the trust policy of that role")


def test_a_role_is_assumed_once_for_many_calls(aws: CloudWatch) -> None:
    """STS has quotas too."""
    aws.add_role(ROLE)
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    session = SourceSession(a_source(aws, role_arn=ROLE))
    for region in (REGION, REGION, "us-east-1"):
        api = LogsApi(session, "s", region, _count)
        list(api.groups("/app"))
        api.account_id()

    assert 1 == aws.call_count("AssumeRole")


def test_a_role_whose_session_ended_is_assumed_anew(aws: CloudWatch) -> None:
    """An hour is over, or somebody revoked the sessions: one more call, no failure."""
    aws.add_role(ROLE)
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    api = an_api(a_source(aws, role_arn=ROLE))
    api.page("/app", 0, 1)
    aws.expire_sessions()

    assert 1 == len(api.page("/app", 0, NOW_MS * 2).events)
    assert 2 == aws.call_count("AssumeRole")


def test_a_session_about_to_end_is_renewed_before_it_does(aws: CloudWatch) -> None:
    """Without a refused call: botocore renews credentials some minutes before their end."""
    aws.add_role(ROLE, session_ms=60_000)
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    api = an_api(a_source(aws, role_arn=ROLE))
    for _ in range(2):
        api.page("/app", 0, 1)

    assert 1 < aws.call_count("AssumeRole")
    assert {"ok"} == {call.outcome for call in aws.calls}


def test_a_role_without_credentials_to_assume_it_is_no_crash(aws: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual first mistake in a container; it once ended the fetcher with all its sources."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    aws.add_role(ROLE)

    for source in (a_source(aws, role_arn=ROLE), a_source(aws)):
        with pytest.raises(SourceError, match="no AWS credentials found: set AWS_ACCESS_KEY_ID") as caught:
            read(source)
        assert caught.value.lasting


def test_static_credentials_that_expired_fail_for_good(aws: CloudWatch) -> None:
    """They are loaded anew once; if that does not help, waiting will not either."""
    aws.fail("FilterLogEvents", "ExpiredTokenException")

    with pytest.raises(CredentialsExpired, match="renew the credentials") as caught:
        read(a_source(aws))
    assert caught.value.lasting
    assert 2 == aws.call_count("FilterLogEvents")


def test_credentials_renewed_in_their_file_are_taken_up(aws: CloudWatch) -> None:
    """Something else writes fresh keys there every hour; nobody restarts us for it."""
    aws.put(REGION, "/app", "s", [(NOW_MS, "x")])
    profile = "[profile p]\naws_access_key_id = {}\naws_secret_access_key = secret\n"
    write_config(profile.format("AKIAOLD"))
    api = an_api(a_source(aws, profile="p"))
    api.page("/app", 0, 1)
    aws.fail("*", "ExpiredTokenException", access_key="AKIAOLD")
    write_config(profile.format("AKIANEW"))

    assert 1 == len(api.page("/app", 0, NOW_MS * 2).events)
    assert ["AKIAOLD", "AKIAOLD", "AKIANEW"] == [call.access_key for call in aws.calls]


def test_the_endpoint_of_the_settings_goes_before_that_of_the_environment(
    aws: CloudWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A VPC endpoint for logs, while everything else of the process goes where the environment says."""
    aws.put(REGION, "/app", "s", [(NOW_MS, "x")])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert ["x"] == read(a_source(aws))


def test_the_usual_endpoint_variables_work(aws: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_ENDPOINT_URL for all services, and with it for STS."""
    aws.add_role(ROLE)
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint_url)

    assert ["theirs"] == read(a_source(aws, endpoint_url="", sts_endpoint_url="", role_arn=ROLE))


def test_the_endpoint_of_a_profile_is_kept_in_its_role(aws: CloudWatch) -> None:
    """A profile says more than keys, and a role beside it changes the keys only."""
    aws.add_role(ROLE)
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    write_config(f"[profile p]\nendpoint_url = {aws.endpoint_url}\n")
    source = a_source(aws, endpoint_url="", sts_endpoint_url="", profile="p", role_arn=ROLE)
    Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"]).write_text(  # noqa: TID251 - set for each test
        "[p]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret\n"
    )

    assert ["theirs"] == read(source)


@pytest.mark.parametrize("endpoint_url", ["http://127.0.0.1:1", "http://no.such.host.invalid"])
def test_an_endpoint_that_nobody_answers_at_is_unreachable(aws: CloudWatch, endpoint_url: str) -> None:
    """Waited for: the network may come back. The line says what else it may be."""
    with pytest.raises(SourceUnreachable, match="check the region, endpoint_url and the network") as caught:
        read(a_source(aws, endpoint_url=endpoint_url))
    assert not caught.value.lasting


def test_an_endpoint_that_is_no_url_is_a_lasting_fault(aws: CloudWatch) -> None:
    """botocore says so with a ValueError, which must not end the fetcher."""
    with pytest.raises(SourceError, match="Invalid endpoint") as caught:
        read(a_source(aws, endpoint_url="nonsense"))
    assert caught.value.lasting


@pytest.mark.parametrize("operation", ["AssumeRole", "GetCallerIdentity"])
def test_an_answer_of_sts_that_cannot_be_read_is_waited_for(aws: CloudWatch, operation: str) -> None:
    """Half an XML document: it once ended the fetcher with all its sources."""
    aws.add_role(ROLE)
    aws.garble(operation)

    with pytest.raises(SourceBusy):
        an_api(a_source(aws, role_arn=ROLE)).account_id()


def test_a_key_that_aws_does_not_know_is_a_lasting_fault(aws: CloudWatch) -> None:
    """The line says whose fault it is."""
    aws._identities.strict = True

    with pytest.raises(SourceError, match="AWS does not know these credentials, correct them") as caught:
        read(a_source(aws))
    assert caught.value.lasting


def test_a_source_with_broken_credentials_stops_no_other(aws: CloudWatch, client: redis.Redis) -> None:
    """Isolation: four broken ways to sign in beside one that works."""
    aws.put(REGION, "/app", "s", [(aws.now_ms(), "read")])
    sources = [
        a_source(aws, name="no-profile", profile="typo"),
        a_source(aws, name="no-role", role_arn=ROLE),
        a_source(aws, name="no-url", endpoint_url="nonsense"),
        a_source(aws, name="garbled-sts", role_arn="arn:aws:iam::1:role/x", sts_endpoint_url="nonsense"),
        a_source(aws, name="good"),
    ]
    faults = read_once(client, *sources)

    assert ["read"] == messages(client)
    assert sorted(f"source {source.name}, region {REGION}" for source in sources[:-1]) == sorted(faults)


def _count(operation: str) -> None:
    """Count nothing."""
