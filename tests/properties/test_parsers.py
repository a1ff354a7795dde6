"""Every parser of bytes from outside meets bytes that are none of what it reads: it answers, or raises what it says it does.

REGISTRY is the list of them. A module that begins to decode something has to be put into it, or the tests fail.
"""

import re
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unicodedata import category

import msgspec
import pytest
import zstandard
from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.dashboard.gate import Gate
from services.dashboard.reading import Json
from services.forwarder import getstats
from services.normalizer import explain_command
from services.normalizer.explain_command import Asked, explain_file
from services.operator.dead_letters import batches, text
from services.operator.dead_letters.selection import Entry
from services.operator.import_ossec import state as wodle_state
from services.operator.import_ossec import xml
from shared import agent, codec
from shared.aws import pages
from shared.aws.faults import CALL_ERRORS, translate
from shared.errors import PoisonMessage, SettingsError, SourceBusy, SourceError
from shared.messages import DeadLetter, EnrichedBatch, GroupRef, KeptOriginal, LogEvent, RawBatch
from shared.settings import load as load_module
from shared.settings.load import Loaded, load
from shared.settings.model import Settings
from shared.settings.quantities import parse_bytes, parse_duration, start_ms
from tests.properties.outside import spoiled, with_number
from tests.unit.forwarder.test_getstats import an_answer

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

#: Module that decodes what others made -> the tests that attack it: functions here, or files of tests.
REGISTRY: dict[str, tuple[str, ...]] = {
    "services.dashboard.gate": ("test_any_authorization_is_refused",),
    "services.dashboard.reading": ("test_any_bytes_of_a_job_are_shown_or_unreadable",),
    "services.forwarder.forward": ("test_any_payload_is_a_message_or_poison",),
    "services.forwarder.getstats": ("test_any_statistics_are_a_look_or_unavailable",),
    "services.normalizer.explain": ("tests/properties/test_explain.py",),
    "services.normalizer.explain_command": ("test_any_file_of_messages_is_explained_or_refused",),
    "services.normalizer.json_object": ("tests/properties/test_wire.py",),
    "services.normalizer.normalize": ("test_any_payload_is_a_message_or_poison",),
    "services.normalizer.oversize": ("tests/properties/test_wire.py",),
    "services.normalizer.recognise": ("tests/properties/test_wire.py",),
    "services.normalizer.reserved": ("tests/properties/test_wire.py",),
    "services.normalizer.restore.wrappers": ("tests/properties/test_wire.py",),
    "services.normalizer.rules": ("tests/properties/test_regexes.py",),
    "services.operator.dead_letters.batches": ("test_any_letter_is_shown_and_can_be_replayed_or_says_why_not",),
    "services.operator.dead_letters.selection": ("test_any_payload_is_a_message_or_poison",),
    "services.operator.import_ossec.state": (
        "test_any_database_is_read_or_refused",
        "tests/properties/test_import_ossec.py",
    ),
    "services.operator.import_ossec.xml": (
        "test_no_entity_is_expanded_and_no_file_included",
        "tests/properties/test_import_ossec.py",
    ),
    "shared.agent": ("test_any_state_of_an_agent_is_read",),
    "shared.aws.faults": ("test_any_error_of_aws_is_one_bounded_line",),
    "shared.aws.pages": ("test_any_body_of_aws_is_a_page_or_no_answer",),
    "shared.codec": ("test_any_payload_is_a_message_or_poison", "tests/properties/test_messages.py"),
    "shared.settings.load": ("test_any_settings_are_read_or_refused",),
    "shared.settings.quantities": ("test_any_time_on_the_command_line_is_one_or_refused",),
}
#: What cwpipe keeps for itself in Redis, beside batches. Who can write there can stop it (docs/security.md).
OWN_STATE = {
    *("services.fetcher.chosen", "services.fetcher.deletion", "services.fetcher.commit", "services.fetcher.notes"),
    *("services.fetcher.search", "services.operator.audit.kept", "services.operator.backfill.command"),
    *("services.operator.metrics.reading", "services.operator.status.picture"),
    *("shared.backfills", "shared.books", "shared.digests", "shared.orphans"),
}
_DECODES = re.compile(
    r"json\.decode\(|json\.Decoder\(|msgpack\.(?:decode|Decoder)\(|json\.loads\(|codec\.decode\(|tomllib\.loads\("
    r"|sqlite3\.connect\(|b64decode\(|\.recv\("
)
#: It is a stand-in, or decodes what it has just encoded.
_NO_PARSERS = {"services.normalizer.datagrams"}


