"""Bytes for what Redis keeps: MessagePack in one Zstandard frame.

Only `messages` types are decoded, never pickle: who can write to Redis can put nonsense there, not code.
"""

from typing import TypeVar

import msgspec
import zstandard

from shared.errors import PoisonMessage

T = TypeVar("T", bound=msgspec.Struct)

#: A batch holds 20,000 events and 3 MiB of text: as datagrams, each with its origin and every character escaped, 45 MiB.
#: A frame that claims more than this is refused before memory is given to it.
MAX_DECODED_BYTES = 64 * 1024 * 1024
#: Stored, it is no larger; more than this is never read of a payload.
MAX_STORED_BYTES = MAX_DECODED_BYTES

_LEVEL = 1
_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type[msgspec.Struct], msgspec.msgpack.Decoder[msgspec.Struct]] = {}


def encode(message: msgspec.Struct) -> bytes:
    """Return `message` as compressed bytes. A compressor a call: one is not safe between threads."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(_encoder.encode(message))


def decode(kind: type[T], data: bytes) -> T:
    """Return the `kind` that `data` holds.

    Raises PoisonMessage when the bytes are no such message, whatever they are.
    """
    if len(data) > MAX_STORED_BYTES:
        raise PoisonMessage(f"a {kind.__name__} of more than {MAX_STORED_BYTES} bytes is out of bounds")
    plain = b""
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= MAX_DECODED_BYTES:
            raise PoisonMessage(f"a {kind.__name__} of {size} bytes decoded is out of bounds")
        plain = zstandard.ZstdDecompressor().decompress(data)
        decoder = _decoders.setdefault(kind, msgspec.msgpack.Decoder(kind))
        return decoder.decode(plain)  # type: ignore[return-value]  # the dict is keyed by the type it decodes
    except (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PoisonMessage(_of_another_release(kind, plain) or f"not a {kind.__name__}: {error}") from error


class _AnyMessage(msgspec.Struct):
    kind: str


def _of_another_release(kind: type[msgspec.Struct], plain: bytes) -> str:
    """Return what is said of a message that another release wrote, by its tag; nothing of what is no such message."""
    known = str(kind.__struct_config__.tag)
    try:
        found = msgspec.msgpack.decode(plain, type=_AnyMessage).kind
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    if found == known or found.rpartition(".")[0] != known.rpartition(".")[0] or len(found) > len(known) + 5:
        return ""
    return (
        f"a {found!a} of another release, where this one reads {known}: run the newer release everywhere, "
        "then `cwpipe dead-letters replay`"
    )
