"""What was encoded is what is decoded, for every message; and two releases can read one another."""

from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from shared import codec, messages

MESSAGES: list[type[Struct]] = [
    kind
    for kind in vars(messages).values()
    if isinstance(kind, type) and issubclass(kind, Struct) and kind.__module__ == messages.__name__
]

_PLAIN: dict[Any, Callable[[], st.SearchStrategy[Any]]] = {
    str: st.text,
    bytes: st.binary,
    bool: st.booleans,
    int: lambda: st.integers(-(2**63), 2**63 - 1),
    NoneType: st.none,
}


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Return any value that a field of that type may have."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]()
    if get_origin(annotation) is tuple:
        return st.lists(values(get_args(annotation)[0]), max_size=5).map(tuple)
    if get_origin(annotation) is UnionType:
        return st.one_of([values(one) for one in get_args(annotation)])
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    return message(annotation)


def message(kind: type[Struct]) -> st.SearchStrategy[Struct]:
    """Return any message of one kind."""
    return st.builds(kind, **{name: values(annotation) for name, annotation in get_type_hints(kind).items()})


each_message = pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)


def test_every_message_is_looked_at() -> None:
    """The list is made from the module, and would be as long if it were written down."""
    assert {"RawBatch", "EnrichedBatch", "DeadLetter", "KeptOriginal", "Checkpoint"} <= {k.__name__ for k in MESSAGES}


@each_message
@settings(max_examples=50)
@given(data=st.data())
def test_what_was_encoded_is_decoded(kind: type[Struct], data: st.DataObject) -> None:
    """A batch that came out other than it went in would be delivered other than it was written."""
    sent = data.draw(message(kind))

    assert sent == codec.decode(kind, codec.encode(sent))
    assert sent == msgspec.json.decode(msgspec.json.encode(sent), type=kind)


@each_message
@settings(max_examples=20)
@given(data=st.data())
def test_a_field_of_a_newer_release_is_ignored(kind: type[Struct], data: st.DataObject) -> None:
    """During a rolling upgrade an old worker reads what a new one wrote."""
    sent = data.draw(message(kind))
    newer = {**msgspec.msgpack.decode(msgspec.msgpack.encode(sent)), "added": [1, {"deep": "er"}]}

    assert sent == codec.decode(kind, zstandard.compress(msgspec.msgpack.encode(newer)))


@each_message
def test_a_message_that_is_queued_has_a_tag_with_a_version(kind: type[Struct]) -> None:
    """A changed meaning needs a name of its own; only the parts of messages go without."""
    parts = {"Backfill", "BackfillPart", "DeepSweeps", "GroupRef", "LogEvent", "OpenSlice", "TimeRange"}
    tag = kind.__struct_config__.tag

    assert (tag is None) if kind.__name__ in parts else (isinstance(tag, str) and tag.endswith(".v1"))
