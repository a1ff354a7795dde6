"""`cwpipe audit`: a second read of CloudWatch, compared with what was fetched, and the books of where that went."""

import time
from pathlib import Path

from msgspec import Struct

from services.operator.audit import compare as audit_compare
from services.operator.audit import kept as audit_kept
from services.operator.audit import report as audit_report
from services.operator.audit import target as audit_target
from services.operator.audit.compare import Comparison
from services.operator.audit.reading import Reading
from services.operator.audit.report import NotAudited, Report, moment
from services.operator.audit.target import Target
from services.operator.connection import connected
from shared import digests, keys
from shared.aws.metrics import incoming_events
from shared.digests import AHEAD_MS, HOUR_MS, MINUTE_MS, Mark
from shared.errors import Incomplete, SettingsError, SourceError
from shared.settings.load import Loaded, require_sources
from shared.settings.quantities import format_duration, start_ms


class Asked(Struct, frozen=True, kw_only=True):
    """The options of the command, as written."""

    group: str
    begin: str
    end: str
    region: str = ""
    source: str = ""


def audit(loaded: Loaded, data_dir: Path, asked: Asked, *, as_json: bool) -> None:
    """Print the audit of a group. Blocks on AWS, for as long as the range takes to be read, and on Redis; changes nothing.

    Raises SettingsError for a group, region, source or time that makes no sense, Unreachable without Redis, SourceError
    when AWS cannot be read, and Incomplete when something is not accounted for.
    """
    require_sources(loaded)
    now_ms = int(time.time() * 1000)
    from_ms, end_ms = _range(asked, now_ms)
    with connected(loaded, data_dir) as client:
        target = audit_target.find(client, loaded.settings.sources, asked.group, asked.region, asked.source)
        group_key = keys.group_key(target.group)
        mark = digests.read_mark(client, group_key)
        not_audited = _not_audited(mark, from_ms, end_ms, now_ms)
        begin_ms = max([from_ms, *(part.end_ms for part in not_audited)])
        reading = Reading(target.api, target.group.log_group)
        comparison = (
            audit_compare.compare(client, group_key, reading, begin_ms, end_ms) if begin_ms < end_ms else Comparison()
        )
        books = audit_kept.read_books(client, target.group, from_ms, end_ms)
    incoming, why = _incoming(target, from_ms, end_ms)
    report = Report(
        group=target.group,
        source=target.source.name,
        from_ms=from_ms,
        end_ms=end_ms,
        not_audited=not_audited,
        comparison=comparison,
        books=books,
        calls=reading.pages,
        incoming=incoming,
        incoming_unknown=why,
    )
    _show(report, as_json=as_json)
    if faults := report.faults():
        raise Incomplete(f"group {asked.group}: {'; '.join(faults)}")


def _show(report: Report, *, as_json: bool) -> None:
    print(audit_report.as_json(report).decode() if as_json else "\n".join(audit_report.lines(report)))


def _range(asked: Asked, now_ms: int) -> tuple[int, int]:
    """Return the whole minutes that hold both ends, the second exclusive, and no time that is still to come."""
    times, faults = [], []
    for option, text in (("from", asked.begin), ("to", asked.end)):
        try:
            times.append(start_ms(text, now_ms))
        except ValueError as error:
            faults.append(f"--{option} {text!r}: {error}")
    if faults:
        raise SettingsError(faults)
    from_ms, to_ms = times
    if from_ms > now_ms:
        raise SettingsError([f"--from {asked.begin!r}: it is still to come"])
    if from_ms > to_ms:
        raise SettingsError([f"--from {asked.begin!r} --to {asked.end!r}: the range ends before it begins"])
    to_ms = min(to_ms, now_ms + AHEAD_MS)
    return from_ms // MINUTE_MS * MINUTE_MS, to_ms // MINUTE_MS * MINUTE_MS + MINUTE_MS


def _not_audited(mark: Mark | None, from_ms: int, end_ms: int, now_ms: int) -> list[NotAudited]:
    """Return the parts of the range that cannot be compared: they are at its beginning."""
    if mark is None:
        return [NotAudited(from_ms=from_ms, end_ms=end_ms, why="no digests are kept of this group so far")]
    oldest_ms = audit_kept.oldest_hour(mark, now_ms) * HOUR_MS
    window = format_duration(mark.window_ms)
    bounds = [
        (oldest_ms, f"digests are kept for {window}: see limits.audit_window"),
        (
            mark.from_ms,
            "before the beginning of what is read: see only_logs_after"
            if mark.from_start
            else f"digests are whole from {moment(mark.from_ms)} on: earlier events were fetched before they were kept",
        ),
    ]
    parts = []
    for bound_ms, why in sorted(bounds):
        if from_ms < min(bound_ms, end_ms):
            parts.append(NotAudited(from_ms=from_ms, end_ms=min(bound_ms, end_ms), why=why))
            from_ms = bound_ms
    return parts


def _incoming(target: Target, from_ms: int, end_ms: int) -> tuple[int | None, str]:
    """Return CloudWatch's own count, or why there is none: it is no part of the proof."""
    group, source = target.group, target.source
    if target.is_linked or source.filter_pattern or source.log_stream_prefix:
        return None, "AWS counts all events of its own account's groups, and others are read here"
    try:
        found = incoming_events(target.session, group.region, group.log_group, from_ms, end_ms)
    except SourceError as error:
        return None, str(error)
    return found, "" if found is not None else "AWS has no figures of this range"
