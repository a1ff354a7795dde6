"""`cwpipe run --once`: all there is now is delivered, and the output says so."""

import json
import re
from dataclasses import dataclass

import pytest

from tests.system.command import Done
from tests.system.host import Host, numbered

FIRST = numbered(300)
NEW = numbered(20, "new")
LATE = numbered(30, "late")
KEYS = {"fetched", "delivered", "dead_lettered", "duplicates_suppressed", "api_calls", "seconds"}


@dataclass(frozen=True)
class TwoRuns:
    """A run with --json and the address in the file, and a later one with neither: what each showed and delivered."""

    first: Done
    first_calls: int
    first_delivered: list[str]
    second: Done
    second_delivered: list[str]


@pytest.fixture(scope="module")
def runs(shared_host: Host) -> TwoRuns:
    host = shared_host
    host.configure("/app/shop", "/app/empty")
    host.aws.create_group("us-east-1", "/app/empty")
    host.put("/app/shop", FIRST, age_seconds=60)
    first = host.run_once("--json")
    first_calls = len(host.aws.calls)
    first_delivered = host.delivered("/app/shop")
    host.put("/app/shop", NEW, age_seconds=1)
    host.put("/app/shop", LATE, age_seconds=600, stream="late")
    host.configure("/app/shop", "/app/empty", endpoint_url='""')
    second = host.run_once(AWS_ENDPOINT_URL=host.aws.endpoint_url)
    return TwoRuns(first, first_calls, first_delivered, second, host.delivered("/app/shop")[len(first_delivered) :])


def test_every_event_is_delivered_once_and_in_order(runs: TwoRuns) -> None:
    """The events of one stream keep their order as far as one forwarder goes."""
    assert FIRST == runs.first_delivered, runs.first.text


def test_json_ends_with_one_line_of_the_documented_keys(runs: TwoRuns) -> None:
    """Programs read standard output: nothing else may be there."""
    assert 1 == runs.first.out.count("\n")
    assert set(json.loads(runs.first.out)) == KEYS


def test_json_tells_what_the_run_did(runs: TwoRuns) -> None:
    """The numbers are those of this run, and the calls those that AWS saw."""
    summary = json.loads(runs.first.out)
    assert 0 == runs.first.exit_code
    assert (300, 300, 0, 0) == tuple(
        summary[key] for key in ("fetched", "delivered", "dead_lettered", "duplicates_suppressed")
    )
    assert runs.first_calls == summary["api_calls"]
    assert 0 < summary["seconds"] < 60


def test_logs_go_to_standard_error(runs: TwoRuns) -> None:
    """What the roles have to say is there, line by line, without escape sequences in a pipe."""
    for role in ("role=run", "role=fetcher", "role=normalizer", "role=forwarder"):
        assert role in runs.first.err
    assert "\x1b" not in runs.first.text


def test_a_second_run_delivers_only_what_is_new_and_what_came_late(runs: TwoRuns) -> None:
    """Late events, older than others read before, are found; nothing is delivered a second time."""
    assert 0 == runs.second.exit_code, runs.second.text
    assert sorted([*NEW, *LATE]) == sorted(runs.second_delivered)


def test_without_json_a_pipe_gets_a_plain_line_for_each_group_and_a_total(runs: TwoRuns) -> None:
    """No table, no bar, no colours: grep and a mail from cron have to live with it."""
    *groups, total = runs.second.out.splitlines()
    assert [["us-east-1", "/app/empty"], ["us-east-1", "/app/shop"]] == [line.split("  ")[:2] for line in groups]
    assert "50 delivered" in groups[1]
    assert re.fullmatch(
        r"\d+ fetched, 50 delivered(, \d+ read before)?; \d+ calls to AWS, [\d.]+ s; the books balance", total
    )
    assert "\x1b" not in runs.second.text
