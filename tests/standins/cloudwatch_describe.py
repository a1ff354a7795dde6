"""DescribeLogGroups and DescribeLogStreams: discovery."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.standins import cloudwatch_tokens as tokens
from tests.standins.cloudwatch_contents import Contents, addressed_group, json_answer
from tests.standins.cloudwatch_errors import invalid, not_found
from tests.standins.cloudwatch_groups import Group, Stream
from tests.standins.cloudwatch_request import Parameters, Request, parse_arn

T = TypeVar("T")

_CLASSES = ("STANDARD", "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS")
_MAX_LISTED = 50
_NAME_CHARACTERS = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")


def describe_log_groups(contents: Contents, request: Request) -> bytes:
    """Answer DescribeLogGroups."""
    parameters = request.parameters
    parameters.allow(
        *("logGroupNamePrefix", "logGroupNamePattern", "nextToken", "limit", "logGroupClass"),
        *("includeLinkedAccounts", "accountIdentifiers", "logGroupIdentifiers"),
    )
    parameters.exclusive("logGroupNamePrefix", "logGroupNamePattern")
    for name in ("logGroupNamePrefix", "logGroupNamePattern"):
        _check_characters(parameters, name)
    if "logGroupIdentifiers" in parameters.values:
        return _identified(contents, request)
    limit = parameters.number("limit", _MAX_LISTED, 1, _MAX_LISTED)
    groups = _matching(parameters, contents.groups.listed(_accounts(contents, request), request.region))
    page, token = _listed(contents, request, groups, limit, _group_key)
    short = "logGroupNamePattern" in parameters.values
    answer: dict[str, object] = {"logGroups": [_short(group) if short else _full(group) for group in page]}
    return json_answer(answer | token)


def describe_log_streams(contents: Contents, request: Request) -> bytes:
    """Answer DescribeLogStreams. The times in it lag behind, as far as the test wants."""
    parameters = request.parameters
    parameters.allow(
        *("logGroupName", "logGroupIdentifier", "logStreamNamePrefix", "orderBy", "descending", "nextToken", "limit"),
    )
    limit = parameters.number("limit", _MAX_LISTED, 1, _MAX_LISTED)
    order = parameters.text("orderBy") or "LogStreamName"
    if order not in {"LogStreamName", "LastEventTime"}:
        raise invalid(f"Value '{order}' at 'orderBy' must be LogStreamName or LastEventTime")
    by_time = order == "LastEventTime"
    prefix = parameters.text("logStreamNamePrefix") or ""
    if by_time and prefix:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    group = addressed_group(contents, request)
    known = group.streams(contents.now_ms() - contents.stream_times_lag_ms)
    streams = [stream for stream in known if stream.name.startswith(prefix)]
    if by_time:
        streams.sort(key=lambda stream: stream.last_ms or 0)
    if parameters.flag("descending"):
        streams.reverse()
    page, token = _listed(contents, request, streams, limit, lambda stream: stream.name)
    answer: dict[str, object] = {"logStreams": [_described(group, stream) for stream in page]}
    return json_answer(answer | token)


def _check_characters(parameters: Parameters, name: str) -> None:
    """Refuse what no name may hold, as AWS does for a beginning or a part of one."""
    value = parameters.text(name)
    if value is not None and not _NAME_CHARACTERS.fullmatch(value):
        rule = rf"Member must satisfy regular expression pattern: {_NAME_CHARACTERS.pattern}"
        raise invalid(f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {rule}")


def _identified(contents: Contents, request: Request) -> bytes:
    """Answer for named groups: no other filter may stand beside the names, and ARNs are for monitoring accounts."""
    parameters = request.parameters
    others = set(parameters.values) - {"logGroupIdentifiers", "includeLinkedAccounts", "nextToken", "limit"}
    if others:
        raise invalid(f"logGroupIdentifiers cannot be used with {', '.join(sorted(others))}.")
    found = []
    for identifier in parameters.names("logGroupIdentifiers", _MAX_LISTED):
        arn = parse_arn(identifier)
        place = (arn.account, arn.region, arn.group) if arn else (request.account, request.region, identifier)
        if arn and not contents.groups.linked(request.account):
            raise invalid("Log group ARNs can be used in a monitoring account only.")
        if place[0] not in {request.account, *_linked(contents, request)}:
            raise invalid(f"The account {place[0]} is not linked, or includeLinkedAccounts is not set.")
        group = contents.groups.find(*place)
        if group is None and contents.unknown_names_refused:
            raise not_found("log group")
        found += [group] if group is not None and place[1] == request.region else []
    return json_answer({"logGroups": [_full(group) for group in sorted(found, key=_group_key)]})


def _linked(contents: Contents, request: Request) -> list[str]:
    return contents.groups.linked(request.account) if request.parameters.flag("includeLinkedAccounts") else []


def _accounts(contents: Contents, request: Request) -> list[str]:
    """Return the accounts whose groups are listed."""
    if not request.parameters.flag("includeLinkedAccounts"):
        if "accountIdentifiers" in request.parameters.values:
            raise invalid("accountIdentifiers needs includeLinkedAccounts.")
        return [request.account]
    accounts = [request.account, *contents.groups.linked(request.account)]
    wanted = request.parameters.names("accountIdentifiers", 20)
    return [account for account in accounts if not wanted or account in wanted]


def _matching(parameters: Parameters, groups: Sequence[Group]) -> list[Group]:
    prefix = parameters.text("logGroupNamePrefix") or ""
    part = parameters.text("logGroupNamePattern") or ""
    log_class = parameters.text("logGroupClass")
    if log_class is not None and log_class not in _CLASSES:
        raise invalid(f"Value '{log_class}' at 'logGroupClass' must be one of {', '.join(_CLASSES)}")
    return [
        group
        for group in groups
        if group.details.name.startswith(prefix)
        and part in group.details.name
        and log_class in {None, group.details.log_class}
    ]


def _listed(
    contents: Contents, request: Request, items: Sequence[T], limit: int, key: Callable[[T], str]
) -> tuple[Sequence[T], dict[str, object]]:
    """Return the items of one page, and its nextToken when there are more: the token names the last one listed."""
    token = tokens.read(request, contents.now_ms(), contents.paging.token_life_ms)
    first = _place_after([key(item) for item in items], token.after_name) if token else 0
    page = items[first : first + limit]
    if first + limit >= len(items):
        return page, {}
    following = tokens.Token(tokens.binding(request), contents.now_ms(), after_name=key(page[-1]))
    return page, {"nextToken": tokens.write(following)}


def _place_after(keys: list[str], name: str) -> int:
    """Return where a list goes on after `name`, which may be gone since."""
    if name in keys:
        return keys.index(name) + 1
    return next((index for index, key in enumerate(keys) if key > name), len(keys))


def _group_key(group: Group) -> str:
    return f"{group.details.name}\0{group.details.account}"


def _short(group: Group) -> dict[str, object]:
    details = group.details
    return {"arn": f"{details.arn}:*", "creationTime": details.created_ms, "logGroupName": details.name}


def _full(group: Group) -> dict[str, object]:
    full = _short(group) | {
        "logGroupArn": group.details.arn,
        "logGroupClass": group.details.log_class,
        "metricFilterCount": 0,
        "storedBytes": group.stored_bytes(),
    }
    if group.details.retention_days is not None:
        full["retentionInDays"] = group.details.retention_days
    return full


def _described(group: Group, stream: Stream) -> dict[str, object]:
    described: dict[str, object] = {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "arn": f"{group.details.arn}:log-stream:{stream.name}",
        "storedBytes": 0,
    }
    times = {
        "firstEventTimestamp": stream.first_ms,
        "lastEventTimestamp": stream.last_ms,
        "lastIngestionTime": stream.last_ingestion_ms,
    }
    return described | {name: value for name, value in times.items() if value is not None}
