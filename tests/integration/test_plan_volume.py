"""Bytes a day of a group, from a server that keeps metrics, and where there is none."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto.server import ThreadedMotoServer

from services.operator.plan.volume import ASKED_GROUPS, Volumes
from shared.aws.sessions import SourceSession
from shared.settings.model import Source

REGION = "eu-west-1"
DAY_MS = 86_400_000


@pytest.fixture
def volumes(monkeypatch: pytest.MonkeyPatch) -> Volumes:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return Volumes(SourceSession(Source(name="s", regions=(REGION,), log_groups=("/app",))), "s", REGION)


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", f"http://{host}:{port}")
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.filterwarnings("default")  # of moto's own
def test_the_mean_is_that_of_whole_days_that_the_group_has_lived(volumes: Volumes, moto: str) -> None:
    """Today is not over and does not count; a day without events does."""
    client = boto3.client("cloudwatch", region_name=REGION, endpoint_url=moto)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for group, days_ago, value in [("/app", 1, 600), ("/app", 3, 100), ("/app", -0.001, 5000), ("/other", 1, 9)]:
        dimensions = [{"Name": "LogGroupName", "Value": group}]
        at = today - timedelta(days=days_ago) + timedelta(minutes=1)
        data = [{"MetricName": "IncomingBytes", "Dimensions": dimensions, "Timestamp": at, "Value": value}]
        client.put_metric_data(Namespace="AWS/Logs", MetricData=data)
    today_ms = int(today.timestamp() * 1000)

    assert 100.0 == volumes.bytes_a_day("/app", 0)
    assert 350.0 == volumes.bytes_a_day("/app", today_ms - 2 * DAY_MS)
    assert 0.0 == volumes.bytes_a_day("/none", 0)
    assert volumes.bytes_a_day("/app", today_ms + 1) is None
    assert "" == volumes.why


def test_after_a_refusal_nobody_is_asked_again(volumes: Volumes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where metrics are out of reach, a plan of many groups does not wait for each."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:1")
    assert volumes.bytes_a_day("/app", 0) is None
    why = volumes.why

    assert "bytes a day are not known: group /app, source s, region eu-west-1" in why
    assert volumes.bytes_a_day("/other", 0) is None
    assert why == volumes.why


@pytest.mark.filterwarnings("default")  # of moto's own
def test_there_is_an_end_to_asking(volumes: Volumes, moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call a group is too much for thousands of groups."""
    monkeypatch.setattr("services.operator.plan.volume.ASKED_GROUPS", 2)
    assert [0.0, 0.0, None] == [volumes.bytes_a_day(name, 0) for name in ("/a", "/b", "/c")]
    assert "of 2 groups only" in volumes.why
    assert 2 < ASKED_GROUPS
