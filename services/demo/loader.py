"""Puts log lines into the stand-in of CloudWatch, as applications and agents would: many streams, times interleaved."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import boto3
from msgspec import Struct

from services.demo import lines

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

#: The lines are stamped as of the last hours, the newest just now.
SPAN_MS = 6 * 3_600_000
#: What PutLogEvents takes at once.
MAX_PUT_EVENTS = 10_000
MAX_PUT_BYTES = 1_000_000


class DemoGroup(Struct, frozen=True, kw_only=True):
    """One log group of the demo, its lines dealt out over its streams in turn."""

    region: str
    name: str
    streams: tuple[str, ...]
    messages: Sequence[str]


def groups(events: int) -> list[DemoGroup]:
    """Return three groups in two regions and sixty streams, with about `events` events in all."""
    third = events // 3
    real = lines.of_this_machine()
    hosts = (real + list(islice(lines.of_sshd(1), max(0, third - len(real)))))[: max(third, 1)]
    mixed = [
        line
        for pair in zip(lines.of_sshd(2), lines.of_an_application(3), range(third // 2), strict=False)
        for line in pair[:2]
    ]
    return [
        DemoGroup(region="us-east-1", name="/demo/hosts", streams=_streams("host"), messages=hosts),
        DemoGroup(
            region="us-east-1",
            name="/demo/shop",
            streams=_streams("task"),
            messages=list(islice(lines.of_an_application(4), third)),
        ),
        DemoGroup(region="eu-west-1", name="/demo/edge", streams=_streams("node"), messages=mixed),
    ]


def load(group: DemoGroup, endpoint_url: str) -> int:
    """Create the group and put all its events; return how many. Blocks on the stand-in."""
    client: CloudWatchLogsClient = boto3.client(
        "logs",
        region_name=group.region,
        endpoint_url=endpoint_url,
        aws_access_key_id="demo",
        aws_secret_access_key="demo",  # noqa: S106 - the stand-in asks for some, and takes any
    )
    client.create_log_group(logGroupName=group.name)
    newest = int(time.time() * 1000)
    step = SPAN_MS / max(1, len(group.messages))
    stamped = [(newest - SPAN_MS + int(step * (number + 1)), message) for number, message in enumerate(group.messages)]
    for number, stream in enumerate(group.streams):
        client.create_log_stream(logGroupName=group.name, logStreamName=stream)
        for piece in _pieces(stamped[number :: len(group.streams)]):
            client.put_log_events(
                logGroupName=group.name,
                logStreamName=stream,
                logEvents=[{"timestamp": at, "message": message} for at, message in piece],
            )
    return len(stamped)


def _streams(kind: str) -> tuple[str, ...]:
    return tuple(f"{kind}-{number:02}" for number in range(1, 21))


def _pieces(stamped: list[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    piece: list[tuple[int, str]] = []
    size = 0
    for at, message in stamped:
        added = len(message.encode()) + 26
        if piece and (len(piece) >= MAX_PUT_EVENTS or size + added > MAX_PUT_BYTES):
            yield piece
            piece, size = [], 0
        piece.append((at, message))
        size += added
    if piece:
        yield piece
