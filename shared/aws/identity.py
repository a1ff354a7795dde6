"""Who the credentials of a source are, by AWS's own answer."""

from msgspec import Struct

from shared.aws.faults import CALL_ERRORS, translate
from shared.aws.sessions import SourceSession


class Identity(Struct, frozen=True, kw_only=True):
    """An account, and the user or role in it."""

    account_id: str
    arn: str
    found_by: str
    """Where the credentials are from, in botocore's word: env, shared-credentials-file, iam-role, assume-role, ..."""


def identity(session: SourceSession, region: str) -> Identity:
    """Ask STS, which needs no permission. Blocks on the network; raises SourceError."""
    try:
        answer = session.sts_client(region).get_caller_identity()
        return Identity(account_id=answer["Account"], arn=answer["Arn"], found_by=session.found_by())
    except CALL_ERRORS as error:
        raise translate(error, "sts:GetCallerIdentity", f"source {session.source.name}, region {region}") from error
