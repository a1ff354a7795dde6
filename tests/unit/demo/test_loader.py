"""What is put into the stand-in of CloudWatch, as PutLogEvents demands it."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from services.demo import loader
from services.demo.loader import MAX_PUT_BYTES, MAX_PUT_EVENTS, SPAN_MS, DemoGroup, Loader


class Recorder:
    """A client that takes everything."""

    def __init__(self) -> None:
        self.streams: list[str] = []
        self.puts: list[tuple[str, list[tuple[int, str]]]] = []

    def create_log_group(self, **_: str) -> None:
        """Take it."""

    def create_log_stream(self, *, logStreamName: str, **_: str) -> None:  # noqa: N803 - boto3's names
        self.streams.append(logStreamName)

    def put_log_events(self, *, logStreamName: str, logEvents: list[Any], **_: str) -> None:  # noqa: N803
        self.puts.append((logStreamName, [(event["timestamp"], event["message"]) for event in logEvents]))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(Loader, "_client", lambda *_: recorder)
    return recorder


def group(messages: list[str]) -> DemoGroup:
    return DemoGroup(region="us-east-1", name="/demo/a", streams=("x", "y", "z"), messages=messages)


@pytest.mark.parametrize("events", [1_000, 3_000])
def test_there_are_about_as_many_events_as_asked_for(events: int) -> None:
    """In three groups, two regions and sixty streams, whatever logs the machine has."""
    groups = loader.groups(events)
    assert pytest.approx(events, rel=0.01) == sum(len(group.messages) for group in groups)
    assert (3, 2, 60) == (
        len(groups),
        len({group.region for group in groups}),
        sum(len(group.streams) for group in groups),
    )
    assert all(message for group in groups for message in group.messages)


def test_every_message_is_put_once_dealt_out_over_the_streams(recorder: Recorder) -> None:
    """So that their times are interleaved, as where many hosts log at once."""
    messages = [f"message {number}" for number in range(1_000)]
    assert 1_000 == loader.load(group(messages), "http://unused")
    assert Counter(messages) == Counter(message for _, piece in recorder.puts for _, message in piece)
    assert ["x", "y", "z"] == recorder.streams
    assert {"x": 334, "y": 333, "z": 333} == {stream: len(piece) for stream, piece in recorder.puts}


def test_the_times_are_those_of_the_last_hours_in_order(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """PutLogEvents refuses a piece that is out of order or spans more than a day."""
    monkeypatch.setattr(loader, "_now_ms", lambda: 10 * SPAN_MS)
    loader.load(group([str(number) for number in range(100)]), "http://unused")
    for _, piece in recorder.puts:
        assert all(earlier <= later for (earlier, _), (later, _) in pairwise(piece))
    times = sorted(at for _, piece in recorder.puts for at, _ in piece)
    assert 9 * SPAN_MS < times[0] < times[-1] <= 10 * SPAN_MS
    assert 100 == len(set(times))


@pytest.mark.parametrize("message", ["x", "é" * 5_000, "x" * 250_000])
def test_no_piece_is_more_than_one_call_takes(recorder: Recorder, message: str) -> None:
    """In events, and in bytes of UTF-8 with 26 more for each."""
    loader.load(group([message] * 40_000 if len(message) == 1 else [message] * 300), "http://unused")
    assert len(recorder.puts) > 3
    for _, piece in recorder.puts:
        assert MAX_PUT_EVENTS >= len(piece)
        assert MAX_PUT_BYTES >= sum(len(text.encode()) + 26 for _, text in piece)


def test_the_account_and_settings_of_the_machine_have_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that is set for other work, and may not even exist, must not break the demo."""
    monkeypatch.setenv("AWS_PROFILE", "of-somebody")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-somebody")
    client = Loader("http://127.0.0.1:1")._client("us-east-1")
    assert "http://127.0.0.1:1" == client.meta.endpoint_url
