"""x-io x-IMU3: data messages as text lines or in their binary form, told apart by each first byte.

::

    I,<us>,gx,gy,gz,ax,ay,az CR LF                    letter, time stamp, arguments
    C9  <us, uint64>  6 float32  LF                   0x80 + letter; little endian; stuffed as in SLIP

======  ==================================  ==========================================================
letter  content                             decoded as
======  ==================================  ==========================================================
I       angular rate deg/s, acceleration g  rad/s, m/s², gravity in: each is a row
M       magnetic field                      1 = the field where the sensor was calibrated
Q       quaternion w, x, y, z               sensor to earth, z up
L, E    quaternion, acceleration            its quaternion, where there is no Q
R       rotation matrix, row by row         the same, where there is none of these
A       roll, pitch, yaw, deg               the same, where there is none of these
others  temperature, battery, texts ...     nothing
======  ==================================  ==========================================================

Messages of one time stamp make a row together; what comes less often (the magnetometer) is held. There is
no checksum and no counter: a message counts if its form is whole, its values are possible, and time goes
on; rows are numbered by their stamps.

Source: x-io Technologies, "x-IMU3 User Manual", sections "Data messages" and "Sample rates, message rates,
and timestamps".
"""

from __future__ import annotations

import collections
import math
import re
import struct
from typing import Literal, NamedTuple

from drivers.imu.parser import (
    INERTIAL_CHANNELS,
    MAGNETIC_CHANNELS,
    ORIENTATION_CHANNELS,
    STANDARD_GRAVITY,
)
from drivers.imu.rotation import NED_TO_ENU, Quaternion, from_euler, from_matrix, multiply
from drivers.imu.serial.learning import LearningParser
from drivers.imu.serial.numbering import ByTime

END, ESCAPE = b"\n", b"\xdb"
LONGEST = 1024
"""Bytes of a message; a longer one is refused without being kept."""
RATE_LIMIT, FORCE_LIMIT, FIELD_LIMIT = 8000.0, 64.0, 1000.0
"""deg/s, g, 1: sums of three axes, more than the sensors measure. NaN is beyond any limit."""
_ARGUMENTS = {"I": 6, "M": 3, "Q": 4, "L": 7, "E": 7, "R": 9, "A": 3}
_FORMS = {kind: struct.Struct(f"<xQ{count}f") for kind, count in _ARGUMENTS.items()}
_TURNS = ("Q", "L", "E", "R", "A")
"""Kinds that tell the orientation, the best first."""
_NUMBERS = re.compile(rb"([A-Z]),(\d{1,15}),([-+0-9.eE,]+)\r?\Z")
_OTHER = re.compile(rb"[A-Z],\d{1,15},|\{")  # a message without numbers, an answer to a command
_AHEAD = 8  # periods; a stamp further on, or one that goes back, must be confirmed by the next
_NEAR_US = 1_000_000  # stamps further apart do not confirm each other
_TOGETHER = 0.75  # share of the rows that a kind must come with, to be waited for
_DEGREE = math.radians(1.0)


class _Message(NamedTuple):
    kind: str
    stamp: int  # us
    arguments: tuple[float, ...]
    time_host: int
    damaged: int  # messages refused just before it


