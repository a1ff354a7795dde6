"""What the stand-in holds, how it pages, and what time it thinks it is: the part of it that tests fill."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from tests.standins import cloudwatch_tokens as tokens
from tests.standins.cloudwatch_errors import ApiError, invalid
from tests.standins.cloudwatch_events import MAX_PAGE_BYTES, MAX_PAGE_EVENTS, event_id
from tests.standins.cloudwatch_groups import Details, Group, Groups, StoredGroup
from tests.standins.cloudwatch_request import DEFAULT_ACCOUNT, Parameters, Request, parse_arn
from tests.standins.cloudwatch_virtual import MessageFactory, Plan, VirtualGroup, numbered_messages

Clock = Callable[[], int]


@dataclass
class Paging:
    """How FilterLogEvents cuts pages. Every field may be changed while the stand-in runs."""

    page_events: int = MAX_PAGE_EVENTS
    page_bytes: int = MAX_PAGE_BYTES
    leading_empty_pages: int = 0
    """So many pages at the start of every reading are empty, with a token."""
    empty_pages: int = 0
    """Every n-th page is, in turn, empty or only a third full, with a token; at least 2, or 0 for none."""
    overlap: int = 0
    """A page begins with the last k events of the page before."""
    repeat_token: int = 0
    """So many times, a token is answered with an empty page and the same token."""
    trailing_token: bool = False
    """The last page has a token too; an empty page without one follows."""
    token_life_ms: int = tokens.DAY_MS

    def kind(self, page: int) -> Literal["full", "partial", "empty"]:
        """Return what becomes of a page, counted from 1."""
        if page <= self.leading_empty_pages:
            return "empty"
        if self.empty_pages < 2 or page % self.empty_pages:
            return "full"
        return "empty" if page // self.empty_pages % 2 else "partial"


class Contents:
    """Groups and their events, filled by the test and read by the operations."""

    def __init__(self, now_ms: Clock | None = None) -> None:
        self.now_ms: Clock = now_ms or _system_ms
        self.groups = Groups()
        self.paging = Paging()
        self.group_paging: dict[str, Paging] = {}
        """By name of group: what holds for it instead of `paging`."""
        self.stream_times_lag_ms = 0
        """How far DescribeLogStreams lags behind what was ingested."""
        self.token_repeats: dict[str, int] = {}
        self.unknown_names_refused = False
        """DescribeLogGroups refuses a list of names that holds one of no group; else it leaves that out. AWS says neither."""
        self.masked: dict[str, str] = {}
        """By name of group: a text that a data protection policy masks, for all who do not ask to see it."""

    def create_group(
        self,
        region: str,
        name: str,
        *,
        account: str = DEFAULT_ACCOUNT,
        log_class: str = "STANDARD",
        retention_days: int | None = None,
        created_ms: int | None = None,
    ) -> StoredGroup:
        """Make a group, empty, in place of any of that name."""
        created = self.now_ms() if created_ms is None else created_ms
        group = StoredGroup(
            Details(
                account=account,
                region=region,
                name=name,
                created_ms=created,
                log_class=log_class,
                retention_days=retention_days,
            ),
        )
        self.groups.add(group)
        return group

    def create_stream(self, region: str, group: str, stream: str, *, account: str = DEFAULT_ACCOUNT) -> None:
        """Make a stream without events, and its group when there is none."""
        self._stored(account, region, group).add_stream(stream, self.now_ms())

    def remove_group(self, region: str, name: str, *, account: str = DEFAULT_ACCOUNT) -> None:
        """Delete a group: from now on it does not exist."""
        self.groups.remove(account, region, name)

    def put(
        self,
        region: str,
        group: str,
        stream: str,
        events: Sequence[tuple[int, str]],
        ingestion_ms: int | None = None,
        visible_at_ms: int | None = None,
        *,
        account: str = DEFAULT_ACCOUNT,
    ) -> list[str]:
        """Let (timestamp ms, message) pairs arrive; return their eventIds.

        Group and stream are made when there are none, and nothing is refused. No read returns the events before the
        clock says `visible_at_ms`, if it is given.
        """
        ingested = self.now_ms() if ingestion_ms is None else ingestion_ms
        made = self._stored(account, region, group).add(stream, events, ingested, visible_at_ms or 0)
        return [event_id(event.timestamp_ms, event.sequence) for event in made]

    def virtual_group(
        self,
        region: str,
        name: str,
        *,
        streams: int,
        events_per_stream: int,
        start_ms: int,
        span_ms: int,
        message_factory: MessageFactory | None = None,
        ingestion_delay_ms: int = 0,
        account: str = DEFAULT_ACCOUNT,
    ) -> VirtualGroup:
        """Make a group whose events are computed: number i of all says message_factory(i), by default 200 bytes."""
        plan = Plan(
            streams=streams,
            events_per_stream=events_per_stream,
            start_ms=start_ms,
            span_ms=span_ms,
            message=message_factory or numbered_messages(),
            ingestion_delay_ms=ingestion_delay_ms,
        )
        group = VirtualGroup(Details(account=account, region=region, name=name, created_ms=start_ms), plan)
        self.groups.add(group)
        return group

    def link(self, monitoring: str, source: str) -> None:
        """Let the account `monitoring` read the groups of `source`, by ARN."""
        self.groups.link(monitoring, source)

    def paging_of(self, group: str) -> Paging:
        """Return how the pages of a group are cut."""
        return self.group_paging.get(group, self.paging)

    def _stored(self, account: str, region: str, name: str) -> StoredGroup:
        group = self.groups.find(account, region, name)
        if group is None:
            return self.create_group(region, name, account=account)
        if not isinstance(group, StoredGroup):
            raise TypeError(f"{name} is a virtual group: nothing can be put into it")
        return group


def addressed_group(contents: Contents, request: Request) -> Group:
    """Return the group that exactly one of logGroupName and logGroupIdentifier names."""
    parameters = request.parameters
    parameters.exclusive("logGroupName", "logGroupIdentifier")
    if (identifier := parameters.text("logGroupIdentifier")) is not None:
        return _identified(contents, request, identifier)
    return contents.groups.get(request.account, request.region, parameters.required("logGroupName"))


def require_standard(group: Group, operation: str) -> None:
    """Refuse a group of a class that can only be queried."""
    if group.details.log_class != "STANDARD":
        raise ApiError("InvalidOperationException", f"{operation} is not supported for this log class")


def json_answer(answer: object) -> bytes:
    """Return an operation's answer as its body."""
    return msgspec.json.encode(answer)


def _identified(contents: Contents, request: Request, identifier: str) -> Group:
    """Return the group of a name or an ARN; that of another account must be linked."""
    if "*" in identifier:
        rule = r"Member must satisfy regular expression pattern: [\w#+=/:,.@-]*"
        place = f"Value '{identifier}' at 'logGroupIdentifier'"
        raise invalid(f"1 validation error detected: {place} failed to satisfy constraint: {rule}")
    arn = parse_arn(identifier)
    if arn is None:
        return contents.groups.get(request.account, request.region, identifier)
    if arn.region != request.region:
        raise invalid("The specified log group ARN is in another Region.")
    if arn.account != request.account and arn.account not in contents.groups.linked(request.account):
        raise ApiError("AccessDeniedException", f"{request.account} is not linked to {arn.account}")
    return contents.groups.get(arn.account, arn.region, arn.group)


def parameters_of(values: object) -> Parameters:
    """Return the parameters of a JSON body."""
    if not isinstance(values, dict):
        raise ApiError("SerializationException", "the body is not a JSON object")
    return Parameters(values)


def _system_ms() -> int:
    return time.time_ns() // 1_000_000
