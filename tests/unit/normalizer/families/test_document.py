"""docs/wazuh.md says what arrives, family by family."""

import re
from pathlib import Path

from services.normalizer.families.registry import FAMILIES
from services.normalizer.location import DEFAULT
from services.normalizer.origin import Origin
from tests.unit.normalizer.factories import a_group, an_event
from tests.unit.normalizer.test_origin import origin_in  # the same reading of a datagram

DOCUMENT = (Path(__file__).parents[4] / "docs" / "wazuh.md").read_text()
_WITHOUT_GROUPS = {"by format": "none: `format` asks for it", "any group": "any"}


def test_the_list_of_families_is_the_registry() -> None:
    """In its order, with every glob and sentence; `-x` shows the rows to put there."""
    expected = [
        f"| `{family.name}` | {', '.join(f'`{glob}`' for glob in family.groups) or _WITHOUT_GROUPS[family.where]} "
        f"| {family.arrives} |"
        for family in FAMILIES
    ]
    listed = DOCUMENT.partition("<!-- families:")[2].partition("<!-- end of families -->")[0]

    assert expected == [row for row in listed.splitlines() if row.startswith("| `")]


def test_the_fields_of_the_origin_are_those_that_are_sent() -> None:
    """All seven, in their order."""
    sent = origin_in(Origin(a_group(), "web").datagram(an_event(), b"{}"))

    assert [f"cloudwatch.{name}" for name in sent] == re.findall(r"^\| `(cloudwatch\.\w+)` \|", DOCUMENT, re.MULTILINE)


def test_the_default_location_is_the_one_in_use() -> None:
    """Rules are written on it."""
    assert f"`{DEFAULT}`" in DOCUMENT