def test_every_module_that_decodes_is_registered() -> None:
    """What is decoded somewhere new is attacked as well."""
    decoding = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("services", "shared")
        for path in (ROOT / package).rglob("*.py")
        if _DECODES.search(path.read_text()) and "demo" not in path.parts
    }

    assert set() == decoding - set(REGISTRY) - OWN_STATE - _NO_PARSERS
    assert set() == OWN_STATE & set(REGISTRY)


def test_every_parser_has_the_tests_it_names() -> None:
    """A name alone attacks nothing."""
    named = {name for names in REGISTRY.values() for name in names}

    assert [] == [name for name in named if name not in globals() and not (ROOT / name).is_file()]


_PAGE = (
    b'{"events":[{"eventId":"37","ingestionTime":1700000000001,"logStreamName":"web","message":"a line",'
    b'"timestamp":1700000000000}],"nextToken":"t","searchedLogStreams":[]}'
)


@MANY
@given(spoiled(_PAGE) | with_number(_PAGE))
def test_any_body_of_aws_is_a_page_or_no_answer(body: bytes) -> None:
    """What is taken for events can be put on the queue: a page that cannot would be read for ever."""
    page = _read_or_refused(SourceBusy, lambda: pages.decode(body))
    if page is None:
        return
    group = GroupRef(account_id="1", region="r", log_group="g")
    batch = RawBatch(batch_id="b", group=group, source="s", events=tuple(page.events))

    assert batch == codec.decode(RawBatch, codec.encode(batch))


_REFUSAL = b'{"__type":"AccessDeniedException","message":"User: x is not authorized to perform: logs:FilterLogEvents"}'


@MANY
@given(
    body=spoiled(_REFUSAL),
    status=st.sampled_from([301, 400, 403, 413, 429, 500, 503]),
    query=st.sampled_from(["", "Code;Sender", "\x1b]0;x\x07;\n"]),
    with_token=st.booleans(),
)
def test_any_error_of_aws_is_one_bounded_line(body: bytes, status: int, query: str, *, with_token: bool) -> None:
    """It is printed on terminals and kept in Redis."""
    headers = {"x-amzn-query-error": query} if query else {}
    try:
        parsed = create_parser("json").parse({"body": body, "headers": headers, "status_code": status}, None)  # type: ignore[arg-type] # of an error it needs none
        error: Exception = ClientError(parsed, "FilterLogEvents")
    except CALL_ERRORS as unreadable:
        error = unreadable
    told = str(translate(error, "logs:FilterLogEvents", "group g", with_token=with_token, filter_of="s"))

    assert isinstance(translate(error, "logs:FilterLogEvents", "group g"), SourceError)
    assert told.isprintable(), told
    assert len(told) < 4_000


_KINDS: tuple[type[msgspec.Struct], ...] = (RawBatch, EnrichedBatch, DeadLetter, KeptOriginal)
_GROUP = GroupRef(account_id="1", region="r", log_group="g")
_EVENT = LogEvent(event_id="37", log_stream="web", timestamp_ms=1, message="a line")
_PACKED = tuple(
    msgspec.msgpack.encode(message)
    for message in (
        RawBatch(batch_id="b", group=_GROUP, source="s", events=(_EVENT,)),
        EnrichedBatch(batch_id="b", group=_GROUP, datagrams=(b"1:a:b",)),
        DeadLetter(reason="r", at_ms=1, group=_GROUP, event=_EVENT),
        KeptOriginal(at_ms=1, group=_GROUP, event=_EVENT),
        [1, {"a": [b"", None, 1.5]}],
    )
)
#: An array, a map or a string that says it has four thousand million members, and none of them follows.
_CLAIMS = (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01")


@MANY
@given(
    payload=spoiled(*map(zstandard.compress, _PACKED))
    | spoiled(*_PACKED, *_CLAIMS).map(zstandard.compress)
    | st.sampled_from([b"\x91" * 100_000, b"\x81\xa1a" * 100_000]).map(zstandard.compress),
    kind=st.sampled_from(_KINDS),
)
def test_any_payload_is_a_message_or_poison(payload: bytes, kind: type[msgspec.Struct]) -> None:
    """Whoever wrote it to Redis."""
    message = _read_or_refused(PoisonMessage, lambda: codec.decode(kind, payload))

    assert message is None or isinstance(message, kind)


@pytest.mark.parametrize("claimed", [codec.MAX_DECODED_BYTES + 1, 2**40, 2**63])
def test_a_payload_that_claims_to_be_large_gets_no_memory(claimed: int) -> None:
    """A frame's header is eight bytes that anybody can write; so is a stream of zeros that does not say how long it is."""
    frame = b"\x28\xb5\x2f\xfd\xe0" + claimed.to_bytes(8, "little") + b"\x01\x00\x00"
    stream = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(2**20))
    for payload in (frame, stream):
        with pytest.raises(PoisonMessage, match="out of bounds"):
            codec.decode(RawBatch, payload)


