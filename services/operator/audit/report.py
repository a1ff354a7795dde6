"""What an audit says, to programs and to people."""

from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from services.operator.audit.compare import Comparison
from services.operator.audit.kept import Books
from services.operator.audit.minute import Difference
from shared.books import ENTRIES
from shared.messages import GroupRef, LogEvent
from shared.visible import visible

#: Events of one minute, and minutes, that the text shows at most; the JSON object has them all.
SHOWN_EVENTS = 20
SHOWN_MINUTES = 50


class NotAudited(Struct, frozen=True, kw_only=True):
    """A part of the range that cannot be compared, and why."""

    from_ms: int
    end_ms: int
    why: str


class Report(Struct, frozen=True, kw_only=True):
    """One audit, of [from_ms, end_ms)."""

    group: GroupRef
    source: str
    from_ms: int
    end_ms: int
    not_audited: list[NotAudited]
    comparison: Comparison
    books: Books
    calls: int
    """Calls to AWS that the second read took."""
    incoming: int | None
    """Events that CloudWatch's own metric says came in during the range, whatever their timestamps."""
    incoming_unknown: str
    """Why there is no such figure."""

    def faults(self) -> list[str]:
        """Return what is not accounted for, a phrase each; nothing: all is."""
        found, out = self.comparison, []
        if found.missing:
            out.append(f"never fetched: at least {found.missing:,}")
        if found.read_twice:
            out.append(f"fetched twice: {found.read_twice:,}")
        if lost := self.books.unaccounted:
            out.append(f"difference in the books: {abs(lost):,}")
        if not found.minutes:
            out.append("nothing of the range could be compared")
        return out


def as_json(report: Report) -> bytes:
    """Return the report as one JSON object on one line."""
    found, books = report.comparison, report.books
    return msgspec.json.encode(
        {
            "account_id": report.group.account_id,
            "region": report.group.region,
            "log_group": report.group.log_group,
            "source": report.source,
            "from": moment(report.from_ms),
            "to": moment(report.end_ms - 1),
            "complete": not report.faults(),
            "faults": report.faults(),
            "not_audited": [
                {"from": moment(part.from_ms), "to": moment(part.end_ms - 1), "why": part.why}
                for part in report.not_audited
            ],
            "watermark": moment(found.watermark_ms) if found.watermark_ms else None,
            "minutes_compared": found.minutes,
            "at_aws": found.at_aws,
            "fetched": found.fetched,
            "missing": found.missing,
            "fetched_twice": found.read_twice,
            "not_yet_read": found.not_yet_read,
            "no_longer_at_aws": found.no_longer_at_aws,
            "above_watermark": {"at_aws": found.above_at_aws, "fetched": found.above_fetched},
            "differences": [_difference(one) for one in found.differences],
            "books": {entry: getattr(books.account, entry) for entry in ENTRIES}
            | {"in_flight": books.account.in_flight, "queued": books.queued, "unaccounted": books.unaccounted},
            "dead_letters": {"of_the_range": books.dead_letters, "without_timestamp": books.dead_letters_undated},
            "incoming_log_events": {"sum": report.incoming, "unknown": report.incoming_unknown},
            "api_calls": report.calls,
        }
    )


