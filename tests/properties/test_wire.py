"""Whatever is logged, analysisd reads our location and our origin, and the log as it was meant."""

import json
import re
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.forwarder.turnover import lane_of
from services.normalizer.families.registry import families_of
from services.normalizer.location import location_of
from services.normalizer.origin import MAX_ID_BYTES, MAX_NAME_BYTES
from services.normalizer.restore import lines
from services.normalizer.shape import Shaped, Shaper
from services.normalizer.text import clean, fit, visible
from shared.messages import GroupRef, LogEvent
from shared.settings.model import Format, Source
from tests.properties import strategies
from tests.reference_analysisd import read

AUTO = Source(name="auto", regions=("us-east-1",), log_groups=("*",))
TEXT = Source(name="text", regions=("us-east-1",), log_groups=("*",), format="text")
RAW = Source(name="raw", regions=("us-east-1",), log_groups=("*",), format="raw")
GROUP = GroupRef(account_id="123456789012", region="us-east-1", log_group="/aws/lambda/pay")

_OURS = ("account_id", "region", "log_group", "log_stream", "event_id", "timestamp", "ingestion_time")
_RESERVED = re.compile(r"(cloudwatch|integration)(?=[.\0]|\Z)", re.IGNORECASE | re.ASCII)

many = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
some = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))

short_events = strategies.events(strategies.messages)
plain_events = st.builds(
    replace,
    strategies.events(strategies.objects | strategies.messages | st.text(st.characters(codec="ascii"), max_size=80)),
    event_id=st.integers(0, 10**56).map(str),
)
long_events = strategies.events(strategies.long_messages)


def shape(log_event: LogEvent, group: GroupRef = GROUP, source: Source = AUTO) -> Shaped:
    return Shaper(group, source).shape(log_event)


@many
@given(short_events, strategies.groups)
def test_every_datagram_is_one_that_analysisd_takes_whole(log_event: LogEvent, group: GroupRef) -> None:
    """In both formats: never empty, never longer than it reads, no NUL to end it early, valid UTF-8 for its files."""
    _check_datagrams(log_event, group)


@some
@given(long_events, strategies.groups)
def test_so_is_every_datagram_of_a_long_event(log_event: LogEvent, group: GroupRef) -> None:
    """The same, with nothing left out on the way."""
    _check_datagrams(log_event, group)


@many
@given(short_events, strategies.groups)
def test_analysisd_reads_our_location_and_no_other_origin(log_event: LogEvent, group: GroupRef) -> None:
    """Rules trust them: the location of every datagram, the seven fields of every JSON object, no foreign finding."""
    _check_readings(log_event, group)


@some
@given(long_events, strategies.groups)
def test_so_it_does_of_a_long_event(log_event: LogEvent, group: GroupRef) -> None:
    """No part and no shortened object says more than the whole did."""
    _check_readings(log_event, group)


@many
@given(short_events)
def test_text_arrives_as_it_was_logged(log_event: LogEvent) -> None:
    """But for trailing newlines, and for NULs and lone surrogates, which cannot be sent."""
    _check_text(log_event, TEXT)


@many
@given(short_events)
def test_text_is_restored_or_arrives_as_it_was_logged(log_event: LogEvent) -> None:
    """What decoders could not read is written anew; nothing else is touched."""
    if lines.restored(clean(log_event.message)) == clean(log_event.message):
        _check_text(log_event, AUTO)


@some
@given(strategies.events(strategies.long_texts))
def test_the_parts_of_a_long_text_add_up_to_it(log_event: LogEvent) -> None:
    """Behind their markers, none of which cuts a character."""
    _check_text(log_event, TEXT)


@some
@given(short_events | long_events)
def test_the_raw_format_adds_nothing(log_event: LogEvent) -> None:
    """It is for those who want what Wazuh's own module sends."""
    logs = [datagram.removeprefix(b"1:Wazuh-AWS:").decode() for datagram in shape(log_event, source=RAW).datagrams]

    assert clean(log_event.message).decode() == _joined(logs, log_event)


@many
@given(strategies.events(strategies.objects))
def test_an_object_keeps_every_member_but_for_reserved_names(log_event: LogEvent) -> None:
    """Order, duplicates and values; what was renamed has underscores in one place and nothing else."""
    (datagram,) = shape(log_event).datagrams
    before = _pairs(log_event.message)
    (ours, _), *after = _pairs(read(datagram).full_log)

    assert "cloudwatch" == ours
    assert [value for _, value in before] == [value for _, value in after]
    assert [key for key, _ in before] == [_restored(key) for key, _ in after] or _has_marks_of_its_own(before)
    assert not [key for key, _ in after if _RESERVED.match(key)]
    assert len(set(map(_segment, before))) == len(set(map(_segment, after)))


