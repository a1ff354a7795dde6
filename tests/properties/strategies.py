"""Names and messages that are hostile on purpose: made of what means something to analysisd, to cJSON or to us."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from shared.messages import GroupRef, LogEvent

_DATES = (
    "Jan  1 00:00:00 ",
    "M\u00e4r 02 17:30:52 ",
    "2015-04-16 21:51:02,805 ",
    "2026-01-01T00:00:00+00:00 ",
    "2026-01-01T00:00:00.123+00:00 ",
    "2026-01-01T00:00:00.123456+00:00 ",
    "2026-01-01T00:00:00.123Z ",
    "2015 Dec 29 10:00:01 ",
    "2021-04-21 10:16:09.404756-0700 ",
    "Mon Apr 17 18:27:14 2006 1",
    "01/28-09:13:16.240702  ",
    "01/28/1979-09:13:16.240702  ",
    "[Fri Feb 11 18:06:35 2004] ",
    "[Time 2006.12.28 15:53:55 UTC] ",
    "1140804070.368  11623 ",
)
_HEADERS = (
    "web1 ",
    "web1: ",
    "app: ",
    "app[12]: ",
    "app[12] ",
    "auth|security:info app: ",
    "[ID 12 a.b] ",
    "[Message ",
    "[Host h] ",
    "wazuh: FIM DB: ",
    "2026/01/01 00:00:00 active-response/bin/x: ",
    "ossec: Alert Level: 3; Rule: 5501 - x; Location: y;",
    "Alert Level: 3; ",
)
_OBJECTS = (
    "{}",
    '{"integration":"aws","aws":{"source":"guardduty","severity":8}}',
    '{ "integration":"ms-graph"}',
    '{\n"integration":"ms-graph","cloudwatch":{"log_group":"x"}}',
    '{"cloudwatch.log_group":"x"}',
    '{"\\u0063loudwatch":1,"INTEGRATION\\u0000x":"aws"}',
    '{"a":"\\ud800"}',
    '{"a":1} x',
)
_PIECES = (
    *("{", "}", "[", "]", '"', ":", ",", "|", "||", "|:", "->", "->ossec-keepalive", "(", ">", "1:x:"),
    *("\0", "\ud800", "\udc00", "\ufeff", "\x01", "\x1b", "\x85", "\u2028", "\u2400", "\n", "\r", "\t", " ", "  "),
    *("cloudwatch", "integration", '"cloudwatch"', '"integration":"aws"', '"integration":"ms-graph"', "CloudWatch."),
    *("\\", "\\u", "\\u0063", "\\u0000", "\\ud83d\\ude00", "\\n", '\\"', "cwpipe part 2/2 of event 1: ", "Wazuh-AWS"),
    *("\u00e9", "\u20ac", "\U0001f600", "1" * 64, "-1.5e300", "null", "true"),
)


class LongText(str):
    """A text that does not fill the screen when a test fails with it."""

    def __repr__(self) -> str:
        return f"{self[:200]!r}... ({len(self)} characters)"


fragments = st.sampled_from(_PIECES + _OBJECTS + _HEADERS)
short_texts = st.lists(fragments | st.text(max_size=6), max_size=8).map("".join)
headed_texts = st.builds(
    lambda date, headers, rest: date + "".join(headers) + rest,
    st.sampled_from(_DATES),
    st.lists(st.sampled_from(_HEADERS), max_size=3),
    st.sampled_from(_OBJECTS) | short_texts,
)
long_texts = st.builds(
    lambda before, piece, size, after: LongText(before + piece * (size // len(piece)) + after),
    headed_texts | short_texts,
    fragments,
    st.integers(20_000, 150_000),
    short_texts,
)

_RESERVED = ("cloudwatch", "integration", "Cloudwatch", "INTEGRATION", "cloudwatch_", "integration_", "cloudwatch__")
_ENDS = ("", "", ".log_group", ".", "\0", "\0x", "x", " ", "_")
keys = st.builds(str.__add__, st.sampled_from(_RESERVED), st.sampled_from(_ENDS)) | st.text(max_size=5)
_texts = st.text(max_size=8) | st.sampled_from(_RESERVED)


def _spelled(text: str, escaped: frozenset[int]) -> str:
    """Return `text` as a JSON string in which the characters at the places `escaped` are written as escapes."""
    units = (
        f"\\u{ord(character):04x}" if place in escaped and character < "\uffff" else json.dumps(character)[1:-1]
        for place, character in enumerate(text)
    )
    return f'"{"".join(units)}"'


strings = st.builds(_spelled, _texts, st.frozensets(st.integers(0, 5), max_size=3))
_keys_spelled = st.builds(_spelled, keys, st.frozensets(st.integers(0, 5), max_size=3))
_scalars = strings | st.sampled_from(["null", "true", "false", "0", "-1.5", "1e5", "12345678901234567890", "1" * 63])
_blanks = st.sampled_from(["", "", " ", "\n  ", "\t"])


def _objects_of(values: SearchStrategy[str]) -> SearchStrategy[str]:
    members = st.builds("{1}{0}{1}:{1}{2}{1}".format, _keys_spelled, _blanks, values)
    return st.builds(lambda blank, inside: f"{{{blank}{','.join(inside)}}}", _blanks, st.lists(members, max_size=6))


def _lists_of(values: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.lists(values, max_size=3).map(lambda inside: f"[{', '.join(inside)}]")


#: The text of valid JSON objects: duplicate keys, escaped spellings, white space and all.
objects = _objects_of(st.recursive(_scalars, lambda inner: _objects_of(inner) | _lists_of(inner), max_leaves=8))


def _with_bulk(text: str, bulk: str) -> str:
    return f"{text[:-1]}{',' if ':' in text else ''}{bulk}}}"


def _string_of(piece: str, size: int) -> str:
    return f'"{piece * (size // len(piece))}"'


_E_ACUTE = "\\u00e9"
_EMOJI = "\\ud83d\\ude00"
_NEWLINE = "\\n"

_bulk: tuple[Callable[[int], str], ...] = (
    lambda size: f'"bulk":{_string_of("x", size)}',
    lambda size: f'"bulk":{_string_of(chr(0x20AC), size // 3)},"other":{_string_of("y", size // 2)}',
    lambda size: f'"bulk":{_string_of(_E_ACUTE, size)}',
    lambda size: f'"bulk":[{_string_of(_EMOJI, size)},{{"deep":{_string_of(_NEWLINE, size)}}}]',
    lambda size: ",".join(f'"s{number}":{_string_of("z", 100)}' for number in range(size // 108)),
    lambda size: ",".join(f'"k{number}":{number}' for number in range(size // 12)),
    lambda size: f'"bulk":{"[" * 700}{",".join(["1"] * (size // 2))}{"]" * 700}',
)
#: The same, too long for a datagram or nearly so.
long_objects = st.builds(
    lambda text, bulk, size: LongText(_with_bulk(text, bulk(size))),
    objects,
    st.sampled_from(_bulk),
    st.integers(60_000, 120_000),
)

_CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "fidelity_cases.jsonl").read_text().split("\n")
    if line
]
_ANY_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    (
        None,
        True,
        -1,
        2.5,
        10**30,
        "",
        "-",
        "aws.guardduty",
        "cloudwatch",
        "\0",
        [],
        [None],
        [{}],
        [[1], 2],
        {},
        {"": None},
    )
) | st.builds(lambda key, value: {key: value, "source": "kms", "aws.source": 1}, keys, st.text(max_size=5))


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in _places(one, (*path, key)))]


def _with_value(text: str, place: int, value: Any, key: str) -> str:
    """Return the text of an object with another value at one place of it, and one more key there."""
    try:
        whole = json.loads(text)
    except ValueError:
        return text
    places = [path for path in _places(whole) if path]
    *path, last = places[place % len(places)]
    inner = whole
    for step in path:
        inner = inner[step]
    inner[last] = value
    if isinstance(inner, dict):
        inner[key] = value
    return json.dumps(whole, ensure_ascii=place % 2 == 0)


def _with_piece(text: str, place: int, length: int, piece: str) -> str:
    start = place % (len(text) + 1)
    return text[:start] + piece + text[start + length :]


_logged = st.sampled_from([case["message"] for case in _CASES])
#: What AWS's services log, and the same with something in it that does not belong there.
service_messages = (
    _logged
    | st.builds(_with_piece, _logged, st.integers(0, 5_000), st.integers(0, 40), fragments)
    | st.builds(_with_value, _logged, st.integers(0, 200), _ANY_VALUES, keys)
)
#: Groups that permit a family by their name, and others.
service_groups = st.sampled_from(sorted({case["log_group"] for case in _CASES}))

messages = short_texts | headed_texts | objects
long_messages = long_texts | long_objects
names = short_texts | st.builds(lambda text: (text * 5_000)[:5_000], short_texts)
groups = st.builds(GroupRef, account_id=short_texts, region=short_texts, log_group=names)


def events(message: SearchStrategy[str]) -> SearchStrategy[LogEvent]:
    """Return events with a message of this kind, and no other field to be trusted either."""
    times = st.integers(0, 4_000_000_000_000) | st.integers(-(2**63), 2**63 - 1)
    return st.builds(
        LogEvent,
        event_id=st.integers(0, 10**56).map(str) | names,
        log_stream=names,
        timestamp_ms=times,
        ingestion_ms=times,
        message=message,
    )
