"""What an IAM policy has to allow for a set of sources, a statement a purpose, each with its reason. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from services.operator.policy import resources
from shared.settings.model import Source


class Statement(Struct, frozen=True, kw_only=True):
    """One statement, and why it is there."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    reason: str
    condition: Mapping[str, Any] = {}

    def as_json(self) -> dict[str, Any]:
        """Return the statement as IAM wants it."""
        said = {"Sid": self.sid, "Effect": "Allow", "Action": list(self.actions), "Resource": list(self.resources)}
        return said | ({"Condition": dict(self.condition)} if self.condition else {})


def reading(sources: Sequence[Source], *, metrics: bool) -> Iterator[Statement]:
    """Yield what whoever reads the groups of `sources` needs."""
    yield Statement(
        sid="ReadLogEvents",
        actions=("logs:FilterLogEvents",),
        resources=_groups(sources),
        reason=f"the fetcher reads these groups{_but(sources)}",
    )
    yield Statement(
        sid="FindLogGroups",
        actions=("logs:DescribeLogGroups",),
        resources=_all(resources.lists(source) for source in sources),
        reason="the fetcher looks for groups that match, their class and retention; IAM allows listing all groups of an "
        "account and Region or none, and listing shows no event",
    )
    if masked := [source for source in sources if source.unmask]:
        yield Statement(
            sid="UnmaskLogEvents",
            actions=("logs:Unmask",),
            resources=_groups(masked),
            reason=f"unmask = true: {_named(masked)} reads in clear what a data protection policy masks",
        )
    yield from _deleting([source for source in sources if source.delete_log_streams])
    if metrics:
        yield Statement(
            sid="ReadMetrics",
            actions=("cloudwatch:GetMetricStatistics",),
            resources=("*",),
            reason="optional, for `audit` and `plan`: what AWS counted of a group; IAM knows no resources for it, so Regions "
            "are its only bound. --without-metrics leaves it out",
            condition={"StringEquals": {"aws:RequestedRegion": sorted({r for s in sources for r in s.regions})}},
        )


def assuming(sources: Sequence[Source]) -> Iterator[Statement]:
    """Yield what the credentials need that assume the roles of `sources`."""
    roles = tuple(sorted({source.role_arn for source in sources}))
    yield Statement(
        sid="AssumeRoles",
        actions=("sts:AssumeRole",),
        resources=roles,
        reason=f"role_arn of {_named(sources)}; the role's own trust policy must allow it too, with its external_id if it "
        "asks for one",
    )


def _deleting(sources: Sequence[Source]) -> Iterator[Statement]:
    if not sources:
        return
    yield Statement(
        sid="FindLogStreams",
        actions=("logs:DescribeLogStreams",),
        resources=_groups(sources),
        reason=f"delete_log_streams = true: {_named(sources)} looks for streams that are over",
    )
    yield Statement(
        sid="DeleteLogStreams",
        actions=("logs:DeleteLogStream",),
        resources=_all(resources.streams(source) for source in sources),
        reason=f"delete_log_streams = true: {_named(sources)} deletes streams that were delivered; this cannot be undone",
    )


def _groups(sources: Sequence[Source]) -> tuple[str, ...]:
    return _all((f"{arn}:*" for arn in resources.groups(source)) for source in sources)


def _all(arns: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(resources.narrowed(arn for some in arns for arn in some))


def _named(sources: Sequence[Source]) -> str:
    return ", ".join(source.name for source in sources)


def _but(sources: Sequence[Source]) -> str:
    """Return in what the resources are wider than the settings, or another account's."""
    widened = [pattern for source in sources for pattern in source.log_groups if resources.is_widened(pattern)]
    notes = [f"; {pattern} is wider here, for IAM has no [...]" for pattern in sorted(set(widened))]
    if any(source.exclude_log_groups for source in sources):
        notes.append("; exclude_log_groups are not taken out, for another source may read them")
    if any(pattern.startswith("arn:") for source in sources for pattern in source.log_groups):
        notes.append("; groups of other accounts, given by ARN, need a link to their accounts (OAM) as well")
    if any(resources.account(source) == "*" for source in sources):
        notes.append("; account_id would name the account instead of *")
    return "".join(notes)
