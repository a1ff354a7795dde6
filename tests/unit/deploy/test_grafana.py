"""The dashboard: whole by Grafana's model, on metrics that there are, in PromQL that parses."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import promtool
from tests.metrics_text import known, named

ROOT = Path(__file__).parents[3]
GRAFANA = ROOT / "deploy/grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards/cwpipe.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
GRAPHS = [panel for panel in PANELS if panel["type"] != "row"]
#: Columns of Grafana's grid.
WIDTH = 24
#: Every panel's, as Grafana's dashboard model documents them.
KEYS = {"id", "type", "title", "gridPos"}
GRAPH_KEYS = KEYS | {"description", "datasource", "targets", "fieldConfig", "options"}
#: Of our own jobs, and none of ours.
FOREIGN = {"up", "ALERTS", "process_cpu_seconds_total", "process_resident_memory_bytes"}

each_graph = pytest.mark.parametrize("panel", GRAPHS, ids=[panel["title"] for panel in GRAPHS])


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    return set(itertools.product(columns, rows))


def expressions() -> list[str]:
    return [target["expr"] for panel in GRAPHS for target in panel["targets"]]


def test_the_dashboard_has_what_grafana_asks_of_one() -> None:
    """Grafana shows one that is not whole as an empty page."""
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time", "annotations"} <= DASHBOARD.keys()
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", DASHBOARD["uid"])
    assert "id" not in DASHBOARD  # the number of one installation
    (variable,) = DASHBOARD["templating"]["list"]
    assert ("datasource", "datasource", "prometheus") == (variable["name"], variable["type"], variable["query"])


def test_panels_have_ids_of_their_own_and_places_of_their_own() -> None:
    """Of two in one place Grafana moves one, and nobody knows which."""
    assert len(PANELS) == len({panel["id"] for panel in PANELS})
    for one, other in itertools.combinations(PANELS, 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])
    for panel in PANELS:
        place = panel["gridPos"]
        assert {"x", "y", "w", "h"} == place.keys()
        assert 0 <= place["x"] < place["x"] + place["w"] <= WIDTH
        assert place["h"] > 0
        assert panel.keys() >= KEYS


@each_graph
def test_a_panel_is_whole_and_says_what_it_shows(panel: dict[str, Any]) -> None:
    """Somebody reads it at night for the first time."""
    assert panel.keys() >= GRAPH_KEYS
    assert panel["type"] in {"stat", "table", "timeseries"}
    assert re.fullmatch(r"[A-Z1].+\.", panel["description"])
    assert {"defaults", "overrides"} == panel["fieldConfig"].keys()
    references = [target["refId"] for target in panel["targets"]]
    assert len(references) == len(set(references)) > 0
    for target in panel["targets"]:
        assert target["expr"]
        assert {"type": "prometheus", "uid": "${datasource}"} == target["datasource"] == panel["datasource"]


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_uses_metrics_that_there_are(expression: str) -> None:
    """A panel of others is empty for ever."""
    assert set() == named(expression) - known()
    assert named(expression) or any(foreign in expression for foreign in FOREIGN)


@pytest.mark.parametrize("expression", expressions())
def test_a_gauge_of_the_one_state_is_never_summed(expression: str) -> None:
    """Where `cwpipe metrics` runs on two hosts, a sum would double it."""
    assert not re.search(
        r"\b(sum|avg)\b[^(]*\((rate\()?cwpipe_(queue|group|groups|budget|books|dead_letter)", expression
    )


def test_promtool_can_parse_every_expression(tmp_path: Path) -> None:
    """As rules, which it checks; Grafana's own variables are put in first."""
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(expressions())
    ]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    code, text = promtool.run("check", "rules", tmp_path / "rules.yml")

    assert 0 == code, text
    assert "$" not in json.dumps(rules)


def test_what_is_provisioned_fits_the_compose_file() -> None:
    """The dashboards are where the provider looks, and the source of data is a service that there is."""
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/cwpipe.yml").read_text())["providers"]
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/cwpipe.yml").read_text())["datasources"]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounted = [volume.split(":")[:2] for volume in services["grafana"]["volumes"] if volume.startswith("./")]

    assert ["./deploy/grafana/dashboards", provider["options"]["path"]] in mounted
    assert ["./deploy/grafana/provisioning", "/etc/grafana/provisioning"] in mounted
    assert ("prometheus", "http://prometheus:9090") == (source["type"], source["url"])
    assert "prometheus" in services
