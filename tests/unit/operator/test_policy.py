"""The IAM policy: exact documents for several configurations, and rules that hold for all."""

import json
import re
from pathlib import Path

import boto3
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from services.operator.policy import command as policy
from services.operator.policy import resources as policy_resources
from services.operator.policy.command import document
from shared.errors import SettingsError
from shared.settings.load import Loaded
from shared.settings.log_groups import read
from shared.settings.model import Settings, Source

ACTIONS = {
    line
    for line in (Path(__file__).parents[2] / "data" / "iam_actions.txt").read_text().splitlines()
    if not line.startswith("#")
}
ROLE = "arn:aws:iam::210987654321:role/reader"


def source(
    *log_groups: str, name: str = "production", regions: tuple[str, ...] = ("us-east-1",), **keys: object
) -> Source:
    return Source(name=name, regions=regions, log_groups=log_groups, **keys)  # type: ignore[arg-type]


def made(*sources: Source, principal: str = "", metrics: bool = False) -> list[dict[str, object]]:
    """Return the statements of the document, as IAM would read them."""
    found = json.loads(json.dumps(document(policy.policy(sources, principal, metrics=metrics))))
    assert {"Version", "Statement"} == set(found)
    assert "2012-10-17" == found["Version"]
    statements: list[dict[str, object]] = found["Statement"]
    return statements


def test_a_source_with_names_and_globs_needs_to_read_and_to_list() -> None:
    """The whole document, where nothing else is configured."""
    assert [
        {
            "Sid": "ReadLogEvents",
            "Effect": "Allow",
            "Action": ["logs:FilterLogEvents"],
            "Resource": [
                "arn:aws:logs:us-east-1:*:log-group:/aws/lambda/*:*",
                "arn:aws:logs:us-east-1:*:log-group:CloudTrail/logs:*",
            ],
        },
        {
            "Sid": "FindLogGroups",
            "Effect": "Allow",
            "Action": ["logs:DescribeLogGroups"],
            "Resource": ["arn:aws:logs:us-east-1:*:log-group:*"],
        },
    ] == made(source("/aws/lambda/*", "CloudTrail/logs", "/aws/lambda/one"))


def test_the_known_actions_are_operations_of_aws() -> None:
    """The list that the policies are held against has no misspelt name. logs:Unmask is a right without an operation."""
    session = boto3.Session(region_name="us-east-1")
    operations = {
        f"{service}:{name}"
        for service in ("logs", "sts", "cloudwatch")
        for name in session.client(service).meta.service_model.operation_names
    }

    assert {"logs:Unmask"} == ACTIONS - operations


def test_metrics_are_a_statement_of_their_own_that_can_be_left_out() -> None:
    """Their only bound is the Region."""
    both = made(source("/a", regions=("eu-west-1", "us-east-1")), metrics=True)

    assert {
        "Sid": "ReadMetrics",
        "Effect": "Allow",
        "Action": ["cloudwatch:GetMetricStatistics"],
        "Resource": ["*"],
        "Condition": {"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}},
    } == both[-1]
    assert both[:-1] == made(source("/a", regions=("eu-west-1", "us-east-1")))


def test_unmask_and_deleting_are_allowed_only_where_they_are_wanted() -> None:
    """Another source of the same credentials gets neither."""
    statements = made(
        source("/plain"),
        source("/masked", name="masked", unmask=True, account_id="111122223333"),
        source("/jobs-?", name="jobs", delete_log_streams=True, log_stream_prefix="run/$"),
    )

    said = {str(statement["Sid"]): statement["Resource"] for statement in statements}
    assert ["ReadLogEvents", "FindLogGroups", "UnmaskLogEvents", "FindLogStreams", "DeleteLogStreams"] == list(said)
    assert ["arn:aws:logs:us-east-1:111122223333:log-group:/masked:*"] == said["UnmaskLogEvents"]
    assert ["arn:aws:logs:us-east-1:*:log-group:/jobs-?:*"] == said["FindLogStreams"]
    assert ["arn:aws:logs:us-east-1:*:log-group:/jobs-?:log-stream:run/?*"] == said["DeleteLogStreams"]


def test_a_role_and_who_assumes_it_are_two_principals() -> None:
    """One document cannot be pasted in two places: each is asked for by name."""
    sources = (source("/a", role_arn=ROLE, profile="audit"),)
    with pytest.raises(SettingsError) as caught:
        made(*sources)

    assert f"--principal {ROLE}" in str(caught.value)
    assert "--principal profile:audit" in str(caught.value)
    assert [{"Sid": "AssumeRoles", "Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": [ROLE]}] == made(
        *sources, principal="profile:audit"
    )
    assert ["arn:aws:logs:us-east-1:210987654321:log-group:/a:*"] == made(*sources, principal=ROLE)[0]["Resource"]


def test_credentials_that_read_and_assume_do_both_in_one_document() -> None:
    """The role is one source's, its own groups another's."""
    sources = (source("/own"), source("/other", name="other", role_arn=ROLE))

    assert ["ReadLogEvents", "FindLogGroups", "AssumeRoles"] == [
        one["Sid"] for one in made(*sources, principal="default")
    ]


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-east-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
        ("eusc-de-east-1", "aws-eusc"),
    ],
)
def test_the_partition_is_that_of_the_region(region: str, partition: str) -> None:
    """An ARN of another partition matches nothing."""
    assert [f"arn:{partition}:logs:{region}:*:log-group:/a:*"] == made(source("/a", regions=(region,)))[0]["Resource"]


