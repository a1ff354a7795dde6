"""An explanation for people and for programs. Nothing in it reaches a terminal as a command."""

import base64
import json
from collections.abc import Iterator

from services.normalizer.explain import Explanation, Permitted, first_seen
from services.normalizer.wire import MAX_DATAGRAM_BYTES

_DOCUMENT = "docs/wazuh.md"


def visible(text: str) -> str:
    """Return `text` with what is not printable written as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def text_of(explanation: Explanation) -> str:
    """Return `explanation` as lines: what is told, and then the datagrams as they are sent."""
    lines = [f"{name:<12}{visible(told)}" for name, told in _rows(explanation)]
    for number, datagram in enumerate(explanation.datagrams, 1):
        size = f"{len(datagram):,} of {MAX_DATAGRAM_BYTES:,} bytes"
        lines.append(f"{'datagram':<12}{number} of {len(explanation.datagrams)}, {size}")
        lines.append(f"  {visible(datagram.decode(errors='backslashreplace'))}")
    return "\n".join(lines)


def json_of(explanation: Explanation) -> str:
    """Return `explanation` as one JSON object in one line; each datagram as text, or in base64 where it is none."""
    group = explanation.group
    return json.dumps(
        {
            "account_id": group.account_id,
            "region": group.region,
            "log_group": group.log_group,
            "log_stream": explanation.event.log_stream,
            "source": explanation.source,
            "format": explanation.format,
            "discarded_by": explanation.discarded_by,
            "permitted": [
                {"family": row.family, "by": row.permitted_by, "confirmed": row.confirmed}
                for row in explanation.permitted
            ],
            "family": explanation.family,
            "looks_like": explanation.looks_like,
            "changes": explanation.changes,
            "form": explanation.form,
            "rules": explanation.rules,
            "limits": explanation.limits,
            "datagrams": [_exact(datagram) for datagram in explanation.datagrams],
        }
    )


def advice(families: tuple[str, ...] | list[str]) -> str:
    """Return what to do for events that look like `families` to be taken for them."""
    formats = " or ".join(f'format = "{family}"' for family in families)
    return f"if they are to be taken for that, give the group a source of its own with {formats}"


def _exact(datagram: bytes) -> dict[str, str]:
    try:
        return {"text": datagram.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(datagram).decode()}


def _rows(told: Explanation) -> Iterator[tuple[str, str]]:
    yield "group", f"{told.group.log_group} in {told.group.region}, account {told.group.account_id}"
    yield "stream", told.event.log_stream
    yield "source", f"{told.source}, format {told.format}"
    if told.discarded_by == "keep_regex":
        yield "discarded", "keep_regex of the source does not match it"
    elif told.discarded_by:
        yield "discarded", f"{told.discarded_by} of the source matches it"
    else:
        yield from _recognised(told)
    for change in told.changes:
        yield "changed", change
    yield "form", told.form
    if told.datagrams:
        ids = ", ".join(map(str, told.rules))
        yield "rules", (f"built for {ids} of Wazuh 4.14, and their like. " if ids else "") + told.says
    if first_seen(told):
        yield "note", "rules for what is seen first, such as 5403, go by the location too: see Location in " + _DOCUMENT
    for limit in told.limits:
        yield "limit", limit


def _recognised(told: Explanation) -> Iterator[tuple[str, str]]:
    yield "recognised", f"{told.family}: {told.arrives}" if told.family else "nothing: it goes the way of any event"
    for row in told.permitted:
        yield "permitted", f"{row.family}, by {row.permitted_by}: {_verdict(row)}"
    if not told.permitted and told.format in ("raw", "text", "json"):
        yield "permitted", f"no family: the format {told.format} asks for none"
    elif not told.permitted:
        yield "permitted", "no family: the group's name allows none"
    if told.looks_like:
        names = " or ".join(told.looks_like)
        yield "looks like", f"{names}, which nothing permits here: {advice(told.looks_like)}"


def _verdict(row: Permitted) -> str:
    if not row.asks_for:
        return "its events are sent like any other"
    return f"{'confirmed' if row.confirmed else 'not confirmed'}, it takes this: {row.asks_for}"
