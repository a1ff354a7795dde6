"""The decoders and rules of deploy/wazuh: that Wazuh can load them, what they fire on, and that they take nothing.

No analysisd runs here. Which rule fires last comes from tests/rule_tree.py, which gives what was measured on a real one for
every case of tests/data/fidelity_cases.jsonl when it has the stock rules alone.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from services.normalizer.shape import Shaper
from tests import wazuh_ruleset
from tests.rule_tree import LEVELS, STOCK, Tree, event_of, expression
from tests.stock_rules import DECODERS
from tests.unit.normalizer.factories import a_group, a_source, an_event

DATA = Path(__file__).parents[2] / "data"
CASES, SAMPLES = (
    [json.loads(line) for line in (DATA / name).read_text().splitlines()]
    for name in ("fidelity_cases.jsonl", "ruleset_samples.jsonl")
)
REPLACED: dict[str, dict[str, int]] = tomllib.loads((DATA / "stock_replaced.toml").read_text())
RULES = wazuh_ruleset.rules()
BY_ID = {int(rule.attrib["id"]): rule for rule in RULES}
IDS = range(118_000, 118_320)
#: Its last rule on the daemon was none; the group of Sysmon's rules that sees to it is not among those that tests know.
NOT_KNOWN = "windows: Sysmon 1 powershell -enc, f: queue"

CONDITIONS = ("decoded_as", "field", "match", "regex", "location")
SINGLE = {
    "if_sid",
    "if_matched_sid",
    "decoded_as",
    "location",
    "options",
    "description",
    "mitre",
    "group",
    "match",
    "regex",
}
KNOWN = SINGLE | {"field", "same_field", "same_srcip"}
TAG = re.compile(
    r"pci_dss_\d+(\.\d+)*|gdpr_[IV]+_\d+\.\d+(\.[a-z])?|hipaa_164\.\d+\.[a-z]|nist_800_53_[A-Z]{2}\.\d+|tsc_(CC|A)\d+\.\d+"
)

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.attrib["id"])


def case_name(case: dict[str, Any]) -> str:
    return f"{case['family']}: {case['name']}"


every_case = pytest.mark.parametrize("case", CASES, ids=case_name)


@pytest.fixture(scope="module")
def stock_alone() -> Tree:
    return Tree()


@pytest.fixture(scope="module")
def with_ours() -> Tree:
    return Tree(RULES)


def last_rule(tree: Tree, case: dict[str, Any]) -> int | None:
    group = a_group(region=case.get("region", "us-east-1"), log_group=case["log_group"])
    event = an_event(case["message"], log_stream=case["log_stream"])
    return tree.last(event_of(Shaper(group, a_source(**case["settings"])).shape(event).datagrams[0]))


def file_of(sid: int) -> str:
    return next(file.name for file in wazuh_ruleset.RULE_FILES if f'<rule id="{sid}"' in file.read_text())


# --- that Wazuh loads them ---


@pytest.mark.parametrize("file", [*wazuh_ruleset.RULE_FILES, *wazuh_ruleset.DECODER_FILES], ids=lambda file: file.name)
def test_a_file_is_xml_that_wazuhs_own_parser_takes_too(file: Path) -> None:
    """It knows no entities, and with a <var> in the file every `$` would be the name of one."""
    text = file.read_text()

    assert wazuh_ruleset.elements(text, "decoder" if "decoder" in file.name else "rule")
    assert "&" not in text
    assert "<var" not in text
    assert text.isascii()


def test_the_files_load_before_the_users_own() -> None:
    """Wazuh loads a directory by name, and a rule hangs only under what was loaded before it."""
    assert all(file.name < "local_rules.xml" for file in wazuh_ruleset.RULE_FILES)
    assert 4 == len(wazuh_ruleset.RULE_FILES)


def test_an_id_is_ours_alone_and_rises() -> None:
    """Wazuh skips a second rule of an id."""
    ids = [int(rule.attrib["id"]) for rule in RULES]

    assert all(sid in IDS for sid in ids)
    assert sorted(set(ids)) == ids


def test_every_file_says_which_ids_are_in_it() -> None:
    """So that somebody can see whether his own are among them."""
    for file in wazuh_ruleset.RULE_FILES:
        text = file.read_text()
        first, last = map(int, re.search(r"Rules: (\d+) to (\d+)\.", text).groups())  # type: ignore[union-attr]

        assert all(first <= int(rule.attrib["id"]) <= last for rule in wazuh_ruleset.elements(text, "rule"))


def test_the_readme_names_every_file_with_its_rules() -> None:
    """And the alerts of cwpipe's own log with their levels."""
    readme = (wazuh_ruleset.DIRECTORY / "README.md").read_text()
    told = re.findall(r"^\| ([\d, ]+) \| ([\d, ]+) \|", readme, re.MULTILINE)
    levels = {sid: level for ids, them in told for sid, level in zip(ids.split(", "), them.split(", "), strict=True)}

    for file in wazuh_ruleset.RULE_FILES:
        first, last = re.search(r"Rules: (\d+) to (\d+)\.", file.read_text()).groups()  # type: ignore[union-attr]
        assert f"| `rules/{file.name}` | {first} to {last} |" in readme
    assert levels == {
        sid: rule.attrib["level"]
        for sid, rule in ((rule.attrib["id"], rule) for rule in RULES)
        if "health" in file_of(int(sid)) and "noalert" not in rule.attrib
    }


