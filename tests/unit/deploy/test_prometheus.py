"""The alert rules: what promtool says of them, what they are written on, and that each says what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.metrics import _PORT_OFFSETS
from tests import promtool
from tests.metrics_text import known, named

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy/prometheus"
CONFIG: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "cwpipe.rules.yml").read_text())["groups"] for rule in group["rules"]
]
TESTS: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "cwpipe.rules.test.yml").read_text())["tests"]

each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "cwpipe.rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "cwpipe.rules.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    """A rule with a mistake in it is one that never fires."""
    *words, file = arguments
    code, text = promtool.run(*words, PROMETHEUS / file)

    assert 0 == code, text


@each_rule
def test_a_rule_is_written_on_metrics_that_there_are(rule: dict[str, Any]) -> None:
    """Of a name that nobody exports Prometheus says nothing, for ever."""
    names = named(rule["expr"])

    assert set() == names - known()
    assert names or rule["expr"].startswith("up{")


@each_rule
def test_a_rule_says_what_to_do(rule: dict[str, Any]) -> None:
    """At night; the place in the documents is the alert's name."""
    annotations = rule["annotations"]

    assert re.fullmatch(r"Cwpipe[A-Za-z]+", rule["alert"])
    assert {"summary", "action", "runbook"} == annotations.keys()
    assert f"docs/operations.md#{rule['alert'].lower()}" == annotations["runbook"]
    assert rule["labels"]["severity"] in {"critical", "warning"}


@each_rule
def test_a_rule_is_tested_to_fire_and_to_be_quiet(rule: dict[str, Any]) -> None:
    """Both: one that always fires passes half of it."""
    asked = f'ALERTS{{alertname="{rule["alert"]}",alertstate="firing"}}'
    asks = (ask for test in TESTS for ask in test.get("promql_expr_test", []))
    answers = {bool(ask["exp_samples"]) for ask in asks if asked in ask["expr"]}

    assert {True, False} == answers


def test_every_role_is_scraped_at_its_own_port() -> None:
    """As shared/metrics.py counts them from metrics_address."""
    ports = {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in CONFIG["scrape_configs"]}

    assert {f"cwpipe-{role}": 9108 + offset for role, offset in _PORT_OFFSETS.items()} == ports


def test_the_documents_tell_of_every_alert_and_of_no_other() -> None:
    """In the order of the rules."""
    listed = re.findall(r"^\| \[(Cwpipe\w+)\]\(operations\.md#(\w+)\) \|", (ROOT / "docs/metrics.md").read_text(), re.M)

    assert [(rule["alert"], rule["alert"].lower()) for rule in RULES] == listed
