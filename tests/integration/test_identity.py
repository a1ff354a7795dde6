"""As whom a source reads, by AWS's own answer."""

from collections.abc import Iterator

import pytest
from msgspec import structs

from services.operator.identity import show
from shared.errors import CwpipeError, Incomplete
from shared.settings.load import Loaded
from shared.settings.model import Settings, Source
from tests.standins.cloudwatch import CloudWatch
from tests.unit.fetcher.at_work import a_source, emptied

ROLE = "arn:aws:iam::999999999999:role/logs"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield emptied(server, monkeypatch)


def said(*sources: Source) -> tuple[list[str], CwpipeError | None]:
    lines: list[str] = []
    try:
        show(Loaded(Settings(sources=sources), {}, None), lines.append)
    except CwpipeError as error:
        return lines, error
    return lines, None


def named(source: Source, name: str) -> Source:
    return structs.replace(source, name=name)


def test_a_role_is_named_as_the_session_that_aws_sees(aws: CloudWatch) -> None:
    """Not the credentials that may assume it; where several sources read, each has its line."""
    aws.add_role(ROLE, external_id="cwpipe-1")
    own = named(a_source(aws), "own")
    theirs = named(a_source(aws, role_arn=ROLE, external_id="cwpipe-1"), "theirs")
    lines, error = said(own, theirs)

    assert error is None
    assert (
        "ok    source own: account 123456789012, arn:aws:iam::123456789012:user/standin; credentials from env"
        == lines[0]
    )
    assert lines[1].startswith(
        "ok    source theirs: account 999999999999, arn:aws:sts::999999999999:assumed-role/logs/cwpipe; "
    )
    assert lines[1].endswith(f"credentials from assume-role, role_arn {ROLE}")
    assert "cwpipe-1" not in "".join(lines)


def test_a_source_that_is_refused_does_not_keep_the_others_from_an_answer(aws: CloudWatch) -> None:
    """Exit code 4."""
    aws.add_role(ROLE, external_id="cwpipe-1")
    lines, error = said(
        named(a_source(aws, role_arn=ROLE, external_id="wrong"), "refused"), named(a_source(aws), "own")
    )

    assert isinstance(error, Incomplete)
    assert ["FAIL  source refused", "ok    source own"] == [line.split(":")[0].partition(",")[0] for line in lines]
    assert "AssumeRole" in lines[0]
    assert "wrong" not in lines[0]
