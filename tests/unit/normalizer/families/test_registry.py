"""Which group permits which family."""

import pytest

from services.normalizer.families.registry import FAMILIES, families_of


def names_of(settings_format: str, log_group: str) -> list[str]:
    return [family.name for family in families_of(settings_format, log_group)]


@pytest.mark.parametrize(
    ("family", "log_group"),
    [
        ("cloudtrail", "aws-cloudtrail-logs-123456789012-5f3a"),
        ("cloudtrail", "CloudTrail/DefaultLogGroup"),
        ("cloudtrail", "aws-controltower/CloudTrailLogs"),
        ("cloudtrail", "/aws/events/signin"),
        ("guardduty", "/aws/events/guardduty"),
        ("waf", "aws-waf-logs-edge"),
        ("vpcflow", "/aws/vpc/flowlogs"),
        ("alb", "/aws/elb/web"),
        ("rds_mysql", "/aws/rds/instance/db1/error"),
        ("rds_postgres", "/aws/rds/cluster/pg/postgresql"),
        ("eks", "/aws/eks/prod/cluster"),
    ],
)
def test_the_name_that_aws_gives_permits_the_family(family: str, log_group: str) -> None:
    """By default, whatever its case."""
    assert family in names_of("auto", log_group)
    assert family in names_of("auto", log_group.upper())


@pytest.mark.parametrize(
    "log_group", ["/app", "/aws/lambda/cloudtrail", "/ecs/aws-waf-logs-x", "/x/aws/events/guardduty"]
)
def test_no_name_of_an_applications_group_permits_a_finding(log_group: str) -> None:
    """What it prints is never taken for what a service found."""
    assert not [family for family in families_of("auto", log_group) if family.envelope]


def test_the_format_of_a_source_permits_more() -> None:
    """First of all, and beside what the name permits."""
    assert ["guardduty"] == names_of("guardduty", "/security/findings")
    assert ["guardduty", "vpcflow"] == names_of("guardduty", "/vpc/flowlogs")
    assert ["windows"] == names_of("windows", "/windows/Security")
    assert [] == names_of("auto", "/windows/Security")


@pytest.mark.parametrize("settings_format", ["raw", "text", "json"])
def test_these_formats_ask_for_no_recognition(settings_format: str) -> None:
    """Whatever the group is called."""
    assert [] == names_of(settings_format, "aws-waf-logs-edge")


def test_globs_are_written_as_names_are_compared() -> None:
    """In lower case, and fixed at the start."""
    globs = [glob for family in FAMILIES for glob in family.groups]

    assert globs == [glob.lower() for glob in globs]
    assert not [glob for glob in globs if glob.startswith(("*", "?", "["))]