@every_rule
def test_a_rule_is_spelled_as_wazuh_knows_it(rule: ET.Element) -> None:
    """One unknown element keeps analysisd from starting."""
    tags = [part.tag for part in rule]

    assert set(rule.attrib) <= set(STOCK["attributes"])
    assert 0 <= int(rule.attrib["level"]) <= 16
    assert set(tags) <= KNOWN
    assert all(tags.count(tag) <= 1 for tag in SINGLE)  # of two, Wazuh makes one long text
    assert rule.findtext("description", "").strip()
    assert rule.findtext("options", "no_full_log") in STOCK["options"]
    assert ("frequency" in rule.attrib) == ("timeframe" in rule.attrib) == ("if_matched_sid" in tags)


@every_rule
def test_what_a_rule_hangs_under_is_there_before_it(rule: ET.Element) -> None:
    """Of Wazuh's own rules, those of the version that tests/data/stock_tree.toml names."""
    before = set(LEVELS) | {sid for sid in BY_ID if sid < int(rule.attrib["id"])}

    assert set(wazuh_ruleset.sids(rule, "if_sid") + wazuh_ruleset.sids(rule, "if_matched_sid")) <= before
    assert rule.find("if_group") is None


@every_rule
def test_a_decoder_that_a_rule_asks_for_is_there(rule: ET.Element) -> None:
    """An unknown one is an error at the start."""
    ours = {decoder.attrib["name"] for decoder in wazuh_ruleset.decoders()}

    assert {part.text for part in rule.iter("decoded_as")} <= set(DECODERS) | set(STOCK["decoders"]) | ours


@every_rule
def test_a_rule_asks_for_static_fields_by_their_own_elements_only(rule: ET.Element) -> None:
    """`<field name="user">` is an error at the start."""
    names = {part.attrib["name"].lower() for part in rule.iter("field")}

    assert names.isdisjoint(STOCK["static_fields"])


@every_rule
def test_an_expression_is_one_that_is_sure_to_mean_what_it_says(rule: ET.Element) -> None:
    """pcre2 that Python compiles too, or plain words: Wazuh's own languages differ from either."""
    for part in rule:
        if part.tag in CONDITIONS:
            assert part.get("type", "osregex") in ("osregex", "osmatch", "pcre2")
            assert set(part.attrib) <= {"type", "name"}
            if part.tag != "decoded_as":
                expression(part)


@every_rule
def test_tags_and_techniques_have_the_form_that_wazuh_gives_them(rule: ET.Element) -> None:
    """Dashboards select by them."""
    groups = rule.findtext("group", ",")
    frameworks = ("pci", "gdpr", "hipaa", "nist", "tsc")

    assert groups.endswith(",")
    assert all(TAG.fullmatch(group) for group in groups.split(",") if group.startswith(frameworks))
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", technique.text or "") for technique in rule.iterfind("mitre/id"))


