"""How fast the stand-ins are alone: what is measured with them cannot be faster."""

import http.client
import json
import re
import socket
import tempfile
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from tests.benchmarks.cloudwatch import FORMS, REGION
from tests.benchmarks.processes import usage
from tests.benchmarks.standins import CloudWatchProcess, receiver

_TOKEN = re.compile(rb'"nextToken":"([^"]+)"')
_HEADERS = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": "Logs_20140328.FilterLogEvents",
    "authorization": f"AWS4-HMAC-SHA256 Credential=bench/20260101/{REGION}/logs/aws4_request",
}
#: A datagram's location, as the roles write it.
_HEAD = b"1:Wazuh-AWS|:us-east-1|:/bench/lines-0|:stream-0000000:"


def cloudwatch_alone(cloudwatch: CloudWatchProcess, group: str, events: int) -> tuple[float, float]:
    """Read a group by a client that does nothing with it; return events a second, and the stand-in's CPU us an event."""
    before, began = usage(cloudwatch.pid).cpu_seconds, monotonic()
    address = urlsplit(cloudwatch.url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port)
    asked: dict[str, object] = {"logGroupName": group, "startTime": 0}
    while True:
        connection.request("POST", "/", json.dumps(asked), _HEADERS)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        token = _TOKEN.search(body, max(0, len(body) - 4_096))
        if token is None:
            break
        asked["nextToken"] = token[1].decode()
    connection.close()
    seconds, used = monotonic() - began, usage(cloudwatch.pid).cpu_seconds - before
    return events / seconds, used / events * 1e6


def receiver_alone(events: int, form: str) -> tuple[float, float]:
    """Send datagrams from one bare loop; return datagrams a second, and the receiver's CPU us a datagram."""
    line = _HEAD + FORMS[form](1).encode()
    with tempfile.TemporaryDirectory(prefix="cwpipe-bench-") as place:
        path = Path(place) / "queue"
        with receiver(path) as target, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(path))
            before = target.usage.cpu_seconds
            send = sender.send
            for _ in range(events):
                send(line)
            send(b"")  # its turn comes when all before it was taken
            used = target.usage.cpu_seconds - before
            arrived = target.end()
    return arrived.rate, used / events * 1e6
