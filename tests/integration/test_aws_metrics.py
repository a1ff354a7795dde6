"""CloudWatch's own count of a group, from a server that keeps metrics, and from one that refuses."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import pytest
from moto.server import ThreadedMotoServer

from shared.aws.metrics import incoming_events
from shared.aws.sessions import SourceSession
from shared.errors import SourceDenied, SourceError
from shared.settings.model import Source

REGION = "eu-west-1"
HOUR_MS = 3_600_000
SOURCE = Source(name="s", regions=(REGION,), log_groups=("/app",))


class _Refusal(BaseHTTPRequestHandler):
    """Answers that the call is not allowed."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = json.dumps({"__type": "AccessDeniedException", "message": "not authorized"}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", f"http://{host}:{port}")
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.filterwarnings("default")  # of moto's own
def test_the_figures_of_a_range_are_added_up(moto: str) -> None:
    """Of this group alone, and None where there are none: no figure is not zero."""
    client = boto3.client("cloudwatch", region_name=REGION, endpoint_url=moto)
    now = datetime.now(UTC)
    for group, age_minutes, value in [("/app", 10, 3), ("/app", 70, 4), ("/app", 600, 5), ("/other", 10, 100)]:
        dimensions = [{"Name": "LogGroupName", "Value": group}]
        at = now - timedelta(minutes=age_minutes)
        data = [{"MetricName": "IncomingLogEvents", "Dimensions": dimensions, "Timestamp": at, "Value": value}]
        client.put_metric_data(Namespace="AWS/Logs", MetricData=data)
    now_ms = int(now.timestamp() * 1000)
    session = SourceSession(SOURCE)

    assert 7 == incoming_events(session, REGION, "/app", now_ms - 2 * HOUR_MS, now_ms)
    assert 12 == incoming_events(session, REGION, "/app", now_ms - 60 * HOUR_MS, now_ms)
    assert incoming_events(session, REGION, "/none", now_ms - 2 * HOUR_MS, now_ms) is None


def test_a_refusal_is_one_line_that_names_the_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit goes on without the figure."""
    server = HTTPServer(("127.0.0.1", 0), _Refusal)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", f"http://127.0.0.1:{server.server_address[1]}")
    with pytest.raises(SourceDenied) as caught:
        incoming_events(SourceSession(SOURCE), REGION, "/app", 0, HOUR_MS)
    server.shutdown()
    thread.join()
    server.server_close()

    assert "allow cloudwatch:GetMetricStatistics there in the IAM policy" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_endpoint_that_is_not_there_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """No botocore error leaves shared.aws."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:1")
    with pytest.raises(SourceError, match="Could not connect"):
        incoming_events(SourceSession(SOURCE), REGION, "/app", 0, HOUR_MS)
