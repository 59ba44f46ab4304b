"""Data of an MTData2 message (see :mod:`.xsens`): blocks of identifier (XDI), size and numbers."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from drivers.imu.rotation import NED_TO_ENU, NWU_TO_ENU, Quaternion, from_euler, from_matrix, multiply

COUNTER, SAMPLE_TIME = 0x1020, 0x1060
ACCELERATION, ACCELERATION_HR, RATE, RATE_HR = 0x4020, 0x4040, 0x8020, 0x8040
MAGNETIC, QUATERNION, MATRIX, EULER = 0xC020, 0x2010, 0x2020, 0x2030
FLOAT32, FP1220, FP1632, FLOAT64 = 0, 1, 2, 3
"""Number formats: the two low bits of an identifier."""
ENU, NED, NWU = 0x0, 0x4, 0x8
"""Worlds that orientations refer to: the next two bits."""

COUNTS = {
    ACCELERATION: 3, ACCELERATION_HR: 3, RATE: 3, RATE_HR: 3, MAGNETIC: 3, QUATERNION: 4, MATRIX: 9, EULER: 3,
}  # fmt: skip
"""Numbers in a block."""
_FORMATS = {FLOAT32: "f", FP1220: "i", FP1632: "Ih", FLOAT64: "d"}
_INTEGERS = {COUNTER: "H", SAMPLE_TIME: "I"}
_SIZES = {
    **{(kind | form): struct.calcsize(f">{code}") for kind, code in _INTEGERS.items() for form in range(16)},
    **{
        (kind | form): count * struct.calcsize(f">{_FORMATS[form & 3]}")
        for kind, count in COUNTS.items()
        for form in range(16)
    },
}
"""Bytes of a block's data, by its whole identifier; others may have any size."""
_TURNS = {NED: NED_TO_ENU, NWU: NWU_TO_ENU}

Numbers = Sequence[float]
Values = tuple[float, ...]


class Part(NamedTuple):
    """One block among the numbers of a message."""

    kind: int
    first: int
    last: int
    convert: Callable[[Numbers], Values]


class Layout:
    """The blocks of a message: the same in most, so that it is worked out once and then compared.

    Args:
        data: of a message whose blocks fit, see :func:`fits`.
    """

    def __init__(self, data: bytes) -> None:
        self.marks: list[tuple[int, bytes]] = []
        self.parts: list[Part] = []
        code, at, number = ">", 0, 0
        while at < len(data):
            kind, form, size = _head(data, at)
            self.marks.append((at, data[at : at + 3]))
            if kind in _INTEGERS:
                self.parts.append(Part(kind, number, number + 1, tuple))
                code, number = f"{code}3x{_INTEGERS[kind]}", number + 1
            elif kind in COUNTS:
                letters = _FORMATS[form & 3] * COUNTS[kind]
                self.parts.append(Part(kind, number, number + len(letters), _converter(kind, form)))
                code, number = f"{code}3x{letters}", number + len(letters)
            else:
                code += f"{3 + size}x"
            at += 3 + size
        self.unpack = struct.Struct(code).unpack

    def suits(self, data: bytes) -> bool:
        """Whether another message of the same length has the same blocks."""
        return all(data[at : at + 3] == mark for at, mark in self.marks)


def fits(buffer: bytes | bytearray, at: int, end: int) -> bool:
    """Whether the blocks of a message, as far as they have come, can fill it from ``at`` to ``end``."""
    known = len(buffer)
    while at < end:
        if at + 3 > end:
            return False
        if at + 3 > known:
            return True
        size = buffer[at + 2]
        if _SIZES.get(buffer[at] << 8 | buffer[at + 1], size) != size:
            return False
        at += 3 + size
    return at == end


def block(kind: int, form: int, *numbers: float) -> bytes:
    """Return one block, for simulated sensors: the numbers in format and world ``form``."""
    if kind in _INTEGERS:
        data = struct.pack(f">{_INTEGERS[kind]}", *map(int, numbers))
    elif form & 3 == FP1220:
        data = struct.pack(f">{len(numbers)}i", *(round(number * 2**20) for number in numbers))
    elif form & 3 == FP1632:
        fixed = [round(number * 2**32) for number in numbers]
        data = b"".join(struct.pack(">Ih", number & 0xFFFFFFFF, number >> 32) for number in fixed)
    else:
        data = struct.pack(f">{len(numbers)}{_FORMATS[form & 3]}", *numbers)
    return struct.pack(">HB", kind | form, len(data)) + data


def _head(buffer: bytes | bytearray, at: int) -> tuple[int, int, int]:
    identifier = buffer[at] << 8 | buffer[at + 1]
    return identifier & 0xFFF0, identifier & 0xF, buffer[at + 2]


def _converter(kind: int, form: int) -> Callable[[Numbers], Values]:
    number = {FLOAT32: tuple, FP1220: _from_1220, FP1632: _from_1632, FLOAT64: tuple}[form & 3]
    turn = _TURNS.get(form & 0xC)
    if kind == QUATERNION:
        return lambda raw: _world(_quaternion(number(raw)), turn)
    if kind == MATRIX:
        return lambda raw: _world(_matrix(number(raw)), turn)
    if kind == EULER:
        return lambda raw: _world(from_euler(*map(math.radians, number(raw))), turn)
    return number


def _from_1220(raw: Numbers) -> Values:
    return tuple(one / 2**20 for one in raw)


def _from_1632(raw: Numbers) -> Values:
    return tuple(whole + part / 2**32 for part, whole in zip(raw[::2], raw[1::2], strict=True))


def _quaternion(wxyz: Values) -> Quaternion:
    w, x, y, z = wxyz
    return x, y, z, w


def _matrix(columns: Values) -> Quaternion:
    a, b, c, d, e, f, g, h, i = columns
    return from_matrix((a, d, g, b, e, h, c, f, i))


def _world(turned: Quaternion, turn: Quaternion | None) -> Quaternion:
    return turned if turn is None else multiply(turn, turned)
