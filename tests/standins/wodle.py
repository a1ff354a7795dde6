"""What Wazuh's aws-s3 wodle does with CloudWatch Logs, as far as its state goes: one poll, stream after stream, and its database.

Its own layout, and its own way of going on: of a stream that it knows, from a millisecond after the last event, or after the
start of a poll that found nothing.
"""

import sqlite3
from collections.abc import Collection
from pathlib import Path

import boto3

_TABLE = """
CREATE TABLE IF NOT EXISTS cloudwatch_logs (
    aws_region 'text' NOT NULL, aws_log_group 'text' NOT NULL, aws_log_stream 'text' NOT NULL,
    next_token 'text', start_time 'integer', end_time 'integer',
    PRIMARY KEY (aws_region, aws_log_group, aws_log_stream))
"""


class Wodle:
    """One wodle with its directory. Reads from the stand-in of CloudWatch; what it sent is in `sent`."""

    def __init__(self, directory: Path, endpoint_url: str) -> None:
        self.directory = directory
        self.sent: list[str] = []
        self._endpoint_url = endpoint_url

    def poll(self, region: str, group: str, *, after_ms: int, not_reached: Collection[str] = ()) -> None:
        """Read a group once; streams `not_reached` come after the one at which the run ended."""
        client = boto3.client(
            "logs",
            region_name=region,
            endpoint_url=self._endpoint_url,
            aws_access_key_id="made-up",
            aws_secret_access_key="made-up",
        )
        with sqlite3.connect(self.directory / "aws_services.db") as database:
            database.execute(_TABLE)
            for stream in client.describe_log_streams(logGroupName=group)["logStreams"]:
                name = stream["logStreamName"]
                if name in not_reached:
                    continue
                known = database.execute(
                    "SELECT end_time FROM cloudwatch_logs WHERE aws_region=? AND aws_log_group=? AND aws_log_stream=?",
                    (region, group, name),
                ).fetchone()
                start = known[0] + 1 if known else after_ms
                answer = client.get_log_events(
                    logGroupName=group, logStreamName=name, startTime=start, startFromHead=True
                )
                times = [event["timestamp"] for event in answer["events"]]
                self.sent += [event["message"] for event in answer["events"]]
                row = (region, group, name, answer["nextForwardToken"], min([start, *times]), max([start, *times]))
                database.execute("INSERT OR REPLACE INTO cloudwatch_logs VALUES (?, ?, ?, ?, ?, ?)", row)
        database.close()
