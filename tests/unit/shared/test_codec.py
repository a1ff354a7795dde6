"""Whatever bytes lie in Redis, decoding gives a message or PoisonMessage: nothing else, and never code."""

import os
import pickle  # noqa: TID251 - to show that it is not read
import resource
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import codec
from shared.errors import PoisonMessage
from shared.messages import EnrichedBatch, RawBatch
from tests.unit.forwarder.factories import GROUP, a_raw_batch, an_enriched_batch, an_event

GOOD = codec.encode(a_raw_batch(20))
#: A Zstandard frame header with a content size of eight bytes and nothing behind it.
FRAME = b"\x28\xb5\x2f\xfd\xe0"


def decoded_or_poison(data: bytes) -> object:
    """Return the batch in `data`, or None if it is poison. Anything else fails the test."""
    try:
        return codec.decode(RawBatch, data)
    except PoisonMessage:
        return None


@given(data=st.binary(max_size=300))
def test_garbage_is_poison(data: bytes) -> None:
    """An exception of another type would be retried for ever."""
    assert decoded_or_poison(data) is None


@given(plain=st.binary(max_size=300))
def test_garbage_in_a_good_frame_is_poison(plain: bytes) -> None:
    """The frame of Zstandard has no checksum that would notice."""
    assert decoded_or_poison(zstandard.compress(plain)) is None


@given(length=st.integers(0, len(GOOD) - 1))
def test_what_was_cut_is_poison(length: int) -> None:
    """A part of a batch delivered as the whole would be events lost in silence."""
    assert decoded_or_poison(GOOD[:length]) is None


@settings(max_examples=300)
@given(place=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_a_message_or_poison(place: int, bit: int) -> None:
    """Whatever comes of it, the worker goes on."""
    spoiled = bytearray(GOOD)
    spoiled[place] ^= 1 << bit

    assert isinstance(decoded_or_poison(bytes(spoiled)), RawBatch | None)


@pytest.mark.parametrize("claimed", [codec.MAX_DECODED_BYTES + 1, 2**40, 2**63, 2**64 - 3])
def test_a_frame_that_claims_too_much_is_poison_before_memory_is_given_to_it(claimed: int) -> None:
    """Twelve bytes must not take a terabyte."""
    with pytest.raises(PoisonMessage, match="out of bounds"):
        codec.decode(RawBatch, FRAME + claimed.to_bytes(8, "little") + b"\0" * 3)


def test_a_frame_that_does_not_say_its_size_is_poison() -> None:
    """Ours all do; without it the bound could not be kept."""
    stream = zstandard.ZstdCompressor().compressobj()

    with pytest.raises(PoisonMessage, match="out of bounds"):
        codec.decode(RawBatch, stream.compress(b"x" * 100) + stream.flush())


def test_a_bomb_that_keeps_within_the_bound_costs_no_more_than_the_bound() -> None:
    """What it decompresses to is garbage, and gone again at once."""
    bomb = zstandard.compress(b"\0" * (64 * 1024 * 1024))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert decoded_or_poison(bomb) is None
    assert len(bomb) < 10_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2 * 64 * 1024


@pytest.mark.parametrize("depth", [600, 100_000])
@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1a"], ids=["lists", "maps"])
def test_nesting_without_end_is_poison(depth: int, opening: bytes) -> None:
    """An unknown field is skipped, but only as deep as the interpreter's stack goes."""
    plain = b"\x82\xa4kind\xa6raw.v1\xa1x" + opening * depth + b"\xc0"

    assert decoded_or_poison(zstandard.compress(plain)) is None


def test_text_that_is_no_utf8_is_poison() -> None:
    """MessagePack does not look into strings; msgspec does."""
    plain = msgspec.msgpack.encode(a_raw_batch()).replace(b"production", b"\xff" * 10)

    assert decoded_or_poison(zstandard.compress(plain)) is None


def test_another_message_is_poison() -> None:
    """A raw batch on the queue `enriched` must not be taken for one without datagrams."""
    assert decoded_or_poison(codec.encode(an_enriched_batch())) is None


class Loaded:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    """Who can write to Redis can put nonsense there, not code."""
    data = pickle.dumps(Loaded(tmp_path / "executed"))

    assert decoded_or_poison(data) is None
    assert decoded_or_poison(zstandard.compress(data)) is None
    assert not (tmp_path / "executed").exists()


def test_a_batch_costs_a_fraction_of_its_text_in_redis() -> None:
    """Log lines repeat themselves: the byte budget of the queues goes a long way."""
    line = "Failed password for invalid user admin from 203.0.113.7 port 51234 ssh2"
    batch = RawBatch(
        batch_id="b", group=GROUP, source="s", events=tuple(an_event(number, line) for number in range(1_000))
    )

    assert len(codec.encode(batch)) < len(line) * 1_000 / 4
    assert batch == codec.decode(RawBatch, codec.encode(batch))
    assert an_enriched_batch(5) == codec.decode(EnrichedBatch, codec.encode(an_enriched_batch(5)))