_STATS = msgspec.json.encode(an_answer(others=0.25))


@MANY
@given(spoiled(_STATS) | with_number(_STATS))
def test_any_statistics_are_a_look_or_unavailable(answer: bytes) -> None:
    """A receiver of another release, or something else that listens there."""
    look = _read_or_refused(getstats.StatsUnavailable, lambda: getstats.parse(answer, "the/socket"))

    assert look is None or look.free >= 0


_STATE = b"# State file\nstatus='connected'\nmsg_count='12'\nmsg_sent='11'\nmsg_buffer='1'\n"


@MANY
@given(spoiled(_STATE) | with_number(_STATE))
def test_any_state_of_an_agent_is_read(content: bytes) -> None:
    """What makes no sense counts as not said."""
    said = agent.parse(content.decode("utf-8", "replace"))

    assert said.read >= 0
    assert said.sent >= 0


@MANY
@given(spoiled(b'["g-1-0",{"events":1,"log_group":"/app"}]'))
def test_any_bytes_of_a_job_are_shown_or_unreadable(data: bytes) -> None:
    """They are never loaded as anything but JSON."""
    shown = Json.loads(data)

    assert shown is None or isinstance(shown, str | int | float | list | dict)


@MANY
@given(
    facts=spoiled(b'{"events":1,"group_key":"g","first":"x"}') | st.just(b'{"a":' * 3_000),
    batch_id=st.text(max_size=8) | st.just("g-1-0"),
    queue=st.sampled_from(["raw", "enriched", "other", ""]),
    events=st.integers(-(2**63), 2**63 - 1),
    payload=st.binary(max_size=20),
    name=st.binary(max_size=12),
)
def test_any_letter_is_shown_and_can_be_replayed_or_says_why_not(
    facts: bytes, batch_id: str, queue: str, events: int, payload: bytes, name: bytes
) -> None:
    """An older release may have written it, or anybody."""
    letter = DeadLetter(
        reason="\x1b[2J", at_ms=events, payload=payload, events=events, queue=queue, batch_id=batch_id, facts=facts
    )
    entry = Entry(name=name, data=b"", letter=letter)

    assert all(line.isprintable() or "\t" in line for line in text.lines(entry))
    assert text.as_json(entry).isprintable()
    if not batches.obstacle(letter):
        assert batch_id == batches.batch(batches.pile(entry), [entry]).batch_id


_TOML = (ROOT / "cwpipe.example.toml").read_bytes()
_SMALL_TOML = (
    b'redis_url = "redis://localhost"\n[wazuh]\nqueue_socket = "/q"\nmax_events_per_second = 10\n'
    b'[[sources]]\nname = "a"\nregions = ["us-east-1"]\nlog_groups = ["/app/*"]\npoll_interval = "30s"\n'
)


@MANY
@given(content=spoiled(_SMALL_TOML) | with_number(_SMALL_TOML) | spoiled(_TOML))
def test_any_settings_are_read_or_refused(content: bytes, tmp_path: Path) -> None:
    """Each fault in a line that a terminal can show."""
    file = tmp_path / "cwpipe.toml"
    file.write_bytes(content)
    _read_or_refused(SettingsError, lambda: load(file, {}))


