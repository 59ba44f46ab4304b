"""Open Sound Control 1.0 packets: messages, and bundles of them. Time tags are left out: phones send none.

Own code, as python-osc writes what a stranger sent to the log, a line for each unknown type.

Source: opensoundcontrol.stanford.edu/spec-1_0.html, with the types that it lists as less standard.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

BUNDLE = b"#bundle\0"
DEEPEST = 8
"""Bundles within bundles; deeper ones are refused."""

_FIXED = {"i": ">i", "f": ">f", "h": ">q", "d": ">d", "t": ">Q", "c": ">i", "r": ">I", "m": ">I"}
_NONE = {"T": True, "F": False, "N": None, "I": None, "[": None, "]": None}
"""Types that take no bytes."""


class Message(NamedTuple):
    """One message.

    Attributes:
        address: such as ``/accel``.
        params: its arguments.
    """

    address: str
    params: list[Any]


def messages(data: bytes, depth: int = 0) -> Iterator[Message]:
    """Yield the messages of a packet.

    Raises:
        ValueError: it is no OSC packet.
    """
    if not data.startswith(BUNDLE):
        yield _message(data)
        return
    if depth >= DEEPEST:
        raise ValueError("bundles within bundles")
    at = len(BUNDLE) + 8
    while at < len(data):
        size = int(_fixed(data, at, ">i"))
        if size <= 0 or size % 4 or at + 4 + size > len(data):
            raise ValueError("an element of no size")
        yield from messages(data[at + 4 : at + 4 + size], depth + 1)
        at += 4 + size


def _message(data: bytes) -> Message:
    address, at = _text(data, 0)
    if not address.startswith("/"):
        raise ValueError("no address")
    types, at = _text(data, at)
    if not types.startswith(","):
        raise ValueError("no types")
    params: list[Any] = []
    for kind in types[1:]:
        if kind in _FIXED:
            params.append(_fixed(data, at, _FIXED[kind]))
            at += struct.calcsize(_FIXED[kind])
        elif kind in "sS":
            text, at = _text(data, at)
            params.append(text)
        elif kind == "b":
            size = int(_fixed(data, at, ">i"))
            if not 0 <= size <= len(data) - at - 4:
                raise ValueError("a blob of no size")
            params.append(None)
            at += 4 + (size + 3) // 4 * 4
        elif kind in _NONE:
            params.append(_NONE[kind])
        else:
            raise ValueError("an unknown type")
    return Message(address, params)


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise ValueError("a text without an end")
    return data[at:end].decode("ascii"), end + 4 - (end - at) % 4


def _fixed(data: bytes, at: int, form: str) -> Any:
    try:
        return struct.unpack_from(form, data, at)[0]
    except struct.error as error:
        raise ValueError("too short") from error
