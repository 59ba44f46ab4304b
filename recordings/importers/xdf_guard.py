"""The sound parts of an XDF file: what a truncated or damaged one still holds, bounded before it is read.

https://github.com/sccn/xdf/wiki/Specifications::

    "XDF:" { length, tag, content } ...       length: 1, 4 or 8 bytes after a byte that says which
    1 file header   2 stream header   3 samples   4 clock offset   5 boundary   6 stream footer

Each chunk is looked at as a whole: its length within the file, its XML whole, its samples as many as it
says. One that is not is left out; where its length can't be believed, reading goes on after the next
boundary.
"""

from __future__ import annotations

import bisect
import io
import math
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Any

import numpy as np

BOUNDARY = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
"""What a boundary chunk holds."""

FORMATS = {"float32": 4, "double64": 8, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "string": 0}
"""Bytes of one value; texts have a length each."""

MOST_CHANNELS = 65536
MOST_XML = 16 << 20

Part = tuple[int, int]
"""First byte, and the one after the last."""


def sound_parts(data: Any) -> tuple[list[Part], int]:
    """Find the parts of a file that a reader may be given.

    Args:
        data: the whole file, bytes or a map of it, which begins with ``XDF:``.

    Returns:
        the parts in order, the first with the four magic bytes, and how many bytes were left out.
    """
    parts: list[Part] = [(0, 4)]
    streams: dict[int, tuple[int, int]] = {}
    at, left_out = 4, 0
    while at < len(data):
        chunk = _chunk(data, at)
        if chunk is not None and _sound(data, *chunk, streams):
            following = chunk[2]
            if parts[-1][1] == at:
                parts[-1] = (parts[-1][0], following)
            else:
                parts.append((at, following))
        else:
            following = _after(data, at, chunk)
            left_out += following - at
        at = following
    return parts, left_out


class Parts(io.RawIOBase):
    """Parts of a file, read as if they were one.

    Args:
        data: bytes or a map of a file.
        parts: in order.
    """

    def __init__(self, data: Any, parts: Sequence[Part]) -> None:
        self._data, self._parts = data, parts
        self._ends = np.cumsum([stop - start for start, stop in parts]).tolist()
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        number = bisect.bisect_right(self._ends, self._at)
        if number == len(self._ends):
            return 0
        view = memoryview(buffer).cast("B")
        size = min(len(view), self._ends[number] - self._at)
        start = self._parts[number][1] - (self._ends[number] - self._at)
        view[:size] = self._data[start : start + size]
        self._at += size
        return size


def _chunk(data: Any, at: int) -> tuple[int, int, int] | None:
    """Return tag, start of the content and end of the chunk at ``at``, or None where none can be."""
    length, start = _length(data, at, len(data))
    if length < 2 or start + length > len(data):
        return None
    tag = int.from_bytes(data[start : start + 2], "little")
    return (tag, start + 2, start + length) if 1 <= tag <= 6 else None


def _length(data: Any, at: int, end: int) -> tuple[int, int]:
    """Return an integer of variable length and where it ends; -1 where there is none."""
    size = data[at] if at < end else 0
    if size not in (1, 4, 8) or at + 1 + size > end:
        return -1, at
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def _after(data: Any, at: int, chunk: tuple[int, int, int] | None) -> int:
    """Return where to go on after a chunk that can't be used."""
    if chunk is not None and (chunk[2] == len(data) or _chunk(data, chunk[2]) is not None):
        return chunk[2]
    found = data.find(BOUNDARY, at)
    return found + len(BOUNDARY) if found >= 0 else len(data)


def _sound(data: Any, tag: int, start: int, end: int, streams: dict[int, tuple[int, int]]) -> bool:
    """Tell whether a chunk can be read whole; note its stream where it is a header."""
    if tag == 1:
        return _xml(data[start:end]) is not None
    if tag == 5:
        return data[start:end] == BOUNDARY
    if end - start < 4:
        return False
    number, start = int.from_bytes(data[start : start + 4], "little"), start + 4
    if tag == 2:
        form = _form(_xml(data[start:end].decode("utf-8", "replace").encode()))  # as pyxdf does
        if form is None or number in streams:
            return False
        streams[number] = form
        return True
    if number not in streams:
        return False
    if tag == 4:
        return end - start == 16 and all(map(math.isfinite, struct.unpack("<dd", data[start:end])))
    if tag == 6:
        return _xml(data[start:end]) is not None
    channels, size = streams[number]
    return (_numbers if size else _texts)(data, start, end, channels, size)


def _xml(text: bytes) -> ElementTree.Element | None:
    """Parse a header or footer; it has no need of entities of its own, which can grow without bound."""
    if len(text) > MOST_XML or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return None
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return None


def _form(header: ElementTree.Element | None) -> tuple[int, int] | None:
    """Return channels and bytes of a value, or None where the header does not tell."""
    if header is None or header.tag != "info" or not header.findtext("name", "").strip():
        return None
    try:
        channels = int(header.findtext("channel_count", ""))
        rate = float(header.findtext("nominal_srate", ""))
        size = FORMATS[header.findtext("channel_format", "")]
    except (ValueError, KeyError):
        return None
    return (channels, size) if 1 <= channels <= MOST_CHANNELS and 0 <= rate <= 1e9 else None


def _numbers(data: Any, at: int, end: int, channels: int, size: int) -> bool:
    """Tell whether samples of numbers fill their chunk."""
    count, at = _length(data, at, end)
    lean = 1 + channels * size  # without a time stamp
    if count < 0 or count * lean > end - at:
        return False
    if end - at == count * (lean + 8):
        return data[at : end : lean + 8] == b"\x08" * count
    if count and end - at == count * lean + 8 and data[at] == 8:
        return data[at + 8 + lean : end : lean] == bytes(count - 1)
    for _ in range(count):
        if at >= end or data[at] not in (0, 8):
            return False
        at += data[at] + lean
    return at == end


def _texts(data: Any, at: int, end: int, channels: int, _: int) -> bool:
    """Tell whether samples of texts fill their chunk."""
    count, at = _length(data, at, end)
    if count < 0 or count * (1 + 2 * channels) > end - at:
        return False
    for _ in range(count):
        if at >= end or data[at] not in (0, 8):
            return False
        at += 1 + data[at]
        for _ in range(channels):
            length, at = _length(data, at, end)
            if length < 0 or at + length > end:
                return False
            at += length
    return at == end