@some
@given(strategies.events(strategies.long_objects))
def test_a_long_object_arrives_as_one_that_names_what_was_shortened(log_event: LogEvent) -> None:
    """It keeps its members, or is the start of its text where there are too many of them."""
    (datagram,) = shape(log_event).datagrams
    reading = read(datagram)
    shortened = dict(_pairs(reading.full_log)[0][1]).get("truncated")

    assert (shortened is not None) == shape(log_event).oversize
    if shortened == ["message"]:
        event("wrapped")
        start = reading.field("message") or ""
        assert clean(log_event.message).decode().startswith(start.removesuffix("\u2026"))
    else:
        event("shortened" if shortened else "short enough")
        assert len(_pairs(log_event.message)) == len(_pairs(reading.full_log)) - 1


formats = st.sampled_from(get_args(Format)).filter(lambda name: name != "raw")
service_events = strategies.events(strategies.service_messages | strategies.messages)


@many
@given(service_events, strategies.service_groups, formats)
def test_no_message_of_a_service_leaves_its_origin_unset(log_event: LogEvent, log_group: str, name: str) -> None:
    """Whatever the format: within the bounds, our location, the seven fields, and no name of ours from elsewhere."""
    _check_service(log_event, GroupRef(account_id="123456789012", region="us-east-1", log_group=log_group), name)


@some
@given(strategies.events(strategies.long_messages), strategies.service_groups, formats)
def test_so_it_is_with_a_long_message(log_event: LogEvent, log_group: str, name: str) -> None:
    """Shortened, in parts, or wrapped."""
    _check_service(log_event, GroupRef(account_id="123456789012", region="us-east-1", log_group=log_group), name)


@many
@given(service_events, strategies.groups, formats)
def test_a_group_of_any_name_makes_no_other_origin(log_event: LogEvent, group: GroupRef, name: str) -> None:
    """Names are hostile too."""
    _check_service(log_event, group, name)


@many
@given(service_events, st.sampled_from(("/app/x", "/aws/lambda/guardduty", "/ecs/cloudtrail", "/aws/eks/x/cluster")))
def test_no_message_makes_an_envelope_in_a_group_that_permits_none(log_event: LogEvent, log_group: str) -> None:
    """An application that prints a finding is not the service that found it."""
    group = GroupRef(account_id="123456789012", region="us-east-1", log_group=log_group)
    for datagram in shape(log_event, group).datagrams:
        assert read(datagram).field("integration") is None


@some
@given(strategies.events(strategies.service_messages), strategies.names)
def test_no_template_lets_a_name_speak_for_an_agent(log_event: LogEvent, log_group: str) -> None:
    """Nor for a module of analysisd's."""
    group = GroupRef(account_id="(x) 1", region="[0]", log_group=log_group)
    for template in ("{log_group}", "{account}{log_stream}", "{region}", "Wazuh-AWS", "-{log_group}{log_stream}"):
        for datagram in shape(log_event, group, msgspec.structs.replace(AUTO, location=template)).datagrams:
            location = read(datagram).location

            assert location
            assert location[0] not in "[("
            assert "->" not in location
            assert "|" not in location
            assert len(location.encode()) <= 8_450


@many
@given(
    service_events,
    strategies.groups
    | strategies.service_groups.map(
        lambda name: GroupRef(account_id="123456789012", region="us-east-1", log_group=name)
    ),
    st.sampled_from(get_args(Format)),
)
def test_the_past_differs_from_what_happens_now_by_its_marks_alone(
    log_event: LogEvent, group: GroupRef, name: str
) -> None:
    """The location's beginning and an eighth field; so a rule that wants the past has it, and no other event passes for it."""
    source = msgspec.structs.replace(AUTO, format=name)
    live = [read(datagram) for datagram in Shaper(group, source).shape(log_event).datagrams]
    sent = Shaper(group, source, backfill=True).shape(log_event).datagrams
    past = [read(datagram) for datagram in sent]

    assert {"files", "eventchannel"} >= {lane_of(datagram) for datagram in sent}
    assert len(live) == len(past)
    for now, then in zip(live, past, strict=True):
        assert then.location.startswith("Wazuh-AWS-backfill")
        assert not now.location.startswith("Wazuh-AWS-backfill")
        assert then.full_log.replace('","backfill":true', '"', 1) == now.full_log
        marked = [place for place, (field, _) in enumerate(then.fields) if field == "cloudwatch.backfill"]
        assert marked == [
            place + 1 for place, (field, _) in enumerate(then.fields) if field == "cloudwatch.ingestion_time"
        ]
        assert "cloudwatch.backfill" not in [field for field, _ in now.fields]


