"""Many groups and streams in several accounts, read by several fetchers below AWS's quotas; prints one table.

    python -m tests.benchmarks.scale --groups 1000 --streams 100 --accounts 2 --fetchers 3 --seconds 60

Runs twice: with AWS's own quota enforced by the stand-in, and with three quarters of it taken by somebody else (`--left`).
A twentieth of the groups is active: one event after the other while it is measured, each on the next of its streams. The
others have had none for an hour.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import redis
from msgspec import Struct

from services.supervisor.embedded import EmbeddedServer
from shared import books, codec, keys, store
from shared.aws.quotas import quota
from shared.messages import RawBatch
from tests.benchmarks.processes import usage
from tests.standins.cloudwatch import CloudWatch

REGION = "us-east-1"
OPERATION = "FilterLogEvents"
ACTIVE_SHARE = 20
SETTINGS = """\
redis_url = "{redis_url}"
[log]
level = "warning"
"""
SOURCE = """\
[[sources]]
name = "{account}"
profile = "{account}"
regions = ["{region}"]
log_groups = ["/scale/*"]
only_logs_after = "2m"
endpoint_url = "{endpoint_url}"
poll_interval = "{poll_interval}"
max_poll_interval = "{max_poll_interval}"
"""


class Result(Struct):
    """What was measured, in the order of the table."""

    first_pass_seconds: float
    idle_calls_a_minute: float
    all_calls_a_minute: float
    quota_used: float
    throttled: int
    events: int
    p50_seconds: float
    p99_seconds: float
    worst_lag_seconds: float
    peak_mib: float


def main() -> int:
    """Run with each part of the quota, and print the table."""
    options = _parser().parse_args()
    results = {f"{left:.0%} of the quota left": _run(options, left) for left in options.left or (1.0, 0.25)}
    print(
        f"{options.groups:,} groups, {options.groups * options.streams:,} streams, {options.accounts} accounts, "
        f"{options.fetchers} fetchers, poll_interval {options.poll_interval}, {options.seconds} s\n"
    )
    print(f"{'':24}" + "".join(f"{name:>24}" for name in results))
    for field in Result.__struct_fields__:
        print(f"{field:24}" + "".join(f"{getattr(result, field):24,.2f}" for result in results.values()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.benchmarks.scale", description=__doc__)
    parser.add_argument("--groups", type=int, default=1_000)
    parser.add_argument("--streams", type=int, default=100, help="of each group")
    parser.add_argument("--accounts", type=int, default=2)
    parser.add_argument("--fetchers", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60, help="measured, after each group was read once")
    parser.add_argument(
        "--left", type=float, action="append", help="part of the quota that nobody else takes; may be repeated"
    )
    parser.add_argument("--poll-interval", default="30s")
    parser.add_argument("--max-poll-interval", default="5m")
    return parser


def _run(options: argparse.Namespace, share: float) -> Result:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cwpipe-scale-")))
        redis_url = stack.enter_context(EmbeddedServer(place / "valkey"))
        aws = stack.enter_context(CloudWatch())
        client = store.connect(redis_url)
        accounts = [f"{number:012}" for number in range(1, options.accounts + 1)]
        _write_settings(place, options, accounts, redis_url, aws)
        aws.throttle(OPERATION, share * quota(OPERATION, REGION))
        _fill(aws, options, accounts, int(time.time() * 1000) + 3_600_000, anew=True)
        fetchers = [stack.enter_context(_fetcher(place)) for _ in range(options.fetchers)]
        begun = time.monotonic()
        while _read_once(client) < options.groups:
            time.sleep(0.5)
        first_pass = time.monotonic() - begun
        active = _fill(aws, options, accounts, int(time.time() * 1000), anew=False)
        aws.calls.clear()
        measured = time.monotonic()
        time.sleep(options.seconds)
        seconds = time.monotonic() - measured
        calls = [call for call in aws.calls if call.operation == OPERATION]
        lag = _worst_lag(client)
        peak = max(usage(fetcher.pid).peak_bytes for fetcher in fetchers)
        delays = _delays(client)
    return Result(
        first_pass_seconds=first_pass,
        idle_calls_a_minute=sum(call.group not in active for call in calls) * 60 / seconds,
        all_calls_a_minute=len(calls) * 60 / seconds,
        quota_used=len(calls) / seconds / (quota(OPERATION, REGION) * options.accounts),
        throttled=sum(call.outcome == "ThrottlingException" for call in calls),
        events=len(delays),
        p50_seconds=quantiles(delays, n=100)[49] if len(delays) > 1 else 0.0,
        p99_seconds=quantiles(delays, n=100)[98] if len(delays) > 1 else 0.0,
        worst_lag_seconds=lag,
        peak_mib=peak / 1024**2,
    )


def _fill(aws: CloudWatch, options: argparse.Namespace, accounts: list[str], start_ms: int, *, anew: bool) -> set[str]:
    """Make the groups, those that are active with an event for each stream from `start_ms` on; return the active ones.

    Of groups that are there already, only the active ones are made anew: a fetcher sees them go on.
    """
    active = {f"/scale/{number:05}" for number in range(0, options.groups, ACTIVE_SHARE)}
    for number in range(options.groups):
        name, account = f"/scale/{number:05}", accounts[number // ACTIVE_SHARE % len(accounts)]
        if name in active or anew:
            aws.virtual_group(
                REGION,
                name,
                streams=options.streams,
                events_per_stream=1,
                start_ms=start_ms if name in active else start_ms - 7_200_000,
                span_ms=options.seconds * 1000,
                account=account,
            )
    return active


def _write_settings(
    place: Path, options: argparse.Namespace, accounts: list[str], redis_url: str, aws: CloudWatch
) -> None:
    profiles = []
    for account in accounts:
        aws.add_key(f"AKIA{account}", account=account)
        profiles.append(f"[{account}]\naws_access_key_id = AKIA{account}\naws_secret_access_key = secret\n")
    sources = [
        SOURCE.format(
            account=account,
            region=REGION,
            endpoint_url=aws.endpoint_url,
            poll_interval=options.poll_interval,
            max_poll_interval=options.max_poll_interval,
        )
        for account in accounts
    ]
    (place / "credentials").write_text("\n".join(profiles))
    (place / "cwpipe.toml").write_text("\n".join([SETTINGS.format(redis_url=redis_url), *sources]))


@contextmanager
def _fetcher(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = dict(os.environ) | {"AWS_SHARED_CREDENTIALS_FILE": str(place / "credentials")}  # noqa: TID251 - handed on
    command = [sys.executable, "-m", "services", "fetcher", "--config", str(place / "cwpipe.toml")]
    with subprocess.Popen(command, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()


def _read_once(client: redis.Redis) -> int:
    """Return how many groups have been read at least once."""
    return sum(1 for _ in client.scan_iter(match=keys.checkpoint("*"), count=10_000))


def _worst_lag(client: redis.Redis) -> float:
    """Return for how many seconds the group that was read longest ago has not been read."""
    now_ms = time.time() * 1000
    return max(now_ms - state.read_ms for state, _ in books.read(client).values()) / 1000


def _delays(client: redis.Redis) -> list[float]:
    """Return the seconds from each event's time until it was on the queue."""
    delays = []
    queued: Any = client.zrange(keys.outstanding("raw"), 0, -1, withscores=True)
    for batch_id, queued_ms in queued:
        payload = client.get(keys.payload("raw", batch_id.decode()))
        assert isinstance(payload, bytes)
        delays += [(queued_ms - event.timestamp_ms) / 1000 for event in codec.decode(RawBatch, payload).events]
    return delays


if __name__ == "__main__":
    sys.exit(main())
