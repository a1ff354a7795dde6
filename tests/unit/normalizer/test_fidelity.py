"""What was measured on a real analysisd: which form of a message fires which rule. See tests/data/fidelity_cases.jsonl.

A case says what a message of a group becomes, and the one rule that then fires last. Where we send another form than was
measured, `measured` has that one, and `why` the reason.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.normalizer.families.registry import FAMILIES
from services.normalizer.shape import Shaper
from tests.stock_rules import RULES, fields_of, unmet
from tests.unit.normalizer.factories import a_group, a_source, an_event

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "data" / "fidelity_cases.jsonl").read_text().split("\n")
    if line
]
_FRAME = re.compile(rb"(.):(?:[^:|]|\|.)*:(.*)", re.DOTALL)

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['family']}: {case['name']}")


def datagrams_of(case: dict[str, Any]) -> tuple[bytes, ...]:
    group = a_group(region=case["region"], log_group=case["log_group"])
    event = an_event(case["message"], log_stream=case["log_stream"])
    return Shaper(group, a_source(**case["settings"])).shape(event).datagrams


def members_of(text: str) -> Any:
    """Return an object as Python data, a text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@every_case
def test_a_message_becomes_the_form_that_fires_its_rule(case: dict[str, Any]) -> None:
    """Byte for byte, but for the order of an envelope's members."""
    frame = _FRAME.fullmatch(datagrams_of(case)[0])

    assert frame
    assert case["queue"] == frame[1].decode()
    assert members_of(case["body"]) == members_of(frame[2].decode())


@every_case
def test_that_form_has_what_the_rule_and_its_parents_ask_for(case: dict[str, Any]) -> None:
    """A field that is missing or has another name would leave the rule silent, and nobody would know."""
    assert [] == [line for rule in case["rules"] for line in unmet(rule, datagrams_of(case)[0])]


@every_case
def test_an_envelope_begins_with_what_rules_read(case: dict[str, Any]) -> None:
    """Wazuh reads 256 fields: the mark, the origin, the source, then small members before objects."""
    body = _FRAME.fullmatch(datagrams_of(case)[0])[2]  # type: ignore[index]
    if not body.startswith(b'{"integration":"aws",'):
        assert b'"integration":' not in body
        return
    envelope = json.loads(body)
    places = [isinstance(value, (list, dict)) for value in envelope["aws"].values()]

    assert ["integration", "cloudwatch", "aws"] == list(envelope)
    assert 7 == len(envelope["cloudwatch"])
    assert "source" == next(iter(envelope["aws"]))
    assert sorted(places) == places


def test_every_difference_from_what_was_measured_has_a_reason() -> None:
    """And only what differs has one."""
    differing = [case for case in CASES if "why" in case]

    assert differing
    assert all(case["why"] and members_of(case["measured"]) != members_of(case["body"]) for case in differing)


def test_every_family_has_a_case() -> None:
    """A new row of the registry comes with what it is to fire; the one without is no form of a message that was measured."""
    assert {"nlb"} == {family.name for family in FAMILIES} - {case["family"] for case in CASES}


def test_a_rule_does_not_hold_without_a_field_that_it_names() -> None:
    """The conditions can fail: each field taken out of an envelope leaves one unmet."""
    checked = 0
    for case in CASES:
        datagram = datagrams_of(case)[0]
        for rule in case["rules"]:
            for name in RULES[str(rule)].get("fields", {}) if case["queue"] == "1" else ():
                key = name.rpartition(".")[2]
                spoiled = re.sub(rb'"%b":' % key.encode(), rb'"x%b":' % key.encode(), datagram, flags=re.IGNORECASE)
                assert name.lower() not in fields_of(spoiled)
                assert unmet(rule, spoiled)
                checked += 1
    assert checked > 50
