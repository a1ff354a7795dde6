"""GetLogEvents, PutLogEvents and DeleteLogStream: the calls about one stream."""

from itertools import islice

from tests.standins.cloudwatch_contents import Contents, addressed_group, json_answer, require_standard
from tests.standins.cloudwatch_errors import ApiError, invalid, not_found
from tests.standins.cloudwatch_events import MAX_PAGE_EVENTS, Event, Limits, Position, Query, cut, message_size
from tests.standins.cloudwatch_filter import END_OF_TIME_MS
from tests.standins.cloudwatch_groups import Group, StoredGroup
from tests.standins.cloudwatch_request import Parameters, Request
from tests.standins.cloudwatch_tokens import refusal

_MAX_BATCH_BYTES = 1024 * 1024
_MAX_BATCH_SPAN_MS = 24 * 3600 * 1000
_TOKEN_DIGITS = 56
_TIME_SHIFT = 144
_INGESTION_SHIFT = 80
#: The lower bits of a token that stands behind every event of its millisecond.
_END_OF_MILLISECOND = (1 << 143) - 1


def get_log_events(contents: Contents, request: Request) -> bytes:
    """Answer GetLogEvents. Its tokens are positions, like AWS's, but do not expire here."""
    parameters = request.parameters
    parameters.allow(
        *("logGroupName", "logGroupIdentifier", "logStreamName", "startTime", "endTime"),
        *("nextToken", "limit", "startFromHead", "unmask"),
    )
    group = addressed_group(contents, request)
    require_standard(group, "GetLogEvents")
    stream = parameters.required("logStreamName")
    if not group.has_stream(stream):
        raise not_found("log stream")
    sent = parameters.text("nextToken")
    forward = sent.startswith("f/") if sent else parameters.flag("startFromHead")
    after = _position(sent) if sent else None
    limit = parameters.number("limit", MAX_PAGE_EVENTS, 1, MAX_PAGE_EVENTS)
    query = _query(parameters, stream, newest_first=not forward)
    events, more = _one_page(group, query, after, Limits(events=limit), contents.now_ms())
    ordered = events if forward else events[::-1]
    idle_ms = query.start_ms or contents.now_ms()
    mid_stream = more if forward else sent is not None
    return json_answer(
        {
            "events": [
                {"timestamp": event.timestamp_ms, "message": event.message, "ingestionTime": event.ingestion_ms}
                for event in ordered
            ],
            "nextForwardToken": _forward(ordered, after, idle_ms, mid_stream=mid_stream),
            "nextBackwardToken": _backward(ordered, after, idle_ms),
        },
    )


def put_log_events(contents: Contents, request: Request) -> bytes:
    """Answer PutLogEvents, with AWS's limits on a batch."""
    parameters = request.parameters
    parameters.allow("logGroupName", "logStreamName", "logEvents", "sequenceToken")
    group = addressed_group(contents, request)
    stream = parameters.required("logStreamName")
    if not isinstance(group, StoredGroup) or not group.has_stream(stream):
        raise not_found("log stream")
    events = [(int(event["timestamp"]), str(event["message"])) for event in parameters.values.get("logEvents", [])]
    _check_batch(events)
    group.add(stream, events, contents.now_ms(), visible_at_ms=0)
    return json_answer({"nextSequenceToken": "ignored"})


def delete_log_stream(contents: Contents, request: Request) -> bytes:
    """Answer DeleteLogStream."""
    request.parameters.allow("logGroupName", "logStreamName")
    group = addressed_group(contents, request)
    stream = request.parameters.required("logStreamName")
    if not group.has_stream(stream):
        raise not_found("log stream")
    group.remove_stream(stream)
    return b""


def _query(parameters: Parameters, stream: str, *, newest_first: bool) -> Query:
    """Return the events asked for; endTime is exclusive here."""
    start_ms = parameters.number("startTime", 0, 0, END_OF_TIME_MS)
    end_ms = parameters.number("endTime", END_OF_TIME_MS, 0, END_OF_TIME_MS)
    if start_ms > end_ms:
        raise invalid("startTime must not be after endTime.")
    return Query(start_ms=start_ms, end_ms=end_ms - 1, streams=frozenset({stream}), newest_first=newest_first)


def _one_page(
    group: Group, query: Query, after: Position | None, limits: Limits, now_ms: int
) -> tuple[list[Event], bool]:
    """Return the events of one page, in the query's direction, and whether more follow."""
    events = list(islice(group.scan(query, after, now_ms), limits.events + 1))
    chunk = cut(events, limits)
    return events[: chunk.count], chunk.more


def _forward(ordered: list[Event], after: Position | None, idle_ms: int, *, mid_stream: bool) -> str:
    """Return the token behind a page; at the end of the stream, the one behind its millisecond."""
    if ordered and mid_stream:
        return _token("f", ordered[-1].position)
    position = ordered[-1].position if ordered else after
    timestamp_ms = position.timestamp_ms if position else idle_ms
    return f"f/{(timestamp_ms << _TIME_SHIFT) | _END_OF_MILLISECOND:0{_TOKEN_DIGITS}d}"


def _backward(ordered: list[Event], after: Position | None, idle_ms: int) -> str:
    return _token("b", ordered[0].position if ordered else after or Position(idle_ms, 0, 0))


def _token(direction: str, position: Position) -> str:
    low = (position.ingestion_ms << _INGESTION_SHIFT) | position.sequence
    return f"{direction}/{(position.timestamp_ms << _TIME_SHIFT) | low:0{_TOKEN_DIGITS}d}"


def _position(token: str) -> Position:
    """Return where a token stands."""
    digits = token[2:]
    if token[:2] not in {"f/", "b/"} or not digits.isdecimal():
        raise refusal()
    low = int(digits) & ((1 << _TIME_SHIFT) - 1)
    ingestion_ms = low >> _INGESTION_SHIFT
    return Position(int(digits) >> _TIME_SHIFT, ingestion_ms, low & ((1 << _INGESTION_SHIFT) - 1))


def _check_batch(events: list[tuple[int, str]]) -> None:
    """Refuse a batch that AWS refuses whole."""
    times = [timestamp_ms for timestamp_ms, _ in events]
    if not 1 <= len(events) <= MAX_PAGE_EVENTS:
        raise invalid("Log events in a single PutLogEvents request must be 1 to 10000.")
    if times != sorted(times):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if times[-1] - times[0] > _MAX_BATCH_SPAN_MS:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    if sum(message_size(message) for _, message in events) > _MAX_BATCH_BYTES:
        raise ApiError("InvalidParameterException", "Upload too large: the batch exceeds 1048576 bytes.")