@MANY
@given(content=spoiled(b"a line\nanother\n", b'{"a":1}\n', b"\xff\xfe"), by_line=st.booleans())
def test_any_file_of_messages_is_explained_or_refused(content: bytes, by_line: bool, tmp_path: Path) -> None:
    """Nothing of it is a command to the terminal."""
    file = tmp_path / "messages"
    file.write_bytes(content)
    said: list[str] = []
    loaded = Loaded(Settings(), {}, None)
    asked = Asked(message=str(file))
    _read_or_refused(SettingsError, lambda: explain_file(loaded, asked, said.append, by_line=by_line, as_json=False))

    assert all(line.isprintable() for entry in said for line in entry.split("\n"))


@MANY
@given(data=st.data())
def test_any_database_is_read_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    """Whatever a disk, or whoever may write there, has made of the wodle's."""
    file = tmp_path / wodle_state.DATABASE
    file.unlink(missing_ok=True)
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE cloudwatch_logs (aws_region, aws_log_group, aws_log_stream, end_time)")
    connection.execute("INSERT INTO cloudwatch_logs VALUES ('us-east-1', '/a', 's', 1700000000000)")
    connection.commit()
    connection.close()
    file.write_bytes(data.draw(spoiled(file.read_bytes())))
    _read_or_refused(SettingsError, lambda: wodle_state.read(tmp_path, 0))


def test_no_entity_is_expanded_and_no_file_included(tmp_path: Path) -> None:
    """A billion laughs, and /etc/passwd: both are what they are, text."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    file = tmp_path / "ossec.conf"
    file.write_text(
        f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}<!ENTITY p SYSTEM "file:///etc/passwd">]><ossec_config><a>&l11;&p;</a></ossec_config>'
    )
    roots = _read_or_refused(SettingsError, lambda: xml.read(file))

    assert "root:" not in str(roots)
    assert len(str(roots)) < 10_000


@MANY
@given(data=st.data())
def test_any_time_on_the_command_line_is_one_or_refused(data: st.DataObject) -> None:
    """Digits of other scripts, years that are none, numbers without end."""
    forms = r"[0-9-]{10}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})|[0-9]{1,40}[a-zA-Z]{1,3}"
    typed = data.draw(st.text(max_size=30) | st.from_regex(forms, fullmatch=True))
    for read in (parse_duration, parse_bytes, lambda one: start_ms(one, 1_700_000_000_000)):
        assert 0 <= (_read_or_refused(ValueError, partial(read, typed)) or 0) < 2**63


@MANY
@given(
    st.text(st.characters(codec="latin-1"), max_size=60) | st.binary(max_size=30).map(lambda raw: raw.decode("latin-1"))
)
def test_any_authorization_is_refused(given_header: str) -> None:
    """And nothing is let through by a header that makes no sense."""
    reached: list[str] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        reached.append("the pages")
        return []

    statuses: list[str] = []

    def start_response(status: str, *_: Any) -> Any:
        statuses.append(status)

    gate = Gate(app, "cwpipe", "a password of the test")
    for header in (given_header, f"Basic {given_header}"):
        environ = {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": header}
        list(gate(environ, start_response))

    assert [] == reached
    assert {"401 Unauthorized"} == set(statuses)


@pytest.mark.parametrize("size", [load_module.MAX_BYTES + 1, 2**40])
def test_a_file_too_large_is_refused_before_it_is_read(size: int, tmp_path: Path) -> None:
    """One that --config or --message names by mistake: a disk, a device that never ends."""
    file = tmp_path / "large"
    with file.open("wb") as stream:
        stream.truncate(size)
    with pytest.raises(SettingsError, match="larger than 4 MiB"):
        load(file, {})
    if size > explain_command.MAX_BYTES:
        with pytest.raises(SettingsError, match="larger than 64 MiB"):
            explain_command.explain_file(
                Loaded(Settings(), {}, None), Asked(message=str(file)), print, by_line=False, as_json=False
            )


def _read_or_refused(refusal: type[Exception], read: Callable[[], T]) -> T | None:
    """Return what `read` returns, None where it refuses in bounded lines that a terminal can show."""
    try:
        return read()
    except refusal as error:
        refused = error
    lines = str(refused).split("\n")
    assert not any(category(letter) in {"Cc", "Zl", "Zp"} for line in lines for letter in line), lines
    assert sum(map(len, lines)) < 10_000, lines
    return None