class XImu3Parser(LearningParser[_Message]):
    """Bytes of an x-IMU3 to rows.

    Args:
        earth: the axes that the device's settings name for its orientation.
    """

    settle_s = 0.3  # the magnetometer sends 20 times a second

    def __init__(self, earth: Literal["nwu", "enu", "ned"] = "nwu") -> None:
        super().__init__()
        self._down = earth == "ned"
        self._buffer = b""
        self._overlong = False
        self._refused = 0  # since the last good message
        self._row: tuple[str, ...] = ()
        self._together: frozenset[str] = frozenset()
        self._recent: dict[str, collections.deque[_Message]] = {}
        self._last: int | None = None  # stamp of the newest row
        self._odd: _Message | None = None  # a row whose stamp is to be confirmed
        self._open: _Message | None = None  # a row that waits for the rest of its stamp
        self._numbering = ByTime()
        self._seq = -1
        self._dirty = 0  # messages refused since the last row

    @property
    def channels(self) -> tuple[str, ...]:  # type: ignore[override]
        """See :class:`Parser`."""
        kinds = self._kinds()
        if not kinds:
            return ()
        field = MAGNETIC_CHANNELS if "M" in kinds else ()
        return INERTIAL_CHANNELS + field + (ORIENTATION_CHANNELS if kinds[-1] in _TURNS else ())

    def note(self) -> str:
        """Name what came, where it makes no row."""
        return f"only messages {', '.join(sorted(self._seen))}" if self._seen and not self.ready else ""

    def feed(self, data: bytes, time_host: int) -> None:
        """Parse one chunk; see :class:`Parser`."""
        *whole, tail = (self._buffer + data).split(END)
        for raw in whole:
            if self._overlong or len(raw) > LONGEST:
                self._overlong = False
                self._refuse()
            elif raw and raw != b"\r":
                self._take_in(raw, time_host)
        if len(tail) > LONGEST:
            self._overlong, tail = True, b""
        self._buffer = tail

    def _refuse(self) -> None:
        self.damaged += 1
        self._refused += 1

    def _take_in(self, raw: bytes, time_host: int) -> None:
        try:
            found = _binary(raw) if raw[0] & 0x80 else _text(raw)
        except (ValueError, struct.error):
            self._refuse()
            return
        if found is None:
            return
        kind, stamp, arguments = found
        if not _possible(kind, arguments):
            self._refuse()
            return
        message = _Message(kind, stamp, arguments, time_host, self._refused)
        self._refused = 0
        self._heard((kind,), message)

    def _kinds(self) -> tuple[str, ...]:
        """Name the kinds that make a row, in its order; nothing: this is no IMU yet."""
        if self._row:
            return self._row
        if self._seen["I"] < 2:  # only between two rows all kinds of their rate have come
            return ()
        field = ["M"] if self._seen["M"] else []
        return ("I", *field, *[kind for kind in _TURNS if self._seen[kind]][:1])

    def _rows_kept(self) -> int:
        return self._seen["I"] - 1

    def _fix_row(self, kept: list[_Message]) -> None:
        """Tell kinds that share a row's stamp from kinds that are held."""
        self._row = self._kinds()
        self._recent = {kind: collections.deque(maxlen=4) for kind in self._row[1:]}
        self._numbering.learn([message.stamp for message in kept if message.kind == "I"])
        stamps = {message.stamp for message in kept if message.kind == "I"}
        shared = collections.Counter(message.kind for message in kept if message.stamp in stamps)
        self._together = frozenset(
            kind for kind in self._row[1:] if shared[kind] >= _TOGETHER * self._seen["I"]
        )

    def _step(self, message: _Message) -> None:
        self._dirty += message.damaged
        if message.kind != "I":
            if message.kind in self._recent and (
                self._last is None or abs(message.stamp - self._last) < _NEAR_US or self._odd is not None
            ):
                self._recent[message.kind].append(message)
                self._close()
            return
        odd, self._odd = self._odd, None
        if self._goes_on(message.stamp):
            self.damaged += odd is not None  # its stamp was wrong
            self._dirty += odd is not None
        elif odd is not None and 0 < message.stamp - odd.stamp < _NEAR_US:
            self._begin(odd)
        else:
            self.damaged += odd is not None
            self._dirty += odd is not None
            self._odd = message
            return
        self._begin(message)

    def _goes_on(self, stamp: int) -> bool:
        limit = min(_NEAR_US, _AHEAD * self._numbering.period) or _NEAR_US
        return self._last is not None and 0 < stamp - self._last < limit

    def _begin(self, message: _Message) -> None:
        """Number a row; what waited for the rest of its own stamp waited in vain."""
        if self._open is not None:
            self._miss(1)
        if self._last is not None:
            passed = message.stamp - self._last
            if passed <= 0:
                self.restarts += 1
            steps = self._numbering.steps(passed) if passed > 0 else 1
            self._miss(steps - 1)
            self._seq += steps if self._seq >= 0 else 0
        self._last, self._open = message.stamp, message
        self._close()

    def _miss(self, rows: int) -> None:
        if self._seq < 0 or rows < 1:
            return
        damaged = min(rows, self._dirty)
        self._dirty -= damaged
        self._lose("checksum", damaged)
        self._lose("device_gap", rows - damaged)

    def _close(self) -> None:
        """Emit the open row if all of it is here."""
        row = self._open
        if row is None:
            return
        parts: list[_Message] = []
        for kind in self._row[1:]:
            past = [one for one in self._recent[kind] if one.stamp <= row.stamp]
            if not past or (kind in self._together and past[-1].stamp != row.stamp):
                return
            parts.append(past[-1])
        gx, gy, gz, ax, ay, az = row.arguments
        values = [ax * STANDARD_GRAVITY, ay * STANDARD_GRAVITY, az * STANDARD_GRAVITY]
        values += [gx * _DEGREE, gy * _DEGREE, gz * _DEGREE]
        for part in parts:
            values += part.arguments if part.kind == "M" else self._turned(part)
        self._seq = max(self._seq, 0)
        self._emit(tuple(values), max(part.time_host for part in (row, *parts)), row.stamp * 1000, self._seq)
        self._open, self._dirty = None, 0

    def _turned(self, message: _Message) -> Quaternion:
        if message.kind == "R":
            turned = from_matrix(message.arguments)
        elif message.kind == "A":
            roll, pitch, yaw = (angle * _DEGREE for angle in message.arguments)
            turned = from_euler(roll, pitch, yaw)
        else:
            w, x, y, z = message.arguments[:4]
            turned = x, y, z, w
        return multiply(NED_TO_ENU, turned) if self._down else turned


