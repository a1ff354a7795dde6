"""Puts log lines into the stand-in of CloudWatch, as applications and agents would: many streams, times interleaved.

    python -m services.demo.loader ENDPOINT_URL [--events N] [--rate EVENTS_PER_SECOND] [--loaded FILE]

It puts about N events and prints, as one line of JSON, what it has put by "region group": `put`, and how many of them
are in JSON: `json`. FILE appears when they are in. With a rate it then goes on putting so many until SIGTERM, and prints
the line again. A group that is there already has a past that may have been read, and gets no other.
"""

import argparse
import json
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
from msgspec import Struct

from services.demo import lines

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

#: The lines are stamped as of the last hours, the newest just now.
SPAN_MS = 6 * 3_600_000
#: What PutLogEvents takes at once.
MAX_PUT_EVENTS = 10_000
MAX_PUT_BYTES = 1_000_000
#: A trickle is put in pieces of so many seconds.
TRICKLE_SECONDS = 1.0

Stamped = tuple[int, str]
"""Time in ms, and message."""


class DemoGroup(Struct, frozen=True, kw_only=True):
    """One log group of the demo, its lines dealt out over its streams in turn."""

    region: str
    name: str
    streams: tuple[str, ...]
    messages: Sequence[str]

    @property
    def label(self) -> str:
        """What counts are kept by."""
        return f"{self.region} {self.name}"


class Loader:
    """Puts into one stand-in, and counts what it took."""

    def __init__(self, endpoint_url: str, stop: threading.Event | None = None) -> None:
        self._endpoint_url = endpoint_url
        self._stop = stop or threading.Event()
        self._session = _session()
        self._clients: dict[str, CloudWatchLogsClient] = {}
        self.put_events: dict[str, int] = {}
        self.put_json: dict[str, int] = {}

    def load(self, group: DemoGroup) -> None:
        """Create the group and put all its events, or until the stop; leave alone one that is there. Blocks."""
        if not self._create(group):
            return
        newest = _now_ms()
        step = SPAN_MS / max(1, len(group.messages))
        stamped = [(newest - SPAN_MS + int(step * (at + 1)), message) for at, message in enumerate(group.messages)]
        for number, stream in enumerate(group.streams):
            for piece in _pieces(stamped[number :: len(group.streams)]):
                if self._stop.is_set():
                    return
                self.put(group, stream, piece)

    def trickle(self, groups: list[DemoGroup], rate: int) -> None:
        """Put `rate` events a second, now in this group and then in that, until the stop. Blocks."""
        fresh = [_fresh(number) for number in range(len(groups))]
        due_at = time.monotonic()
        while not self._stop.wait(max(0.0, due_at - time.monotonic())):
            due_at += TRICKLE_SECONDS
            shares = [random.randrange(len(groups)) for _ in range(rate)]
            for number, group in enumerate(groups):
                if messages := list(islice(fresh[number], shares.count(number))):
                    self.put(group, random.choice(group.streams), [(_now_ms(), message) for message in messages])

    def put(self, group: DemoGroup, stream: str, piece: list[Stamped]) -> None:
        """Put one piece of one stream, and count it."""
        self._client(group.region).put_log_events(
            logGroupName=group.name,
            logStreamName=stream,
            logEvents=[{"timestamp": at, "message": message} for at, message in piece],
        )
        in_json = sum(message.startswith('{"') for _, message in piece)
        self.put_events[group.label] = self.put_events.get(group.label, 0) + len(piece)
        self.put_json[group.label] = self.put_json.get(group.label, 0) + in_json

    def _create(self, group: DemoGroup) -> bool:
        """Create the group with its streams; False if it is there already."""
        client = self._client(group.region)
        try:
            client.create_log_group(logGroupName=group.name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                raise
            return False
        for stream in group.streams:
            client.create_log_stream(logGroupName=group.name, logStreamName=stream)
        return True

    def _client(self, region: str) -> "CloudWatchLogsClient":
        if region not in self._clients:
            self._clients[region] = self._session.client(
                "logs", region_name=region, endpoint_url=self._endpoint_url, config=Config(proxies={})
            )
        return self._clients[region]


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
    loader = Loader(endpoint_url)
    loader.load(group)
    return loader.put_events.get(group.label, 0)


def main() -> int:
    """Load, say so, and go on with a trickle if one is asked for."""
    parser = argparse.ArgumentParser(description="Puts log lines into a CloudWatch Logs that runs here.")
    parser.add_argument("endpoint_url")
    parser.add_argument("--events", type=int, default=24_000, help="about how many at once (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=0, help="events a second after that, until SIGTERM (default: none)")
    parser.add_argument("--loaded", type=Path, metavar="FILE", help="appears when the first events are in")
    arguments = parser.parse_args()
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    loader = Loader(arguments.endpoint_url, stop)
    demo_groups = groups(arguments.events)
    for group in demo_groups:
        loader.load(group)
    _say(loader)
    if arguments.loaded:
        arguments.loaded.touch()
    if arguments.rate and not stop.is_set():
        loader.trickle(demo_groups, arguments.rate)
        _say(loader)
    return 0


def _session() -> boto3.Session:
    """Return a session in which no profile or file of this machine has a say."""
    unset = (None, None, None, None)
    variables = {"profile": unset, "config_file": unset, "credentials_file": unset}
    return boto3.Session(
        aws_access_key_id="demo",
        aws_secret_access_key="demo",  # noqa: S106 - the stand-in asks for some, and takes any
        botocore_session=botocore.session.Session(session_vars=variables),
    )


def _say(loader: Loader) -> None:
    print(json.dumps({"put": loader.put_events, "json": loader.put_json}), flush=True)


def _fresh(number: int) -> Iterator[str]:
    """Yield lines for the group of this number that no earlier run has put: sshd's, an application's, or both in turn."""
    seed = time.time_ns() + number
    texts, objects = lines.of_sshd(seed), lines.of_an_application(seed)
    if number == 0:
        return texts
    return objects if number == 1 else (line for pair in zip(texts, objects, strict=False) for line in pair)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _streams(kind: str) -> tuple[str, ...]:
    return tuple(f"{kind}-{number:02}" for number in range(1, 21))


def _pieces(stamped: list[Stamped]) -> Iterator[list[Stamped]]:
    piece: list[Stamped] = []
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


if __name__ == "__main__":
    sys.exit(main())
