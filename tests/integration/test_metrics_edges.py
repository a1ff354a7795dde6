"""What is told of the two ends: AWS's credentials and throttling, and the receiver's own statistics."""

import contextlib
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.forwarder.receiver_metrics import ReceiverMetrics
from shared import metrics
from shared.aws.logs_api import LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import SourceBusy
from tests.eventually import eventually
from tests.standins.analysisd import Analysisd
from tests.standins.analysisd_setup import Setup
from tests.standins.cloudwatch import CloudWatch
from tests.unit.fetcher.at_work import REGION, a_source, emptied

ROLE = "arn:aws:iam::999999999999:role/logs"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield emptied(server, monkeypatch)


def _count(operation: str) -> None:
    """Nobody counts calls here."""


def said(receiver: Analysisd) -> dict[str, float]:
    """Return what a forwarder tells of its receiver."""
    families = ReceiverMetrics(str(receiver.stats_path)).collect()
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_a_receiver_tells_how_full_it_is_and_what_it_dropped(tmp_path: Path) -> None:
    """Also what it dropped of others: their events are the team's too."""
    with Analysisd(tmp_path, Setup(others_size=101, processed_size=101, size=101)) as receiver:
        assert {
            "cwpipe_receiver_queue_usage_ratio": 0,
            "cwpipe_receiver_processed_events_total": 0,
            "cwpipe_receiver_dropped_events_total": 0,
        } == said(receiver)
        receiver.stall()
        receiver.burst(2)
        eventually(lambda: 2 == receiver.summary().in_hand["decoding"])
        receiver.burst(103)
        eventually(lambda: 3 == said(receiver)["cwpipe_receiver_dropped_events_total"])

        assert 0.9 < said(receiver)["cwpipe_receiver_queue_usage_ratio"] <= 1


@pytest.mark.parametrize("path", ["", "/nowhere/analysis"])
def test_a_receiver_without_statistics_has_no_figures(path: str) -> None:
    """A 0 would say that it drops nothing, which nobody knows."""
    assert [] == list(ReceiverMetrics(path).collect())


def test_credentials_of_a_role_tell_how_long_they_last(aws: CloudWatch) -> None:
    """From their first use on: before, none are in hand."""
    aws.add_role(ROLE)
    aws.create_group(REGION, "/app", account="999999999999")
    session = SourceSession(a_source(aws, role_arn=ROLE))
    assert math.isnan(session.credentials_seconds())
    LogsApi(session, "s", REGION, _count).page("/app", 0, aws.now_ms())

    assert 60 < session.credentials_seconds() <= 3_600


def test_a_session_that_nobody_renews_comes_under_the_threshold_of_the_alert(
    aws: CloudWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As variables that were set by hand: botocore asks for new ones, and gets the same again."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", (datetime.now(UTC) + timedelta(minutes=5)).isoformat())
    aws.create_group(REGION, "/app")
    session = SourceSession(a_source(aws))
    LogsApi(session, "s", REGION, _count).page("/app", 0, aws.now_ms())

    assert 60 < session.credentials_seconds() < 540


def test_keys_that_last_for_ever_have_no_end(aws: CloudWatch) -> None:
    """NaN is less than no threshold: they never raise an alert."""
    aws.create_group(REGION, "/app")
    session = SourceSession(a_source(aws))
    LogsApi(session, "s", REGION, _count).page("/app", 0, aws.now_ms())

    assert math.isnan(session.credentials_seconds())


def test_each_throttled_call_is_counted(aws: CloudWatch) -> None:
    """By region and operation, as AWS counts its quotas; without a limiter too."""
    aws.create_group(REGION, "/app")
    aws.fail("FilterLogEvents", "ThrottlingException", times=2)
    api = LogsApi(SourceSession(a_source(aws)), "s", REGION, _count)
    before = metrics.CALLS_THROTTLED.labels(REGION, "FilterLogEvents")._value.get()
    for _ in range(3):
        with contextlib.suppress(SourceBusy):
            api.page("/app", 0, aws.now_ms())

    assert before + 2 == metrics.CALLS_THROTTLED.labels(REGION, "FilterLogEvents")._value.get()
