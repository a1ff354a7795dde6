"""What is shown of a letter: whole, exact where a program asks, and harmless on a terminal."""

import base64
import json
from typing import Any

import msgspec
import pytest

from services.operator.dead_letters.overview import MAX_KINDS, SHOWN_KINDS, Overview
from services.operator.dead_letters.text import as_json, lines
from shared.messages import DeadLetter
from shared.visible import visible
from tests.unit.forwarder.factories import GROUP, an_event
from tests.unit.operator.letters import AT_MS, a_datagram, a_letter, an_entry

HOSTILE = "\x1b[2J\x07\x9b31m\u202eevil\r\x00 \ufeff\u2028"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, \u00e9\u20ac\U0001f600", "plain text, \u00e9\u20ac\U0001f600"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\tb\r\n", "a\\tb\\r\\n"),
        ("\x9b\u202e\u2028", "\\x9b\\u202e\\u2028"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_is_not_printable_is_written_as_an_escape(text: str, expected: str) -> None:
    """A log line may hold what clears a screen, or turns the writing round."""
    assert expected == visible(text)


def test_a_letter_is_shown_whole() -> None:
    """Why, when, from where, and the message with its lines."""
    shown = lines(an_entry("g-1-0-n3", a_letter(3, "first line\n\tat second\x1b[2J\nlast")))

    for row in (
        "dead letter   g-1-0-n3",
        "reason        cannot be shaped: ValueError('no')",
        "since         2025-11-13T02:13:20Z",
        "account       111122223333",
        "region        eu-west-1",
        "group         /aws/lambda/billing",
        "stream        stream",
        "source        production",
        "event id      event-3",
        "timestamp     2023-11-14T22:13:23Z",
        "ingestion     2023-11-14T22:13:23Z",
        "events        1",
        "message       30 bytes",
    ):
        assert row in shown
    assert ["    first line", "    \tat second\\x1b[2J", "    last"] == shown[-3:]


def test_a_payload_is_shown_with_the_queue_it_came_from() -> None:
    """Bytes that are no text as escapes."""
    letter = DeadLetter(reason="spoiled", at_ms=0, payload=b"\xff\x00a", events=7, queue="raw", batch_id="g-1-0")
    shown = lines(an_entry("g-1-0-p", letter))

    assert {"queue         raw", "batch         g-1-0", "events        7", "payload       3 bytes"} <= set(shown)
    assert "    \\xff\\x00a" == shown[-1]


@pytest.mark.parametrize("where", ["message", "stream", "group", "reason", "id"])
def test_nothing_in_a_letter_reaches_a_terminal_as_a_command(where: str) -> None:
    """Whoever can write a log line could write it."""
    group = msgspec.structs.replace(GROUP, log_group=HOSTILE if where == "group" else "g")
    event = msgspec.structs.replace(
        an_event(0, HOSTILE if where == "message" else "x"), log_stream=HOSTILE if where == "stream" else "s"
    )
    reason = HOSTILE if where == "reason" else "y"
    letter = DeadLetter(reason=reason, at_ms=AT_MS, group=group, event=event)
    entry = an_entry(HOSTILE if where == "id" else "g-1-0-n0", letter)
    overview = Overview([entry], 1)
    shown = [*lines(entry), as_json(entry), *overview.lines("dead letters"), *overview.json_lines()]

    assert [] == [line for line in shown if not line.isprintable()]
    assert [line for line in shown if "evil" in line]


def test_json_of_an_event_is_exact() -> None:
    """Every character of the message, whatever it is."""
    answer = json.loads(as_json(an_entry("g-1-0-n0", a_letter(0, HOSTILE))))

    assert HOSTILE == answer["event"]["message"]
    assert ("dead_letter", "g-1-0-n0", AT_MS, "2025-11-13T02:13:20Z") == tuple(
        answer[name] for name in ("kind", "id", "at_ms", "at")
    )
    assert "event-0" == answer["event"]["event_id"]


@pytest.mark.parametrize("payload", [b"1:here:text \x1b", b"\xff\x00\xfe"])
def test_json_of_a_payload_is_exact(payload: bytes) -> None:
    """As text where it is UTF-8, else in base64."""
    answer: dict[str, Any] = json.loads(as_json(an_entry("g-1-0-d0", a_datagram(payload))))
    kept = answer["payload"].encode() if "payload" in answer else base64.b64decode(answer["payload_base64"])

    assert payload == kept
    assert ("payload_base64" in answer) == (payload[0] == 0xFF)


def test_a_list_counts_by_reason_and_group_and_shows_the_newest_last() -> None:
    """Fifty of a million: how many more there are is said."""
    entries = [an_entry(f"g-{n}-0-n0", a_letter(n, at_ms=AT_MS + n * 1_000)) for n in (3, 0, 4, 1, 2)]
    entries += [an_entry("g-9-0-d0", a_datagram(at_ms=AT_MS + 500))]
    shown = list(Overview(entries, 3).lines("dead letters"))

    assert shown[0].startswith("6 dead letters of 6 events, ")
    assert [line.split()[:3] for line in shown[3:5]] == [
        ["5", "2025-11-13T02:13:20Z", "2025-11-13T02:13:24Z"],
        ["1", "2025-11-13T02:13:20Z", "2025-11-13T02:13:20Z"],
    ]
    assert shown[3].endswith("  /aws/lambda/billing  cannot be shaped: ValueError('no')")
    assert "3 older ones are not shown: see --limit" == shown[6]
    assert ["g-2-0-n0", "g-3-0-n0", "g-4-0-n0"] == [line.split()[1] for line in shown[7:]]
    assert (
        "2025-11-13T02:13:24Z  g-4-0-n0  eu-west-1  /aws/lambda/billing  stream  6 bytes  "
        "cannot be shaped: ValueError('no')" == shown[-1]
    )


def test_a_list_as_json_has_a_kind_in_each_line() -> None:
    """Summaries, entries and what was left out can be told apart by a program."""
    entries = [an_entry(f"g-{n}-0-n0", a_letter(n, at_ms=AT_MS + n)) for n in range(5)]
    rows = [json.loads(line) for line in Overview(entries, 2).json_lines()]

    assert ["summary", "dead_letter", "dead_letter", "left_out"] == [row["kind"] for row in rows]
    assert (5, 5, 3) == (rows[0]["entries"], rows[0]["events"], rows[-1]["entries"])
    assert ["g-3-0-n0", "g-4-0-n0"] == [row["id"] for row in rows[1:3]]


def test_reasons_without_end_do_not_fill_the_memory_or_the_screen() -> None:
    """A reason may quote the event."""
    entries = (an_entry(f"g-{n}-0-n0", a_letter(reason=f"no {n} " + "x" * 5_000)) for n in range(MAX_KINDS + 500))
    overview = Overview(entries, 10)
    shown = list(overview.lines("dead letters"))

    assert MAX_KINDS + 500 == overview.total.entries == sum(kind.entries for kind in overview.kinds.values())
    assert len(overview.kinds) <= MAX_KINDS + 1
    assert len(shown) <= SHOWN_KINDS + 20
    assert [] == [line for line in shown if len(line) > 400]


def test_an_empty_list_says_so() -> None:
    """One line."""
    assert ["0 dead letters, 0 bytes in Redis"] == list(Overview([], 50).lines("dead letters"))