def lines(report: Report) -> list[str]:
    """Return the report as lines for people. Nothing in it reaches a terminal as a command."""
    found, group = report.comparison, report.group
    out = [
        f"group      {group.log_group}, {group.region}, account {group.account_id}, source {report.source}",
        f"range      {moment(report.from_ms)} to {moment(report.end_ms - 1)}, whole minutes",
    ]
    out += [
        f"unknown    {moment(part.from_ms)} to {moment(part.end_ms - 1)}: {part.why}" for part in report.not_audited
    ]
    out.append(f"compared   {found.minutes:,} minutes: {found.at_aws:,} events at AWS, {found.fetched:,} fetched")
    for difference in found.differences[:SHOWN_MINUTES]:
        out += _difference_lines(difference)
    if len(found.differences) > SHOWN_MINUTES:
        out.append(f"differs    {len(found.differences) - SHOWN_MINUTES:,} more minutes: see --json")
    if found.not_yet_read:
        out.append(
            f"to come    {found.not_yet_read:,} events arrived after the last read of their time: a later one brings them"
        )
    if found.no_longer_at_aws:
        out.append(f"gone       {found.no_longer_at_aws:,} events were fetched and are no longer at AWS")
    if report.end_ms > found.watermark_ms:
        read = f"read up to {moment(found.watermark_ms)}" if found.watermark_ms else "never read to its end"
        out.append(
            f"after      {read}: of the minutes from there on, {found.above_at_aws:,} events are at AWS, "
            f"{found.above_fetched:,} fetched so far"
        )
    return [visible(line) for line in [*out, *_books_lines(report), _result(report)]]


def moment(ms: int) -> str:
    """Return a time in milliseconds as RFC 3339, or the bare number where it is no time."""
    try:
        text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(ms)
    return text.replace("+00:00", "Z").replace(".000Z", "Z")


def _difference(difference: Difference) -> dict[str, object]:
    return {
        "minute": moment(difference.minute_ms),
        "at_aws": difference.at_aws,
        "fetched": difference.fetched,
        "missing": difference.missing,
        "fetched_twice": difference.read_twice,
        "not_yet_read": difference.not_yet_read,
        "no_longer_at_aws": difference.no_longer_at_aws,
        "named_by": difference.named_by,
        "events": [
            {
                "event_id": event.event_id,
                "log_stream": event.log_stream,
                "timestamp": moment(event.timestamp_ms),
                "ingestion_time": moment(event.ingestion_ms),
            }
            for event in difference.events
        ],
        "more": difference.more,
    }


def _difference_lines(difference: Difference) -> list[str]:
    """Return the minute, and the events that are known to be at fault."""
    phrases = {
        "missing": difference.missing,
        "fetched twice": difference.read_twice,
        "not yet read": difference.not_yet_read,
        "no longer at AWS": difference.no_longer_at_aws,
    }
    said = ", ".join(f"{count:,} {what}" for what, count in phrases.items() if count)
    minute = f"{moment(difference.minute_ms)}  {difference.at_aws:,} at AWS, {difference.fetched:,} fetched"
    out = [f"differs    {minute}: {said}"]
    if difference.named_by.startswith("none"):
        out.append("    their ids are no longer remembered: these are all events of the minute")
    out += [f"    {_event(event)}" for event in difference.events[:SHOWN_EVENTS]]
    if (more := difference.more + len(difference.events) - SHOWN_EVENTS) > 0:
        out.append(f"    and {more:,} more: see --json")
    return out


def _event(event: LogEvent) -> str:
    stamp, arrived = moment(event.timestamp_ms), moment(event.ingestion_ms)
    return f"{event.event_id}  {stamp}  arrived {arrived}  {event.log_stream}"


def _books_lines(report: Report) -> list[str]:
    books = report.books
    row = ", ".join(f"{entry} {getattr(books.account, entry):,}" for entry in ENTRIES)
    letters = f"letters    {books.dead_letters:,} events of the range are dead letters"
    if books.dead_letters_undated:
        letters += f", and {books.dead_letters_undated:,} of this group without a timestamp"
    if report.incoming is not None:
        metric = f"metric     IncomingLogEvents {report.incoming:,}: by time of arrival, so only roughly to be compared"
    else:
        metric = f"metric     IncomingLogEvents unknown: {report.incoming_unknown}"
    return [f"books      {row}, in_flight {books.account.in_flight:,} (all since the first read)", letters, metric]


def _result(report: Report) -> str:
    if faults := report.faults():
        return f"result     INCOMPLETE: {'; '.join(faults)}"
    return "result     every event of the minutes compared was fetched exactly once, and the books balance"
