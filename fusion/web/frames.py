"""Messages between the engine's process and the page's: a length, then msgpack."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import msgspec

MAX_FRAME = 64 << 20
"""Longest message, bytes: a picture of a camera as pixels, and some."""

_LENGTH = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def write_frame(pipe: BinaryIO, message: Any) -> None:
    """Write one message.

    Raises:
        OSError: nobody reads any more.
    """
    data = _encode(message)
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def read_frame(pipe: BinaryIO) -> Any | None:
    """Return the next message, or None at the end."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_FRAME:
        return None
    data = pipe.read(length)
    return _decode(data) if len(data) == length else None
