"""What becomes of one event, and why: for `cwpipe explain`. Pure; the work is done by the Shaper of the service."""

import re

import msgspec
from msgspec import Struct

from services.normalizer import json_object, wire
from services.normalizer.explain_watch import Watch
from services.normalizer.families.family import Family
from services.normalizer.families.records import fields
from services.normalizer.families.registry import FAMILIES, permitting
from services.normalizer.families.stock_rules import OBJECT, PURPOSES, TEXT, Purpose
from services.normalizer.location import DEFAULT, PLAIN, filled_in
from services.normalizer.text import clean
from services.normalizer.wire import MAX_DATAGRAM_BYTES, MAX_LOCATION_BYTES
from shared.messages import GroupRef, LogEvent
from shared.settings.model import Source

#: Wazuh reads this many fields of an event, and drops the others with a line in its log for each.
MAX_FIELDS = 256

#: Decoders that remember what they saw first by its location, too: rule 5403 is "First time user executed sudo".
_FIRST_SEEN = re.compile(
    rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [^ ]+ (?:(?:sudo|su|proftpd)(?:\[\d+\])?: |sshd(?:\[\d+\])?: Accepted )"
)
TEXT_FORM, RAW_FORM, NOTHING = "a line of text", "the message as it is", "nothing is sent"
_OBJECT = re.compile(rb'\{[\x00-\x20]*["}]')


class Permitted(Struct, frozen=True):
    """A family that the event's group permits."""

    family: str
    permitted_by: str
    """The pattern of the group's name, or the source's setting."""
    confirmed: bool
    asks_for: str
    """What an event of it holds; "" where nothing is asked, for nothing is changed."""


class Explanation(Struct, frozen=True, kw_only=True):
    """What becomes of one event, and why."""

    event: LogEvent
    group: GroupRef
    source: str
    format: str
    discarded_by: str
    """The setting by which it is not sent; "" if it is."""
    permitted: tuple[Permitted, ...]
    family: str
    """The family in whose form it is sent; "" if it is of none."""
    looks_like: tuple[str, ...]
    """Families that its content would confirm, and that nothing permits."""
    changes: tuple[str, ...]
    arrives: str
    """What an event of its family becomes."""
    form: str
    rules: tuple[int, ...]
    says: str
    limits: tuple[str, ...]
    datagrams: tuple[bytes, ...]
    body: bytes
    """The first datagram without its header."""


def explain(event: LogEvent, group: GroupRef, source: Source) -> Explanation:
    """Return what `event` becomes in `group` by the settings of `source`. Raises SettingsError as Shaper does."""
    watch = Watch(group, source)
    shaped = watch.shape(event)
    body = _body(watch, event, source, shaped.datagrams)
    form = _form(watch, source, body, shaped.datagrams)
    purpose = _purpose(watch.family, form)
    return Explanation(
        event=event,
        group=group,
        source=source.name,
        format=source.format,
        discarded_by=watch.discarded_by,
        permitted=tuple(_permitted(family, watch, group, source) for family in watch.permitted),
        family=watch.family,
        looks_like=() if watch.family or watch.discarded_by else tuple(watch.looks_like(event)),
        changes=tuple(_changes(watch, event)) if shaped.datagrams and source.format != "raw" else (),
        arrives=next((family.arrives for family in FAMILIES if family.name == watch.family), ""),
        form=form,
        rules=purpose.rules,
        says=purpose.says,
        limits=tuple(_limits(watch, event, group, source, shaped.datagrams, body)) if shaped.datagrams else (),
        datagrams=shaped.datagrams,
        body=body,
    )


def first_seen(explanation: Explanation) -> bool:
    """Tell whether a decoder of Wazuh remembers the first of such lines by its location."""
    return explanation.form == TEXT_FORM and _FIRST_SEEN.match(explanation.body) is not None


