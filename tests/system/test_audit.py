"""`cwpipe audit`, as somebody runs it beside the service."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.system.command import Done
from tests.system.host import CLOSED, Host, numbered, soon

OLD = numbered(600, "old")
NEW = numbered(40, "new")
KEYS = {
    *("account_id", "region", "log_group", "source", "from", "to", "complete", "faults", "not_audited", "watermark"),
    *("minutes_compared", "at_aws", "fetched", "missing", "fetched_twice", "not_yet_read", "no_longer_at_aws"),
    *("above_watermark", "differences", "books", "dead_letters", "incoming_log_events", "api_calls"),
}


@pytest.fixture(scope="module")
def busy(shared_host: Host) -> Iterator[Host]:
    """A host on which the service runs and has delivered all there is."""
    host = shared_host
    host.configure("/app/*")
    host.put("/app/shop", OLD, age_seconds=7_000)
    host.put("/app/shop", NEW, age_seconds=90)
    run = host.start()
    host.wait_delivered("/app/shop", [*OLD, *NEW])
    soon(lambda: not host.status()["in_flight"], "all confirmed")
    soon(lambda: json.loads(audit(host, "--json").out)["minutes_compared"] > 115, "the tail is read")
    yield host
    assert 0 == run.end().exit_code


def audit(host: Host, *options: str, group: str = "/app/shop", begin: str = "2h", end: str = "0s") -> Done:
    return host.shell.run(
        *("audit", "--config", host.config, "--data-dir", host.data_dir),
        *("--group", group, "--from", begin, "--to", end, *options),
        env={"AWS_ENDPOINT_URL_CLOUDWATCH": f"http://{CLOSED}"},
    )


def test_all_is_accounted_for(busy: Host) -> None:
    """Exit 0, and a report that says what was compared and where it went."""
    done = audit(busy)
    lines = [line.split(maxsplit=1) for line in done.out.splitlines()]

    assert (0, "") == (done.exit_code, done.err)
    assert ["group", "range", "compared", "after", "books", "letters", "metric", "result"] == [row[0] for row in lines]
    assert "640 events at AWS, 640 fetched" in done.out
    assert "delivered 640, " in done.out
    assert lines[-1][1] == "every event of the minutes compared was fetched exactly once, and the books balance"


def test_json_is_one_object_of_the_documented_keys(busy: Host) -> None:
    """For a program that looks every night."""
    done = audit(busy, "--json")
    answer: dict[str, Any] = json.loads(done.out)

    assert (0, 1) == (done.exit_code, done.out.count("\n"))
    assert set(answer) == KEYS
    assert [True, 640, 640, 0] == [answer[key] for key in ("complete", "at_aws", "fetched", "missing")]


def test_what_was_never_fetched_is_named(busy: Host) -> None:
    """Exit 4: an hour of ours is lost, while AWS still has its events."""
    store = redis.Redis.from_url((busy.data_dir / "redis_url").read_text().strip())
    (name,) = [name for name in store.keys("cwpipe:digest:*") if sum(map(int, store.hvals(name))) > 1 << 39]
    kept: Any = store.dump(name)
    store.delete(name)
    done = audit(busy)
    answer = json.loads(audit(busy, "--json").out)
    store.restore(name, 3_600_000, kept)
    store.close()

    assert 4 == done.exit_code, done.text
    assert "cwpipe: group /app/shop: never fetched: at least 600\n" == done.err
    assert "result     INCOMPLETE: never fetched: at least 600" in done.out
    assert 600 == len({event["event_id"] for one in answer["differences"] for event in one["events"]})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group": "/other"}, "cwpipe: --group /other: no source of the settings reads it"),
        ({"group": "/app/nothing"}, "cwpipe: --group /app/nothing: there is no log group of this name in us-east-1"),
        ({"begin": "yesterday"}, "cwpipe: --from 'yesterday': a start time is a date"),
        ({"begin": "1h", "end": "2h"}, "cwpipe: --from '1h' --to '2h': the range ends before it begins"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(busy: Host, options: dict[str, str], said: str) -> None:
    """Each says what is wrong with what was given."""
    done = audit(busy, **options)

    assert (2, "", 1) == (done.exit_code, done.out, done.err.count("\n"))
    assert done.err.startswith(said)


def test_where_nothing_runs_it_says_so(host: Host) -> None:
    """Exit 3, as every command that needs Redis."""
    host.configure("/app/shop")
    done = audit(host)

    assert (3, "", 1) == (done.exit_code, done.out, done.err.count("\n"))
