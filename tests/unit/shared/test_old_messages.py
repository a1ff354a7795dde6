"""What releases before this one have put in Redis is read by this one, and the other way round."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from msgspec import Struct

from shared import codec, keys
from shared.errors import PoisonMessage
from shared.messages import RawBatch
from tests.unit.forwarder.factories import a_raw_batch
from tests.upgrade.record import AS_JSON, PACKED, data, sample

FILES = sorted((Path(__file__).parents[2] / "upgrade").glob("redis-*.json"))
KEPT: list[tuple[str, dict[str, Any]]] = [
    (file.stem, message) for file in FILES for message in json.loads(file.read_text())["messages"]
]
KINDS = {kind.__name__: kind for kind in (*PACKED, *AS_JSON)}


def read(kind: type[Struct], stored: bytes) -> Struct:
    """Return a message as this release reads it."""
    return codec.decode(kind, stored) if kind in PACKED else msgspec.json.decode(stored, type=kind)


def says(message: Any, old: Any) -> bool:
    """Tell whether a message says all that an old one said: what was added since is left out of the comparison."""
    if isinstance(old, dict):
        return isinstance(message, dict) and all(says(message.get(name), value) for name, value in old.items())
    if isinstance(old, list):
        return len(message) == len(old) and all(map(says, message, old))
    return bool(message == old)


def test_there_is_a_file_of_the_first_release() -> None:
    assert "redis-0.1.0" in [file.stem for file in FILES]


@pytest.mark.parametrize(("release", "kept"), KEPT, ids=[f"{release}-{kept['kind']}" for release, kept in KEPT])
def test_a_stored_message_is_read_as_it_was_meant(release: str, kept: dict[str, Any]) -> None:
    """Queues are full during an upgrade: what is in them was written by the code before it."""
    message = read(KINDS[kept["kind"]], data(kept["stored"]))

    assert says(json.loads(json.dumps(msgspec.to_builtins(message))), kept["says"])


@pytest.mark.parametrize("name", KINDS)
def test_a_release_that_knows_fewer_fields_reads_this_ones_messages(name: str) -> None:
    """Roles are upgraded one after the other: for a while the old ones read what the new ones write."""
    kind = KINDS[name]
    needed = [(field.name, field.type) for field in msgspec.structs.fields(kind) if field.required]
    config = kind.__struct_config__
    older = msgspec.defstruct(
        name, needed, kw_only=True, tag_field=config.tag_field, tag=config.tag if config.tag_field else None
    )
    written = sample(kind, full=True)
    stored = codec.encode(written) if kind in PACKED else msgspec.json.encode(written)
    seen = codec.decode(older, stored) if kind in PACKED else msgspec.json.decode(stored, type=older)

    assert all(getattr(seen, field) == getattr(written, field) for field, _ in needed)


def test_a_message_of_a_later_version_is_named_and_not_guessed_at() -> None:
    """It becomes a dead letter, whole; what to do about it is in the reason."""
    later = {**msgspec.to_builtins(a_raw_batch()), "kind": "raw.v2"}
    with pytest.raises(PoisonMessage) as raised:
        codec.decode(RawBatch, zstandard.compress(msgspec.msgpack.encode(later)))

    assert "a 'raw.v2' of another release, where this one reads raw.v1" in str(raised.value)
    assert "dead-letters replay" in str(raised.value)


def test_the_layout_of_the_first_release_is_known() -> None:
    """A file of each layout that may be met is kept here."""
    layouts = {int(data(json.loads(file.read_text())["keys"][keys.VERSION]["value"])) for file in FILES}

    assert {int(keys.LAYOUT)} == layouts, "a new layout needs a step in shared/layout.py, and a test of it here"
