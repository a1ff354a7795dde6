"""The loop that a user would write: boto3's pages, and for each event a socket that is opened, used and closed.

    python -m tests.benchmarks.plain_loop ENDPOINT_URL GROUP SOCKET

Prints events and seconds as JSON.
"""

import json
import socket
import sys
from time import perf_counter, time

import boto3


def main() -> int:
    """Move every event of the group once."""
    endpoint_url, group, path = sys.argv[1:]
    client = boto3.client(
        "logs",
        region_name="us-east-1",
        endpoint_url=endpoint_url,
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
    )
    began = perf_counter()
    events = 0
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=0, endTime=int(time() * 1000)
    )
    for page in pages:
        for event in page["events"]:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect(path)
                sender.send(f"1:Wazuh-AWS:{event['message']}".encode())
            events += 1
    print(json.dumps({"events": events, "seconds": perf_counter() - began}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