def _text(raw: bytes) -> tuple[str, int, tuple[float, ...]] | None:
    """Read a line; None: one of no interest. Raises ValueError: it is damaged."""
    match = _NUMBERS.match(raw)
    if match is None:
        if _OTHER.match(raw) and chr(raw[0]) not in _ARGUMENTS:
            return None
        raise ValueError
    kind = match[1].decode()
    if kind not in _ARGUMENTS:
        return None
    arguments = tuple(map(float, match[3].split(b",")))
    if len(arguments) != _ARGUMENTS[kind]:
        raise ValueError
    return kind, int(match[2]), arguments


def _binary(raw: bytes) -> tuple[str, int, tuple[float, ...]] | None:
    """Read a binary message without its end, as :func:`_text` does; struct.error: it has another length."""
    kind = chr(raw[0] & 0x7F)
    if ESCAPE in raw:
        if raw.count(ESCAPE) != raw.count(b"\xdb\xdc") + raw.count(b"\xdb\xdd"):
            raise ValueError
        raw = raw.replace(b"\xdb\xdc", END).replace(b"\xdb\xdd", ESCAPE)
    form = _FORMS.get(kind)
    if form is None:
        if "A" <= kind <= "Z" and len(raw) >= 9:
            return None
        raise ValueError
    stamp, *arguments = form.unpack(raw)
    if stamp >= 10**15:  # 31 years
        raise ValueError
    return kind, stamp, tuple(arguments)


def _possible(kind: str, arguments: tuple[float, ...]) -> bool:
    if kind == "I":
        return sum(map(abs, arguments[:3])) <= RATE_LIMIT and sum(map(abs, arguments[3:])) <= FORCE_LIMIT
    if kind == "M":
        return sum(map(abs, arguments)) <= FIELD_LIMIT
    if kind == "A":
        return sum(map(abs, arguments)) <= 1080.0
    if kind == "R":
        return sum(map(abs, arguments)) <= 9.0
    w, x, y, z = arguments[:4]
    return abs(w * w + x * x + y * y + z * z - 1.0) < 0.2


def text(kind: str, stamp_us: int, *arguments: float) -> bytes:
    """Return a message as a line, four decimals as the device writes, for simulated sensors."""
    return ",".join([kind, str(stamp_us), *(f"{number:.4f}" for number in arguments)]).encode() + b"\r\n"


def binary(kind: str, stamp_us: int, *arguments: float) -> bytes:
    """Return a message in its binary form, for simulated sensors."""
    raw = bytes([ord(kind) | 0x80]) + struct.pack(f"<Q{len(arguments)}f", stamp_us, *arguments)
    return raw.replace(ESCAPE, b"\xdb\xdd").replace(END, b"\xdb\xdc") + END
