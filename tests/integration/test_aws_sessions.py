"""Whose credentials read a source, where its calls go, and what happens when credentials run out."""

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.aws import discovery
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


@pytest.mark.parametrize("seconds", [900, 7200])
def test_a_role_is_assumed_for_as_long_as_the_settings_say(aws: CloudWatch, seconds: int) -> None:
    """Some organisations allow a quarter of an hour, and some save calls with twelve."""
    aws.add_role(ROLE, max_session_seconds=7200)
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)

    assert ["theirs"] == read(a_source(aws, role_arn=ROLE, role_duration=seconds * 1000))
    assert [str(seconds)] == [c.parameters["DurationSeconds"] for c in aws.calls if c.operation == "AssumeRole"]


def test_a_role_that_allows_no_such_duration_says_so(aws: CloudWatch) -> None:
    """The setting that is to blame is named."""
    aws.add_role(ROLE, max_session_seconds=3600)

    with pytest.raises(SourceError, match="shorten role_duration, or lengthen the sessions of that role"):
        read(a_source(aws, role_arn=ROLE, role_duration=7_200_000))


def test_a_denied_role_names_what_to_allow(aws: CloudWatch) -> None:
    """The action and the role, and not AWS's whole sentence."""
    with pytest.raises(SourceError) as caught:
        read(a_source(aws, role_arn=ROLE))

    assert f"with AccessDenied: allow sts:AssumeRole on {ROLE} in the IAM policy of these" in str(caught.value)
    assert "is not authorized" not in str(caught.value)


def test_a_profile_may_chain_roles(aws: CloudWatch) -> None:
    """From our keys to the hub's role, and from there to the customer's: all of it through the endpoint of the settings."""
    hub = "arn:aws:iam::888888888888:role/hub"
    aws.add_key("AKIAHOME", account="777777777777")
    aws.add_role(hub, trusted_accounts=["777777777777"])
    aws.add_role(ROLE, trusted_accounts=["888888888888"], external_id="x-1")
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    write_config(
        "[profile home]\naws_access_key_id = AKIAHOME\naws_secret_access_key = secret\n"
        f"[profile hub]\nrole_arn = {hub}\nsource_profile = home\n"
        f"[profile customer]\nrole_arn = {ROLE}\nsource_profile = hub\nexternal_id = x-1\n"
    )

    assert ["theirs"] == read(a_source(aws, profile="customer"))
    assert ["theirs"] == read(a_source(aws, profile="hub", role_arn=ROLE, external_id="x-1"))
    assert 4 == aws.call_count("AssumeRole")