def _check_service(log_event: LogEvent, group: GroupRef, name: str) -> None:
    source = msgspec.structs.replace(AUTO, format=name)
    envelopes = any(family.envelope for family in families_of(name, group.log_group))
    shaped = shape(log_event, group, source)

    assert shaped.datagrams
    for datagram in shaped.datagrams:
        assert len(datagram) <= 65_535
        assert datagram.decode()
        reading = read(datagram)
        assert location_of(group.region, group.log_group, log_event.log_stream) == reading.location
        if datagram.startswith(b"f:"):
            assert name == "windows"
            assert ["Message", "Event"] == list(json.loads(reading.full_log))
            continue
        assert datagram.startswith(b"1:")
        assert not reading.is_alert
        assert reading.fields or not re.match(r'\{ *"', reading.log)
        if not reading.fields:
            continue
        is_envelope = reading.fields[0] == ("integration", "aws")
        event("an envelope" if is_envelope else "an object")
        assert envelopes or not is_envelope
        fields = reading.fields[1:] if is_envelope else reading.fields
        assert _expected(log_event, group) == fields[:7]
        foreign = [field for field, _ in fields[7:] if _RESERVED.match(field)]
        assert [] == [field for field in foreign if field != "cloudwatch.truncated"]
        if is_envelope:
            assert {"aws"} == {field.partition(".")[0] for field, _ in fields[7:]} - {"cloudwatch"}
            assert '"integration":"ms-graph"' not in reading.full_log.lower()


def _check_datagrams(log_event: LogEvent, group: GroupRef) -> None:
    for source, start in ((AUTO, b"1:Wazuh-AWS|:"), (RAW, b"1:Wazuh-AWS:")):
        shaped = shape(log_event, group, source)

        assert shaped.datagrams
        assert shaped.oversize or len(shaped.datagrams) == 1
        for datagram in shaped.datagrams:
            assert 5 <= len(datagram) <= 65_535
            assert datagram.startswith(start)
            assert b"\0" not in datagram
            assert datagram.decode()


def _check_readings(log_event: LogEvent, group: GroupRef) -> None:
    for datagram in shape(log_event, group).datagrams:
        reading = read(datagram)

        assert location_of(group.region, group.log_group, log_event.log_stream) == reading.location
        assert not reading.is_alert
        assert reading.fields or not re.match(r'\{ *"', reading.log)
        if reading.fields:
            assert _expected(log_event, group) == reading.fields[:7]
            foreign = [name for name, _ in reading.fields[7:] if _RESERVED.match(name)]
            assert [] == [name for name in foreign if name != "cloudwatch.truncated"]


def _check_text(log_event: LogEvent, source: Source) -> None:
    readings = [read(datagram) for datagram in shape(log_event, source=source).datagrams]
    if any(reading.fields for reading in readings):
        event("an object")
        return
    event("text in parts" if len(readings) > 1 else "text")

    assert clean(log_event.message).decode() == _joined([reading.full_log for reading in readings], log_event)


def _expected(log_event: LogEvent, group: GroupRef) -> list[tuple[str, str]]:
    values = (
        fit(visible(group.account_id), MAX_ID_BYTES),
        fit(visible(group.region), MAX_ID_BYTES),
        fit(visible(group.log_group), MAX_NAME_BYTES),
        fit(visible(log_event.log_stream), MAX_NAME_BYTES),
        fit(visible(log_event.event_id), MAX_ID_BYTES),
        _iso(log_event.timestamp_ms),
        _iso(log_event.ingestion_ms),
    )
    return list(zip([f"cloudwatch.{name}" for name in _OURS], values, strict=True))


def _iso(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    seconds = min(max(seconds, int(datetime.min.replace(tzinfo=UTC).timestamp())), 253_402_300_799)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000, tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"


def _joined(logs: list[str], log_event: LogEvent) -> str:
    """Return the parts of a text without their markers; each from the second on must have its own."""
    event_id = msgspec.json.encode(fit(visible(log_event.event_id), MAX_ID_BYTES)).decode()[1:-1]
    markers = ["", *(f"cwpipe part {number}/{len(logs)} of event {event_id}: " for number in range(2, len(logs) + 1))]
    assert [] == [log[:100] for log, marker in zip(logs, markers, strict=True) if not log.startswith(marker)]
    return "".join(log.removeprefix(marker) for log, marker in zip(logs, markers, strict=True))


def _pairs(text: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    return pairs


def _restored(key: str) -> str:
    return re.sub(r"(?ai)\A(cloudwatch|integration)_(?=[.\0]|\Z)", r"\1", key)


def _has_marks_of_its_own(pairs: list[tuple[str, Any]]) -> bool:
    return any(re.match(r"(?ai)(cloudwatch|integration)_", key) for key, _ in pairs)


def _segment(pair: tuple[str, Any]) -> str:
    return re.split(r"[.\0]", pair[0])[0].lower()


@many
@given(
    st.lists(plain_events, min_size=1, max_size=4) | st.lists(short_events),
    strategies.groups,
    st.sampled_from([AUTO, RAW]),
)
def test_what_the_fast_path_makes_is_what_is_made_of_each_event(
    log_events: list[LogEvent], group: GroupRef, source: Source
) -> None:
    """Whatever else is in the lot: it decides nothing of its own."""
    shaper = Shaper(group, source)
    if shaper.fast_path is None:  # the group permits a family
        return
    made = shaper.fast_path.datagrams(log_events)
    event(f"{'some' if any(made) else 'none'} were made")
    for log_event, datagram in zip(log_events, made, strict=True):
        assert datagram is None or Shaped((datagram,)) == shaper.shape(log_event)