def _permitted(family: Family, watch: Watch, group: GroupRef, source: Source) -> Permitted:
    by = f'format = "{source.format}"' if family.name == source.format else permitting(family, group.log_group)
    confirmed = family.name in (watch.family, watch.too_long)
    return Permitted(family.name, by, confirmed, PURPOSES[family.name].confirmed_by)


def _body(watch: Watch, event: LogEvent, source: Source, datagrams: tuple[bytes, ...]) -> bytes:
    header = wire.header(PLAIN) if source.format == "raw" else watch.header(event)
    return datagrams[0][len(header) :] if datagrams else b""


def _form(watch: Watch, source: Source, body: bytes, datagrams: tuple[bytes, ...]) -> str:
    if not datagrams:
        return NOTHING
    if source.format == "raw":
        return RAW_FORM
    if datagrams[0].startswith(wire.EVENT_CHANNEL):
        return "a Windows event, on analysisd's queue of them"
    if body.startswith(b'{"integration":"aws",'):
        return "an envelope of AWS" if len(datagrams) == 1 else "an envelope of AWS for each record"
    if watch.wrapped_for:
        return f"an object with `cloudwatch` and the message: {watch.wrapped_for}"
    if body.startswith(b'{"cloudwatch":'):
        return "an object with `cloudwatch`"
    return "an object with `cloudwatch`, behind the header of its line" if watch.marked else TEXT_FORM


def _purpose(family: str, form: str) -> Purpose:
    if family:
        return PURPOSES[family]
    if form == NOTHING:
        return Purpose("", (), "")
    return TEXT if form in (TEXT_FORM, RAW_FORM) else OBJECT


def _changes(watch: Watch, event: LogEvent) -> list[str]:
    changes = (
        [f"line taken out of the object around it ({watch.family})"]
        if watch.family in ("container", "journald")
        else []
    )
    changes += watch.changes
    log = clean(event.message)
    message = event.message.rstrip("\r\n\0")
    if message != event.message:
        changes.append("line ends or NULs behind it removed")
    if log != message.encode(errors="replace"):
        changes.append("NULs written as U+2400, what is no character as U+FFFD")
    place = json_object.start(log)
    if not watch.family and not watch.wrapped_for and place >= 0 and json_object.protected(log[place:]) != log[place:]:
        changes.append("its own keys `cloudwatch` and `integration` renamed with an underscore")
    return changes


def _limits(
    watch: Watch, event: LogEvent, group: GroupRef, source: Source, datagrams: tuple[bytes, ...], body: bytes
) -> list[str]:
    limits = []
    if watch.too_long:
        limits.append(f"{watch.too_long} was recognised, but cannot be made to fit {MAX_DATAGRAM_BYTES:,} bytes")
    if len(datagrams) > 1 and not body.startswith(b'{"integration":"aws",'):
        limits.append(f"longer than a datagram of {MAX_DATAGRAM_BYTES:,} bytes: sent in {len(datagrams)} parts")
    found = _OBJECT.search(body)
    read = _decoded(body[found.start() :]) if found else None
    if isinstance(read, dict):
        truncated = read.get("cloudwatch", {}).get("truncated") if isinstance(read.get("cloudwatch"), dict) else None
        if truncated:
            limits.append(f"longer than {MAX_DATAGRAM_BYTES:,} bytes: shortened {', '.join(map(str, truncated))}")
        if (count := _count(read)) > MAX_FIELDS:
            limits.append(f"{count:,} fields: Wazuh reads the first {MAX_FIELDS}")
    if source.format != "raw":
        location = filled_in(
            group.region, group.log_group, event.log_stream, group.account_id, source.location or DEFAULT
        )
        if len(location.encode()) > MAX_LOCATION_BYTES:
            limits.append(
                f"location longer than {MAX_LOCATION_BYTES:,} bytes: cut, with a digest of the whole at its end"
            )
    return limits


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _count(read: object) -> int:
    try:
        return fields(read)
    except RecursionError:
        return 0
