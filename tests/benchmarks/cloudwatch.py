"""The stand-in of CloudWatch with a group of log lines to move, every page made before it serves.

    python -m tests.benchmarks.cloudwatch EVENTS text|json

Prints its URL, and serves until it is terminated.
"""

import signal
import sys
import time

from tests.standins.cloudwatch import CloudWatch

GROUP = "/bench/lines"
STREAMS = 20


def text(index: int) -> str:
    """Return a line of sshd, of some 110 bytes."""
    address = f"203.0.{index // 250 % 250}.{index % 250}"
    return (
        f"Jan  1 00:00:{index % 60:02} web-{index % 40} sshd[{index}]: "
        f"Failed password for invalid user u{index} from {address} port {1_024 + index % 60_000} ssh2"
    )


def json(index: int) -> str:
    """Return an event of a web application, of some 250 bytes."""
    return (
        f'{{"level":"INFO","logger":"shop.http","method":"GET","path":"/api/orders/{index}","status":200,'
        f'"duration_ms":{index % 400}.5,"client":{{"ip":"198.51.100.{index % 250}","user":"u{index % 5_000}"}},'
        f'"request_id":"{index:016x}","trace":{{"span":"{index:08x}","sampled":true}},"message":"order shown"}}'
    )


def main() -> int:
    """Serve until SIGTERM."""
    events, kind = int(sys.argv[1]), sys.argv[2]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with CloudWatch() as aws:
        group = aws.virtual_group(
            "us-east-1",
            GROUP,
            streams=STREAMS,
            events_per_stream=events // STREAMS,
            start_ms=int(time.time() - 3_600) * 1_000,
            span_ms=3_500_000,
            message_factory={"text": text, "json": json}[kind],
        )
        group.prepare()
        print(aws.endpoint_url, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    sys.exit(main())
