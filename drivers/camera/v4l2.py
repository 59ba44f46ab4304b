"""Video4Linux: what a camera can do and how it is set, asked of the kernel beside whoever streams from it.

A thin layer over the ioctls of ``linux/videodev2.h``, whose structures and numbers are part of the kernel's
stable interface (https://docs.kernel.org/userspace-api/media/v4l/). Opening a camera here starts no stream
and takes it from nobody. Pictures themselves come through OpenCV.
"""

from __future__ import annotations

import dataclasses
import enum
import errno
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

CAPABILITY = struct.Struct("<16s32s32sIII12x")
FORMAT = struct.Struct("<III32s4sI12x")
FRAME_SIZE = struct.Struct("<I4sI24s8x")
FRAME_INTERVAL = struct.Struct("<I4sIII24s8x")
QUERY = struct.Struct("<II32siiiiI8x")
CONTROL = struct.Struct("<Ii")
"""``v4l2_capability``, ``v4l2_fmtdesc``, ``v4l2_frmsizeenum``, ``v4l2_frmivalenum``, ``v4l2_queryctrl`` and
``v4l2_control``: none has padding that differs between processors."""

_READ, _BOTH = 2, 3


def _number(direction: int, command: int, layout: struct.Struct) -> int:
    return direction << 30 | layout.size << 16 | ord("V") << 8 | command


QUERYCAP = _number(_READ, 0, CAPABILITY)
ENUM_FMT = _number(_BOTH, 2, FORMAT)
G_CTRL = _number(_BOTH, 27, CONTROL)
S_CTRL = _number(_BOTH, 28, CONTROL)
QUERYCTRL = _number(_BOTH, 36, QUERY)
ENUM_FRAMESIZES = _number(_BOTH, 74, FRAME_SIZE)
ENUM_FRAMEINTERVALS = _number(_BOTH, 75, FRAME_INTERVAL)

_CAPTURE, _HAS_DEVICE_CAPS = 0x1, 0x80000000
_DISABLED = 0x1
_DISCRETE = 1
_MOST = 256
"""Answers to one question: a faulty driver must not go on for ever."""
USUAL_SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080), (3840, 2160))
"""What is told of a camera that scales to any size, px."""


class Id(enum.IntEnum):
    """Controls (``linux/v4l2-controls.h``)."""

    BRIGHTNESS = 0x00980900
    AUTO_WHITE_BALANCE = 0x0098090C
    AUTOGAIN = 0x00980912
    GAIN = 0x00980913
    WHITE_BALANCE_TEMPERATURE = 0x0098091A
    EXPOSURE_AUTO = 0x009A0901
    EXPOSURE_ABSOLUTE = 0x009A0902
    FOCUS_ABSOLUTE = 0x009A090A
    FOCUS_AUTO = 0x009A090C


EXPOSURE_AUTOMATIC, EXPOSURE_MANUAL, EXPOSURE_APERTURE_PRIORITY = 0, 1, 3
"""Values of EXPOSURE_AUTO; webcams have no aperture, and call their automatic mode the last."""
EXPOSURE_UNIT_MS = 0.1
"""Of EXPOSURE_ABSOLUTE."""


class Control(NamedTuple):
    """A control and the whole numbers it takes."""

    minimum: int
    maximum: int
    step: int
    default: int


@dataclasses.dataclass(frozen=True)
class Mode:
    """What a camera can send.

    Attributes:
        format: four letters, such as ``"MJPG"`` or ``"YUYV"``.
        width, height: px.
        rates: pictures a second, fastest first.
    """

    format: str
    width: int
    height: int
    rates: tuple[float, ...]


class VideoDevice:
    """An open camera, a context manager.

    Raises:
        OSError: it cannot be opened, or an answer is none.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def __enter__(self) -> VideoDevice:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)

    def captures(self) -> bool:
        """Whether pictures come from it; cameras have other nodes, for what goes with the pictures."""
        *_, everything, of_node = CAPABILITY.unpack(self._ask(QUERYCAP, bytes(CAPABILITY.size)))
        return bool((of_node if everything & _HAS_DEVICE_CAPS else everything) & _CAPTURE)

    def name(self) -> str:
        """Return what the maker calls it."""
        return _text(CAPABILITY.unpack(self._ask(QUERYCAP, bytes(CAPABILITY.size)))[1])

    def modes(self) -> list[Mode]:
        """Return all formats, sizes and rates, as the camera lists them."""
        return [
            Mode(code.decode("latin-1").strip("\0 "), width, height, self._rates(code, width, height))
            for code in self._formats()
            for width, height in self._sizes(code)
        ]

    def control(self, control: int) -> Control | None:
        """Return the range of a control; None where the camera has none."""
        try:
            answer = self._ask(QUERYCTRL, QUERY.pack(control, 0, b"", 0, 0, 0, 0, 0))
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):
                return None
            raise
        _, _, _, minimum, maximum, step, default, flags = QUERY.unpack(answer)
        return None if flags & _DISABLED else Control(minimum, maximum, step, default)

    def get(self, control: int) -> int:
        """Return the value of a control."""
        return CONTROL.unpack(self._ask(G_CTRL, CONTROL.pack(control, 0)))[1]

    def set(self, control: int, value: int) -> int:
        """Set a control; return what it is then."""
        self._ask(S_CTRL, CONTROL.pack(control, value))
        return self.get(control)

    def _formats(self) -> Iterator[bytes]:
        for index in range(_MOST):
            answer = self._next(ENUM_FMT, FORMAT.pack(index, _CAPTURE, 0, b"", b"", 0))
            if answer is None:
                return
            yield FORMAT.unpack(answer)[4]

    def _sizes(self, code: bytes) -> Iterator[tuple[int, int]]:
        for index in range(_MOST):
            answer = self._next(ENUM_FRAMESIZES, FRAME_SIZE.pack(index, code, 0, b""))
            if answer is None:
                return
            _, _, kind, union = FRAME_SIZE.unpack(answer)
            if kind != _DISCRETE:
                low_x, high_x, _, low_y, high_y, _ = struct.unpack("<6I", union)
                usual = [
                    one for one in USUAL_SIZES if low_x <= one[0] <= high_x and low_y <= one[1] <= high_y
                ]
                yield from dict.fromkeys([*usual, (high_x, high_y)])
                return
            yield struct.unpack_from("<2I", union)

    def _rates(self, code: bytes, width: int, height: int) -> tuple[float, ...]:
        rates: list[float] = []
        for index in range(_MOST):
            question = FRAME_INTERVAL.pack(index, code, width, height, 0, b"")
            answer = self._next(ENUM_FRAMEINTERVALS, question)
            if answer is None:
                break
            *_, kind, union = FRAME_INTERVAL.unpack(answer)
            fractions = struct.unpack("<6I", union)
            ends = (fractions[:2],) if kind == _DISCRETE else (fractions[:2], fractions[2:4])
            rates += [round(below / above, 3) for above, below in ends if above]
            if kind != _DISCRETE:
                break
        return tuple(sorted(set(rates), reverse=True))

    def _next(self, number: int, question: bytes) -> bytes | None:
        """Ask for one of a list; None after its end."""
        try:
            return self._ask(number, question)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):
                return None
            raise

    def _ask(self, number: int, question: bytes) -> bytes:
        import fcntl  # absent on Windows

        return fcntl.ioctl(self._descriptor, number, question)


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "replace").strip()
