"""The rules that docs/wazuh.md shows: each fires on what it is for, and on nothing else."""

import json
import re
from pathlib import Path

import pytest

from services.normalizer.shape import Shaper
from tests import wazuh_ruleset
from tests.rule_tree import LEVELS, Tree, event_of
from tests.unit.normalizer.factories import a_group, a_source, an_event

_DOCUMENT = (Path(__file__).parents[3] / "docs" / "wazuh.md").read_text()
_EXAMPLES = _DOCUMENT.partition("<!-- rules: tests fire them -->")[2].partition("<!-- end of rules -->")[0]
RULES = wazuh_ruleset.elements("".join(re.findall(r"```xml\n(.*?)```", _EXAMPLES, re.DOTALL)), "rule")

ERROR = json.dumps({"level": "error", "msg": "no funds"})
LISTED = json.dumps(
    {
        "eventVersion": "1.10",
        "eventSource": "iam.amazonaws.com",
        "eventName": "CreateUser",
        "eventTime": "2026-01-01T00:00:00Z",
    }
)
SSHD = "Jan  1 00:00:00 web1 sshd[716]: Invalid user eve from 198.51.100.7 port 40112"
TRAIL = "aws-cloudtrail-logs-1"


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree([*wazuh_ruleset.rules(), *RULES])


@pytest.mark.parametrize(
    ("rule", "account", "region", "group", "stream", "message"),
    [
        (100500, "123456789012", "us-east-1", "/app/pay", "canary-7", ERROR),
        (1002, "210987654321", "us-east-1", "/app/pay", "canary-7", ERROR),
        (1002, "123456789012", "us-east-1", "/app/pay", "web-7", ERROR),
        (1002, "123456789012", "us-east-1", "/other/app/pay", "canary-7", ERROR),
        (None, "123456789012", "us-east-1", "/app/pay", "canary-7", '{"level":"info"}'),
        (100501, "999999999999", "us-east-1", "/app/x", "s", '{"level":"info"}'),
        (100502, "123456789012", "us-east-1", "/app/failed-jobs", "s", '{"level":"info"}'),
        (100510, "999999999999", "us-east-1", TRAIL, "s", LISTED),
        (80202, "123456789012", "us-east-1", TRAIL, "s", LISTED),
        (100520, "123456789012", "eu-west-1", "/var/log/secure", "i-0", SSHD),
        (5710, "123456789012", "us-east-1", "/var/log/secure", "i-0", SSHD),
        (100521, "123456789012", "us-east-1", "/ecs/worker", "canary/1", "worker: out of memory"),
        (None, "123456789012", "us-east-1", "/ecs/worker", "main/1", "worker: out of memory"),
        (None, "123456789012", "us-east-1", "/ecs/x", "/ecs/worker:canary/", "worker: out of memory"),
    ],
)
def test_an_example_fires_on_its_group_account_and_stream(
    tree: Tree, rule: int | None, account: str, region: str, group: str, stream: str, message: str
) -> None:
    """And leaves everybody else's events to whoever had them."""
    origin = a_group(account_id=account, region=region, log_group=group)
    datagram = Shaper(origin, a_source()).shape(an_event(message, log_stream=stream)).datagrams[0]

    assert rule == tree.last(event_of(datagram))


def test_the_examples_load() -> None:
    """Ids of the user's own, under rules that are there."""
    ours = [*wazuh_ruleset.rules(), *RULES]
    ids = [int(rule.attrib["id"]) for rule in ours]
    parents = {sid for rule in RULES for tag in ("if_sid", "if_matched_sid") for sid in wazuh_ruleset.sids(rule, tag)}

    assert 7 == len(RULES)
    assert len(ids) == len(set(ids))
    assert parents <= set(LEVELS) | set(ids)
