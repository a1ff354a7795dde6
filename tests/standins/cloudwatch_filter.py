"""FilterLogEvents: the events of a group in one order, over pages whose tokens are positions."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.standins import cloudwatch_tokens as tokens
from tests.standins.cloudwatch_contents import Contents, Paging, addressed_group, require_standard
from tests.standins.cloudwatch_errors import invalid, not_found
from tests.standins.cloudwatch_events import MAX_PAGE_EVENTS, Chunk, Event, Limits, Query
from tests.standins.cloudwatch_groups import Group
from tests.standins.cloudwatch_request import Parameters, Request

#: Later than any timestamp: 9999-12-31.
END_OF_TIME_MS = 253_402_300_799_000
#: startFromHead = false is refused before 2024-01-01.
_NEWEST_FIRST_FROM_MS = 1_704_067_200_000
_MAX_PATTERN_CHARACTERS = 1024


@dataclass(frozen=True)
class _Page:
    """What one call asks for."""

    number: int
    token: tokens.Token | None
    paging: Paging
    limit: int

    @property
    def limits(self) -> Limits:
        """How much of it there may be."""
        share = 3 if self.paging.kind(self.number) == "partial" else 1
        events = max(1, min(self.limit, self.paging.page_events) // share)
        return Limits(events=events, bytes=self.paging.page_bytes // share, tail=self.paging.overlap)


def filter_log_events(contents: Contents, request: Request) -> bytes:
    """Answer FilterLogEvents."""
    parameters = request.parameters
    parameters.allow(
        *("logGroupName", "logGroupIdentifier", "logStreamNames", "logStreamNamePrefix", "startTime", "endTime"),
        *("filterPattern", "nextToken", "limit", "interleaved", "unmask", "startFromHead"),
    )
    query = _query(parameters)
    limit = parameters.number("limit", MAX_PAGE_EVENTS, 1, MAX_PAGE_EVENTS)
    group = addressed_group(contents, request)
    require_standard(group, "FilterLogEvents")
    if any(not group.has_stream(name) for name in query.streams):
        raise not_found("log stream")
    paging = contents.paging_of(group.details.name)
    token = tokens.read(request, contents.now_ms(), paging.token_life_ms)
    page = _Page(number=token.page + 1 if token else 1, token=token, paging=paging, limit=limit)
    answer = _repeated(contents, request, page) or _page(contents, request, group, query, page)
    masked = contents.masked.get(group.details.name, "").encode()
    return answer.replace(masked, b"*" * len(masked)) if masked and not parameters.flag("unmask") else answer


def _query(parameters: Parameters) -> Query:
    """Return the events asked for, checked as AWS checks them."""
    parameters.exclusive("logStreamNames", "logStreamNamePrefix")
    parameters.flag("interleaved")
    parameters.flag("unmask")
    start_ms = parameters.number("startTime", 0, 0, END_OF_TIME_MS)
    end_ms = parameters.number("endTime", END_OF_TIME_MS, 0, END_OF_TIME_MS)
    if start_ms > end_ms:
        raise invalid("startTime must not be after endTime.")
    newest_first = not parameters.flag("startFromHead", default=True)
    if newest_first and start_ms < _NEWEST_FIRST_FROM_MS:
        raise invalid("startFromHead can be false only with a startTime on or after January 1, 2024.")
    pattern = parameters.text("filterPattern") or ""
    if pattern.count('"') % 2 or pattern.count("{") != pattern.count("}") or pattern.count("[") != pattern.count("]"):
        raise invalid("Invalid filter pattern")
    if len(pattern) > _MAX_PATTERN_CHARACTERS:
        raise invalid(f"filterPattern is longer than {_MAX_PATTERN_CHARACTERS} characters.")
    return Query(
        start_ms=start_ms,
        end_ms=end_ms,
        streams=frozenset(parameters.names("logStreamNames", 100)),
        prefix=parameters.text("logStreamNamePrefix") or "",
        contains=pattern.strip().strip('"'),
        newest_first=newest_first,
    )


def _repeated(contents: Contents, request: Request, page: _Page) -> bytes | None:
    """Return an empty page with the token that was sent, if it is due."""
    sent = request.parameters.text("nextToken")
    if sent is None or contents.token_repeats.get(sent, 0) >= page.paging.repeat_token:
        return None
    contents.token_repeats[sent] = contents.token_repeats.get(sent, 0) + 1
    return _answer([], sent)


def _page(contents: Contents, request: Request, group: Group, query: Query, page: _Page) -> bytes:
    """Return one page and, when reading goes on, the token for the next."""
    after = page.token.after if page.token else None
    again: list[Event] = []
    if page.paging.kind(page.number) == "empty":
        chunk = Chunk(last=after, more=True)
    else:
        again = group.at(page.token.again) if page.token else []
        chunk = group.read(query, after, _less(page.limits, again), contents.now_ms())
    next_token = None
    if chunk.more or (chunk.count and page.paging.trailing_token):
        tail = [*(event.position for event in again), *chunk.tail]
        token = tokens.Token(
            bound_to=tokens.binding(request),
            issued_ms=contents.now_ms(),
            page=page.number,
            after=chunk.last,
            again=tail[max(0, len(tail) - page.paging.overlap) :],
        )
        next_token = tokens.write(token)
    return _answer([*(event.wire for event in again), *chunk.runs], next_token)


def _less(limits: Limits, again: list[Event]) -> Limits:
    """Return what is left of a page beside the events that it repeats."""
    if not again:
        return limits
    return Limits(
        events=max(1, limits.events - len(again)),
        bytes=limits.bytes - sum(event.size for event in again),
        tail=limits.tail,
    )


def _answer(runs: Sequence[bytes | memoryview], next_token: str | None) -> bytes:
    pieces: list[bytes | memoryview] = [b'{"events":[']
    for run in runs:
        pieces += (run, b",")
    if runs:
        pieces.pop()
    pieces.append(b'],"searchedLogStreams":[]')
    if next_token is not None:
        pieces.append(b',"nextToken":"%b"' % next_token.encode())
    return b"".join([*pieces, b"}"])