def test_a_token_of_the_pod_gives_its_role(aws: CloudWatch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Kubernetes writes the token anew every hour: the one in the file counts when a session has ended."""
    token = tmp_path / "token"
    token.write_text("first")
    role = aws.add_role(ROLE, web_identity_token="first")
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    api = an_api(a_source(aws))
    first = api.page("/app", 0, NOW_MS * 2)
    aws.expire_sessions()
    token.write_text("second")
    role.web_identity_token = "second"
    second = api.page("/app", 0, NOW_MS * 2)

    assert [["theirs"]] * 2 == [[event.message for event in page.events] for page in (first, second)]
    assert 2 == aws.call_count("AssumeRoleWithWebIdentity")
    token.write_text("stolen")
    with pytest.raises(SourceError, match="correct AWS_ROLE_ARN or AWS_WEB_IDENTITY_TOKEN_FILE"):
        read(a_source(aws))


@pytest.mark.parametrize("kind", ["container", "instance"])
def test_the_role_of_a_container_or_instance_is_used(
    aws: CloudWatch, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The usual chain ends there; keys that end are asked for anew."""
    aws.add_key("ASIAOFTHEHOST", account=ROLE_ACCOUNT)
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with Metadata() as url:
        if kind == "container":
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/container")
        else:
            monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
            monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        assert ["theirs"] == read(a_source(aws))
    assert {"ASIAOFTHEHOST"} == {call.access_key for call in aws.calls}


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE"])
def test_an_empty_variable_is_none(aws: CloudWatch, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Compose files pass them on; boto3 looks for a profile of no name, and checks no certificate."""
    aws.put(REGION, "/app", "s", [(NOW_MS, "x")])
    monkeypatch.setenv(name, "")

    assert ["x"] == read(a_source(aws))
    session = SourceSession(a_source(aws))
    client: Any = session.logs_client(REGION)
    assert client._endpoint.http_session._verify


def test_a_profile_of_the_environment_is_still_used(aws: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside an empty variable of the same meaning."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    aws.add_key("AKIAPROFILE", account=ROLE_ACCOUNT)
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    write_config("[profile prod]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_DEFAULT_PROFILE", "")
    monkeypatch.setenv("AWS_PROFILE", "prod")

    assert ["theirs"] == read(a_source(aws))


@pytest.mark.parametrize(
    ("region", "fips", "host"),
    [
        ("eu-west-1", "", "logs.eu-west-1.amazonaws.com"),
        ("us-east-1", "true", "logs-fips.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "", "logs.us-gov-west-1.amazonaws.com"),
        ("us-gov-west-1", "true", "logs.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "", "logs.cn-north-1.amazonaws.com.cn"),
        ("us-iso-east-1", "", "logs.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "", "logs.us-isob-east-1.sc2s.sgov.gov"),
        ("eusc-de-east-1", "", "logs.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_each_partition_has_its_endpoints(
    aws: CloudWatch, monkeypatch: pytest.MonkeyPatch, region: str, fips: str, host: str
) -> None:
    """Wazuh's own module knows none but the first; STS stays in the partition too."""
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", fips)
    session = SourceSession(a_source(aws, regions=(region,), endpoint_url="", sts_endpoint_url=""))

    assert f"https://{host}" == session.logs_client(region).meta.endpoint_url
    assert session.sts_client(region).meta.endpoint_url.endswith(host.partition(region)[2])


def test_calls_go_through_the_proxy_of_the_settings(aws: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """For logs, for STS, and for what botocore asks by itself; whatever HTTPS_PROXY and NO_PROXY say."""
    aws.add_role(ROLE)
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    elsewhere = "http://aws.example.invalid"
    way = {"endpoint_url": elsewhere, "sts_endpoint_url": elsewhere, "proxy_url": aws.endpoint_url}
    write_config(f"[profile p]\nrole_arn = {ROLE}\ncredential_source = Environment\n")

    assert ["theirs"] == read(a_source(aws, role_arn=ROLE, **way))
    assert ["theirs"] == read(a_source(aws, profile="p", **way))
    assert ROLE_ACCOUNT == an_api(a_source(aws, role_arn=ROLE, **way)).account_id()


def test_a_proxy_that_nobody_answers_at_is_named_without_its_password(aws: CloudWatch) -> None:
    """Waited for, as any network."""
    with pytest.raises(SourceUnreachable, match="and proxy_url") as caught:
        read(a_source(aws, proxy_url="http://joe:hunter2@127.0.0.1:1"))
    assert "hunter2" not in str(caught.value)


def test_the_authorities_of_the_settings_are_trusted(aws: CloudWatch, tmp_path: Path) -> None:
    """A proxy that opens TLS, or an endpoint of one's own: without its authority nothing is said to it."""
    aws.put(REGION, "/app", "s", [(NOW_MS, "x")])
    with tls_before(aws, tmp_path) as (url, ca_bundle):
        with pytest.raises(SourceUnreachable, match="and ca_bundle"):
            read(a_source(aws, endpoint_url=url))
        assert ["x"] == read(a_source(aws, endpoint_url=url, ca_bundle=str(ca_bundle)))


def test_an_account_of_the_settings_is_never_asked_of_sts(aws: CloudWatch) -> None:
    """Where STS is out of reach, and listing is denied: state is kept by account all the same."""
    aws.fail("DescribeLogGroups", "AccessDeniedException")
    source = a_source(aws, sts_endpoint_url="http://127.0.0.1:1", account_id="555555555555")
    found = discovery.look(source, an_api(source))

    assert ["555555555555"] == [group.account_id for group in found.groups]
    without = a_source(aws, sts_endpoint_url="http://127.0.0.1:1")
    with pytest.raises(SourceUnreachable, match="or set account_id, and STS is not asked"):
        discovery.look(without, an_api(without))


def test_many_threads_renew_credentials_once(aws: CloudWatch) -> None:
    """A session that ends is noticed by all readers at once, and STS has quotas."""
    aws.add_role(ROLE)
    aws.put(REGION, "/app", "s", [(NOW_MS, "theirs")], account=ROLE_ACCOUNT)
    api = an_api(a_source(aws, role_arn=ROLE))
    api.page("/app", 0, 1)
    aws.expire_sessions()
    aws.delay("FilterLogEvents", 0.2, times=8)
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: api.page("/app", 0, NOW_MS * 2), range(8)))

    assert 8 == sum(len(page.events) for page in pages)
    assert 2 == aws.call_count("AssumeRole")


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


class Metadata:
    """The endpoints that give a container and an instance the keys of their role; `with` gives the address."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _MetadataHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _MetadataHandler(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        self._say("a-token")

    def do_GET(self) -> None:
        ends = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
        keys = {
            "AccessKeyId": "ASIAOFTHEHOST",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": ends,
            "Code": "Success",
        }
        self._say("role" if self.path.endswith("/security-credentials/") else json.dumps(keys))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""

    def _say(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "60")
        self.end_headers()
        self.wfile.write(text.encode())


@contextmanager
def tls_before(aws: CloudWatch, directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield an https:// address of the stand-in, and the certificate that vouches for it."""
    certificate, key = directory / "ca.pem", directory / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with CloudWatch() as behind_tls:
        behind_tls.groups = aws.groups
        server = behind_tls._server
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield f"https://localhost:{server.server_address[1]}", certificate


def _count(operation: str) -> None:
    """Count nothing."""