def test_a_decoder_is_one_that_wazuh_knows_how_to_load() -> None:
    """As many fields as groups, and a parent that is there."""
    names = [decoder.attrib["name"] for decoder in wazuh_ruleset.decoders()]
    for decoder in wazuh_ruleset.decoders():
        order = decoder.findtext("order")

        assert decoder.findtext("parent") in (None, *names)
        assert all("pcre2" == part.get("type") for part in decoder if part.tag in ("prematch", "regex"))
        assert order is None or re.compile(decoder.findtext("regex", "")).groups == len(order.split(","))


# --- what they fire on, and what they leave to others ---


@every_case
def test_with_the_stock_rules_alone_the_tree_gives_what_was_measured(case: dict[str, Any], stock_alone: Tree) -> None:
    """Else it would say nothing of ours."""
    measured = case["rules"][-1] if case["rules"] else None

    assert (60000 if case_name(case) == NOT_KNOWN else measured) == last_rule(stock_alone, case)


@every_case
def test_a_stock_rule_keeps_its_event_unless_it_says_so_here(case: dict[str, Any], with_ours: Tree) -> None:
    """Ours fire where stock rules are silent, and in their place only where tests/data/stock_replaced.toml has it."""
    replaced = REPLACED["filled"] | REPLACED["corrected"]
    measured = case["rules"][-1] if case["rules"] else None
    name = case_name(case)

    assert (60000 if name == NOT_KNOWN else replaced.get(name, measured)) == last_rule(with_ours, case)


def test_what_is_filled_was_silent_and_what_is_corrected_is_in_a_file_apart() -> None:
    """Level 3 is where alerts begin. Who leaves that file out has nothing taken from any stock rule that alerts."""
    measured = {case_name(case): (case["rules"] or [None])[-1] for case in CASES}

    assert all(LEVELS.get(measured[name], 0) < 3 for name in REPLACED["filled"])
    assert all(LEVELS[measured[name]] >= 3 for name in REPLACED["corrected"])
    assert {"cwpipe_40_severity.xml"} == {file_of(sid) for sid in REPLACED["corrected"].values()}
    assert "cwpipe_40_severity.xml" not in {file_of(sid) for sid in REPLACED["filled"].values()}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["name"])
def test_a_sample_fires_its_rule(sample: dict[str, Any], with_ours: Tree) -> None:
    """Ours or a stock one, by way of the normalizer."""
    assert sample["rule"] == last_rule(with_ours, sample)


def test_without_the_file_of_corrections_no_stock_rule_that_alerts_loses_an_event(stock_alone: Tree) -> None:
    """Over the samples too, which look for what is between the cases."""
    without = Tree(rule for rule in RULES if file_of(int(rule.attrib["id"])) != "cwpipe_40_severity.xml")
    taken = []
    for sample in [*CASES, *SAMPLES]:
        before = last_rule(stock_alone, sample)
        if before is not None and LEVELS[before] >= 3 and before != last_rule(without, sample):
            taken.append(sample["name"])

    assert [] == taken


def test_a_parent_of_level_0_would_be_found_out(with_ours: Tree) -> None:
    """What the noalert is for: the same parents without it take events from 1002 and others."""
    spoiled = [ET.fromstring(ET.tostring(rule)) for rule in RULES]  # noqa: S314
    for rule in spoiled:
        if rule.attrib.pop("noalert", None):
            rule.set("level", "0")
    stealing = Tree(spoiled)
    lost = [case_name(case) for case in CASES if last_rule(stealing, case) != last_rule(with_ours, case)]

    assert "cloudtrail: typical CreateAccessKey" in lost
    assert "generic: app JSON with bad words" in lost


def test_every_rule_has_an_event_that_fires_it(with_ours: Tree) -> None:
    """But parents, those that count, and those of our own log, which test_own_log.py fires."""
    fired = {last_rule(with_ours, sample) for sample in [*CASES, *SAMPLES]}
    lone = {sid for sid, rule in BY_ID.items() if rule.get("noalert") != "1" and rule.find("if_matched_sid") is None}

    assert set() == {sid for sid in lone if file_of(sid) != "cwpipe_30_health.xml"} - fired
