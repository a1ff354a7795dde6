"""One dead letter, or kept original, for people and for programs. Nothing in it reaches a terminal as a command."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from services.operator.dead_letters.selection import Entry
from shared.visible import visible


def moment(ms: int) -> str:
    """Return a time in milliseconds as RFC 3339, or the bare number where it is no time."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(ms)


def lines(entry: Entry) -> list[str]:
    """Return the whole of `entry` as lines for people."""
    letter, event = entry.letter, entry.letter.event
    rows: list[tuple[str, str]] = [
        ("kept original" if entry.is_original else "dead letter", entry.id),
        ("reason", letter.reason),
        ("since", moment(letter.at_ms)),
    ]
    if letter.group is not None:
        rows += [("account", letter.group.account_id), ("region", letter.group.region)]
        rows += [("group", letter.group.log_group)]
    if event is not None:
        rows += [("stream", event.log_stream), ("source", letter.source), ("event id", event.event_id)]
        rows += [("timestamp", moment(event.timestamp_ms)), ("ingestion", moment(event.ingestion_ms))]
    elif letter.queue:
        rows += [("queue", letter.queue), ("batch", letter.batch_id)]
    if not entry.is_original:
        rows.append(("events", f"{letter.events:,}"))
    what = "message" if event is not None else "payload"
    rows.append((what, f"{len(entry.body):,} bytes"))
    body = entry.body.decode(errors="backslashreplace").split("\n")
    return [
        *(f"{name:<14}{visible(value)}" for name, value in rows if value),
        *(f"    {visible(line, keep=chr(9))}" for line in body),
    ]


def as_json(entry: Entry) -> str:
    """Return the whole of `entry` as one JSON object in one line, its bytes exact: base64 where they are no UTF-8."""
    letter = entry.letter
    answer: dict[str, Any] = row(entry) | {"at_ms": letter.at_ms}
    if letter.event is not None:
        event = msgspec.structs.asdict(letter.event)
        answer["event"] = event
    if letter.payload or letter.event is None:
        try:
            answer["payload"] = letter.payload.decode()
        except UnicodeDecodeError:
            answer["payload_base64"] = base64.b64encode(letter.payload).decode()
    return json.dumps(answer)


def row(entry: Entry) -> dict[str, Any]:
    """Return what a list shows of `entry`."""
    letter = entry.letter
    group = letter.group
    return {
        "kind": "kept_original" if entry.is_original else "dead_letter",
        "id": entry.id,
        "at": moment(letter.at_ms),
        "account_id": group.account_id if group else "",
        "region": group.region if group else "",
        "log_group": group.log_group if group else "",
        "log_stream": letter.event.log_stream if letter.event else "",
        "source": letter.source,
        "reason": letter.reason,
        "events": letter.events,
        "bytes": len(entry.body),
        "queue": letter.queue,
        "batch_id": letter.batch_id,
    }
