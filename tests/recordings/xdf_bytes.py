"""XDF files made byte by byte as the specification tells, for tests (https://github.com/sccn/xdf/wiki)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

BOUNDARY = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
PACK = {"float32": "f", "double64": "d", "int8": "b", "int16": "h", "int32": "i", "int64": "q"}


def length(value: int, size: int = 0) -> bytes:
    """Return an integer of variable length: in 1, 4 or 8 bytes, the least that hold it by default."""
    size = size or (1 if value < 256 else 4 if value < 2**32 else 8)
    return bytes([size]) + value.to_bytes(size, "little")


def chunk(tag: int, content: bytes, size: int = 0) -> bytes:
    return length(len(content) + 2, size) + struct.pack("<H", tag) + content


def file_header(when: str = "2024-03-01T10:20:30+0100") -> bytes:
    return chunk(
        1, f'<?xml version="1.0"?><info><version>1.0</version><datetime>{when}</datetime></info>'.encode()
    )


def stream_header(
    number: int,
    name: str,
    kind: str,
    channels: int,
    rate: float,
    form: str,
    labels: Sequence[tuple[str, str, str]] = (),
    desc: str = "",
    host: str = "lab-pc",
) -> bytes:
    """Labels are (label, type, unit) of each channel."""
    told = "".join(
        f"<channel><label>{escape(a)}</label><type>{escape(b)}</type><unit>{escape(c)}</unit></channel>"
        for a, b, c in labels
    )
    desc += f"<channels>{told}</channels>" if told else ""
    xml = (
        f"<?xml version='1.0'?><info><name>{escape(name)}</name><type>{escape(kind)}</type>"
        f"<channel_count>{channels}</channel_count><nominal_srate>{rate}</nominal_srate>"
        f"<channel_format>{form}</channel_format><hostname>{host}</hostname>"
        f"<source_id>serial-{number}</source_id><desc>{desc}</desc></info>"
    )
    return chunk(2, struct.pack("<I", number) + xml.encode())


def samples(
    number: int, form: str, stamps: Sequence[float | None], rows: Sequence[Sequence[Any]], size: int = 0
) -> bytes:
    """None for a stamp leaves it out: it is the one before and a nominal period."""
    content = struct.pack("<I", number) + length(len(rows), size)
    for stamp, row in zip(stamps, rows, strict=True):
        content += b"\x00" if stamp is None else b"\x08" + struct.pack("<d", stamp)
        if form == "string":
            for value in row:
                text = value.encode()
                content += length(len(text)) + text
        else:
            content += struct.pack(f"<{len(row)}{PACK[form]}", *row)
    return chunk(3, content, 4)


def clock_offset(number: int, time: float, offset: float) -> bytes:
    return chunk(4, struct.pack("<Idd", number, time, offset))


def boundary() -> bytes:
    return chunk(5, BOUNDARY)


def footer(number: int, count: int) -> bytes:
    xml = f"<?xml version='1.0'?><info><sample_count>{count}</sample_count></info>"
    return chunk(6, struct.pack("<I", number) + xml.encode())


def xdf(*chunks: bytes) -> bytes:
    return b"XDF:" + b"".join(chunks)
