"""Checks of what decides the form of events: location, columns of flow logs, format."""

from pathlib import Path
from typing import get_args

import pytest

from services.normalizer.families.registry import FAMILIES
from services.normalizer.location import DEFAULT, location_of
from shared.settings.checks import LOCATION_FIELDS, check
from shared.settings.faults import Faults
from shared.settings.model import Format, Source


def faults_of(**source: object) -> list[str]:
    faults = Faults(Path("/f"))
    check({"sources": [source]}, faults)
    return faults.lines


@pytest.mark.parametrize(
    "location",
    [
        DEFAULT,
        "Wazuh-AWS",
        "cloudwatch:{account}:{region}:{log_group}",
        "{log_group}",
        "{region}/{log_stream}",
        "é {account}",
    ],
)
def test_a_location_of_texts_and_fields_passes(location: str) -> None:
    """Any of the four fields, or none."""
    assert [] == faults_of(location=location)


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        ("[001] {log_group}", "must begin with a fixed text"),
        ("({log_group}", "must begin with a fixed text"),
        ("{log_stream}", "must begin with a fixed text"),
        (
            "x:{logGroup}",
            "must not hold {logGroup}; what is filled in is {region}, {account}, {log_group} or {log_stream}",
        ),
        ("x:{region", "must have braces around the names of fields only"),
        ("x:{region!r}", "must have braces around the names of fields only"),
        ("x:{}", "must have braces around the names of fields only"),
        ("x->{log_group}", "must not hold ->, | or control characters"),
        ("x|{log_group}", "must not hold ->, | or control characters"),
        ("x\n{log_group}", "must not hold ->, | or control characters"),
        ("x" * 513, "must have at most 512 characters"),
    ],
)
def test_any_other_location_is_one_fault(location: str, sentence: str) -> None:
    """What analysisd would read as an agent, a module or a second line."""
    (line,) = faults_of(location=location)

    assert line.startswith("/f: sources[0].location")
    assert sentence in line


def test_what_a_location_may_hold_is_what_is_filled_in() -> None:
    """A field that passes the checks must not fail later, in the normalizer."""
    template = "x:" + ":".join(f"{{{name}}}" for name in LOCATION_FIELDS)

    assert "x:eu-west-1:123456789012:/app:web" == location_of("eu-west-1", "/app", "web", "123456789012", template)
    assert Source(name="a", regions=("eu-west-1",), log_groups=("*",)).location == DEFAULT


@pytest.mark.parametrize("columns", ["${version} ${account-id} ${action}", " ${action}  ${log-status}\n${start}"])
def test_the_columns_of_a_flow_log_pass(columns: str) -> None:
    """As AWS's console shows them."""
    assert [] == faults_of(flow_log_format=columns)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ("version action", 'such as ${account-id} with spaces between them, as in the flow log; "version" is none'),
        ("${version}${action}", "such as ${account-id} with spaces between them"),
        ("${version} ${Action}", '"${Action}" is none'),
        ("${action} ${action}", "must not name a field twice"),
        (" ", "must name at least one field"),
    ],
)
def test_any_other_columns_are_one_fault(columns: str, sentence: str) -> None:
    """A column that is missed would put every one behind it under a wrong name."""
    (line,) = faults_of(flow_log_format=columns)

    assert line.startswith("/f: sources[0].flow_log_format")
    assert sentence in line


def test_the_formats_are_the_families_and_four_more() -> None:
    """The settings know each family by its name; none is left over on either side."""
    names = [family.name for family in FAMILIES]

    assert len(set(names)) == len(names)
    assert {"auto", "raw", "text", "json", *names} == set(get_args(Format))
