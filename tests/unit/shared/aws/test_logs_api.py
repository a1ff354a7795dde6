"""The way to CloudWatch Logs, against a server that says one thing: what botocore does for us, and what it must not."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import botocore.parsers
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from shared.aws import pages
from shared.aws.logs_api import MAX_AHEAD_MS, FoundGroup, LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import SourceBusy
from shared.settings.model import Source

REGION = "eu-west-1"
ACCOUNT = "123456789012"
PAGE = b'{"events":[{"eventId":"37","logStreamName":"s","timestamp":1,"message":"fast"}]}'
NO_GROUPS = b'{"logGroups":[]}'


class _Handler(BaseHTTPRequestHandler):
    """Answers every call with what the server was told to say."""

    server: "_Server"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = self.server.answer
        self.server.calls += 1
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string(int(time.time() - self.server.behind_seconds)))
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


class _Server(HTTPServer):
    """A server that says one thing, at the time it takes it to be."""

    answer: tuple[int, bytes] = (200, b"")
    calls = 0
    behind_seconds = 0


@pytest.fixture(scope="module")
def running() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server(running: _Server, monkeypatch: pytest.MonkeyPatch) -> _Server:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    running.calls = running.behind_seconds = 0
    return running


def url(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def an_api(server: _Server) -> LogsApi:
    source = Source(
        name="s", regions=(REGION,), log_groups=("/app",), endpoint_url=url(server), sts_endpoint_url=url(server)
    )
    return LogsApi(SourceSession(source), "s", REGION, _count)


def _count(operation: str) -> None:
    """Count nothing."""


def test_the_hook_takes_the_place_of_the_parser_of_botocore(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs fifteen times as much an event. A botocore that renames its event, or ignores the result, fails here."""
    parsed: list[bytes] = []
    parse = botocore.parsers.JSONParser._parse_body_as_json  # type: ignore[attr-defined]

    def noting(parser: object, contents: bytes) -> object:
        parsed.append(contents)
        return parse(parser, contents)

    monkeypatch.setattr(botocore.parsers.JSONParser, "_parse_body_as_json", noting)
    server.answer = (200, PAGE)
    page = an_api(server).page("/app", 0, 1)

    assert ["fast"] == [event.message for event in page.events]
    assert [b"{}"] == parsed


def test_errors_stay_the_business_of_botocore(server: _Server) -> None:
    """It knows the forms in which AWS's services write them; and it repeats nothing by itself."""
    client = boto3.client("logs", REGION, endpoint_url=url(server), config=Config(retries={"total_max_attempts": 1}))
    client.meta.events.register("before-parse.cloudwatch-logs.FilterLogEvents", pages.hook)
    server.answer = (400, b'{"__type":"com.amazonaws.logs#ThrottlingException","message":"Rate exceeded"}')

    with pytest.raises(ClientError) as caught:
        client.filter_log_events(logGroupName="/app")
    assert {"Code": "ThrottlingException", "Message": "Rate exceeded"}.items() <= caught.value.response["Error"].items()


def test_a_throttled_call_is_made_once(server: _Server) -> None:
    """A back-off hidden in botocore would slip past ours, and past the limits on calls."""
    server.answer = (400, b'{"__type":"ThrottlingException","message":"Rate exceeded"}')

    with pytest.raises(SourceBusy, match=r"group /app, source s, region eu-west-1: AWS answers .* Rate exceeded"):
        an_api(server).page("/app", 0, 1)
    assert 1 == server.calls


def test_a_page_that_is_none_names_its_group(server: _Server) -> None:
    """The hook knows only the body; who asked for it is added."""
    server.answer = (200, b"<html>")

    with pytest.raises(SourceBusy, match="group /app, source s, region eu-west-1: AWS answered"):
        an_api(server).page("/app", 0, 1)


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b"<html>", b'{"logGroups":[{"logGroupName":"/ap', b'{"message":"busy"}']
)
def test_an_answer_without_a_list_of_groups_is_waited_out(server: _Server, answer: bytes) -> None:
    """botocore makes an empty answer of it, and every group would seem to be deleted."""
    server.answer = (200, answer)

    with pytest.raises(
        SourceBusy, match="source s, region eu-west-1: AWS answered logs:DescribeLogGroups with no list"
    ):
        list(an_api(server).groups("/app"))


def test_a_group_is_known_by_what_aws_says_of_it(server: _Server) -> None:
    """The account comes from its ARN; what a compatible server leaves out has a default."""
    groups = [
        {
            "logGroupName": "/a",
            "arn": f"arn:aws-us-gov:logs:{REGION}:{ACCOUNT}:log-group:/a:*",
            "logGroupClass": "INFREQUENT_ACCESS",
            "creationTime": 5,
            "retentionInDays": 7,
        },
        {"logGroupName": "/b", "arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/b:*"},
    ]
    server.answer = (200, json.dumps({"logGroups": groups}).encode())

    assert [
        FoundGroup(name="/a", account_id=ACCOUNT, log_class="INFREQUENT_ACCESS", created_ms=5, retention_days=7),
        FoundGroup(name="/b", account_id=ACCOUNT, log_class="STANDARD", created_ms=0),
    ] == list(an_api(server).groups(""))


@pytest.mark.parametrize(
    ("behind_seconds", "low_ms", "high_ms"),
    [(0, 0, 0), (-3600, 0, 0), (60, 55_000, 60_000), (86_400, MAX_AHEAD_MS, MAX_AHEAD_MS)],
    ids=["right", "behind", "a minute ahead", "a day ahead"],
)
def test_a_clock_ahead_of_that_of_aws_is_noticed(
    server: _Server, behind_seconds: int, low_ms: int, high_ms: int
) -> None:
    """By the date of its answers, never by more than AWS's signatures allow. A slower clock does no harm."""
    server.behind_seconds = behind_seconds
    server.answer = (200, NO_GROUPS)
    api = an_api(server)
    before = api.ahead_ms
    list(api.groups("/app"))

    assert 0 == before
    assert low_ms <= api.ahead_ms <= high_ms
