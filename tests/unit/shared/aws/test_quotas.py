"""The table of quotas."""

from shared.aws.quotas import quota


def test_quotas_are_those_that_aws_publishes_by_region() -> None:
    """Those that cannot be raised, and a careful figure for what is not in the table."""
    assert [25.0, 10.0, 5.0] == [quota("FilterLogEvents", region) for region in ("us-east-1", "eu-west-1", "ca-west-1")]
    assert [10.0, 25.0] == [quota(operation, "us-east-1") for operation in ("DescribeLogGroups", "DescribeLogStreams")]
    assert 5.0 == quota("DeleteLogStream", "eu-west-1")