def test_a_group_given_by_arn_is_its_own_resource() -> None:
    """A linked account's group is read under that account, and reasons say what else it needs."""
    arn = "arn:aws:logs:eu-west-1:444455556666:log-group:/linked/*"
    one = source(arn, f"{arn}:*")
    statements = policy.policy([one], metrics=False)

    assert (f"{arn}:*",) == statements[0].resources
    assert "OAM" in statements[0].reason
    assert "arn:aws:logs:eu-west-1:444455556666:log-group:*" in statements[1].resources


def test_a_set_of_characters_becomes_wider_and_the_reason_says_so() -> None:
    """IAM has no [...]."""
    statement = policy.policy([source("/app-[ab]-[!]x]?")], metrics=False)[0]

    assert ("arn:aws:logs:us-east-1:*:log-group:/app-*-*?:*",) == statement.resources
    assert "/app-[ab]-[!]x]? is wider here" in statement.reason


def test_reasons_go_to_standard_error_and_the_document_alone_to_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is redirected into a file is what IAM takes."""
    loaded = Loaded(Settings(sources=(source("/a"),)), {}, None)
    policy.show(loaded, source="production", principal="", metrics=True, explain=False)
    shown = capsys.readouterr()

    sids = [statement["Sid"] for statement in json.loads(shown.out)["Statement"]]
    assert sids == [line.partition(":")[0] for line in shown.err.splitlines()]
    policy.show(loaded, source="", principal="", metrics=True, explain=True)
    assert sids == re.findall(r"^(\w+)$", capsys.readouterr().out, re.MULTILINE)


def test_an_unknown_source_or_principal_is_named_with_what_there_is() -> None:
    """A typing mistake must not end in a policy of something else."""
    loaded = Loaded(Settings(sources=(source("/a"),)), {}, None)
    with pytest.raises(SettingsError, match="there is no source other: --source takes one of production"):
        policy.show(loaded, source="other", principal="", metrics=True, explain=False)
    with pytest.raises(SettingsError, match="there is no principal root; name one:\n  --principal default"):
        policy.show(loaded, source="", principal="root", metrics=True, explain=False)


def test_a_policy_too_long_for_iam_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """IAM would refuse it with less to go by."""
    many = source(*(f"/service/number-{number}/logs" for number in range(200)))
    policy.show(Loaded(Settings(sources=(many,)), {}, None), source="", principal="", metrics=True, explain=False)

    assert "a managed policy may have 6,144" in capsys.readouterr().err


PATTERNS = st.text("ab/*?[]!-.$:é", min_size=1, max_size=12)


@hypothesis(deadline=None)
@given(patterns=st.lists(PATTERNS, min_size=1, max_size=4), name=st.text("ab/-.", min_size=1, max_size=8))
def test_whatever_a_pattern_matches_the_policy_covers(patterns: list[str], name: str) -> None:
    """Narrow is good, too narrow is a fetcher that is refused."""
    statements = policy.policy([source(*patterns, unmask=True, delete_log_streams=True)], metrics=True)

    for statement in statements:
        assert set(statement.actions) <= ACTIONS
        assert not any("*" in action for action in statement.actions)
        assert re.fullmatch(r"[A-Za-z0-9]+", statement.sid)
        assert not any("$" in arn for arn in statement.resources)
    if any(read(pattern).matches("123456789012", name) for pattern in patterns):
        arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{name}:log-stream:"
        assert any(policy_resources.covers(one, arn) for one in statements[0].resources)
