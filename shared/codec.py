"""Bytes for what Redis keeps: MessagePack in one Zstandard frame.

Only `messages` types are decoded, never pickle: who can write to Redis can put nonsense there, not code.
"""

from typing import TypeVar

import msgspec
import zstandard

from shared.errors import PoisonMessage

T = TypeVar("T", bound=msgspec.Struct)

#: No payload of ours comes near; a frame that claims more is refused before memory is given to it.
MAX_DECODED_BYTES = 256 * 1024 * 1024

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
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= MAX_DECODED_BYTES:
            raise PoisonMessage(f"a {kind.__name__} of {size} bytes decoded is out of bounds")
        plain = zstandard.ZstdDecompressor().decompress(data)
        decoder = _decoders.setdefault(kind, msgspec.msgpack.Decoder(kind))
        return decoder.decode(plain)  # type: ignore[return-value]  # the dict is keyed by the type it decodes
    except (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PoisonMessage(f"not a {kind.__name__}: {error}") from error
