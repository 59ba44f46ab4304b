"""Xsens MTi: MTData2 messages of the Xbus protocol, in any output configuration that makes an IMU.

::

    FA  BID  36  LEN  { XDI XDI SIZE data... }...  SUM        big endian; all after FA sum to 0 mod 256
    FA  BID  36  FF  LENH LENL  ...                           the same with more than 254 bytes

The low nibble of a data identifier (XDI) names number format and world: 0 float32, 1 fixed point 12.20,
2 fixed point 16.32 (fraction first), 3 float64; 0 east-north-up, 4 north-east-down, 8 north-west-up.

======  ==========================  ==================================================================
XDI     content                     decoded as
======  ==========================  ==================================================================
0x1020  packet counter, uint16      numbers messages: what was lost
0x1060  sample time fine, uint32    device time, 0.1 ms; numbers rows where there is no counter
0x4020  acceleration (0x4040: HR)   m/s², gravity in
0x8020  rate of turn (0x8040: HR)   rad/s
0xC020  magnetic field              1 = the field where the sensor was calibrated
0x2010  quaternion w, x, y, z       sensor to world; all worlds become east-north-up
0x2020  rotation matrix             the same, column by column
0x2030  roll, pitch, yaw, deg       the same
======  ==========================  ==================================================================

A message with acceleration is a row; what comes at a lower rate is held. Source: Xsens, "MT Low Level
Communication Protocol Documentation" MT0101P.
"""

from __future__ import annotations

from typing import NamedTuple

from drivers.imu.parser import INERTIAL_CHANNELS, MAGNETIC_CHANNELS, ORIENTATION_CHANNELS
from drivers.imu.serial import xdi
from drivers.imu.serial.learning import LearningParser
from drivers.imu.serial.numbering import ByCounter, ByTime
from drivers.imu.serial.xdi import Layout, Values

PREAMBLE, MTDATA2, EXTENDED = 0xFA, 0x36, 0xFF
LONGEST = 2048
"""Bytes of data in a message, by the protocol."""
TICK_NS = 100_000
"""One count of the sample time."""
_OTHER_LONGEST = 64  # an answer to a command that nobody sent: longer ones are damage
_MASTERS = frozenset({0xFF, *range(1, 33)})  # bus identifiers of a device by itself, and on a bus
_HUGE = 1e9  # no sensor measures so much of anything
_LAYOUTS = 64

_FORCE, _FORCE_HR, _RATE, _RATE_HR, _FIELD, _TURN = "force", "force_hr", "rate", "rate_hr", "field", "turn"
_NAMES = {
    xdi.ACCELERATION: _FORCE,
    xdi.ACCELERATION_HR: _FORCE_HR,
    xdi.RATE: _RATE,
    xdi.RATE_HR: _RATE_HR,
    xdi.MAGNETIC: _FIELD,
    xdi.QUATERNION: _TURN,
    xdi.MATRIX: _TURN,
    xdi.EULER: _TURN,
}
_CHANNELS = {
    _FORCE: INERTIAL_CHANNELS[:3],
    _FORCE_HR: INERTIAL_CHANNELS[:3],
    _RATE: INERTIAL_CHANNELS[3:],
    _RATE_HR: INERTIAL_CHANNELS[3:],
    _FIELD: MAGNETIC_CHANNELS,
    _TURN: ORIENTATION_CHANNELS,
}


class _Message(NamedTuple):
    values: dict[str, Values]
    count: int | None
    ticks: int | None
    time_host: int
    size: int
    skipped: int  # bytes refused just before it


class XsensParser(LearningParser[_Message]):
    """Bytes of an Xsens MTi to rows: specific force, and angular rate or orientation or both."""

    settle_s = 0.25

    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray()
        self._skipped = 0
        self._layouts: dict[int, Layout] = {}
        self._row: tuple[str, ...] = ()
        self._newest: dict[str, Values] = {}
        self._lost_bytes = 0
        self._seq = -1
        self._counter, self._clock = ByCounter(16), ByTime()
        self._ticks: int | None = None
        self._turns = 0

    @property
    def channels(self) -> tuple[str, ...]:  # type: ignore[override]
        """See :class:`Parser`."""
        return tuple(channel for kind in self._kinds() for channel in _CHANNELS[kind])

    @property
    def counter(self) -> tuple[int, int] | None:
        """The packet counter of the newest row, where each packet is one; see :class:`Parser`."""
        return self._counter.newest

    def note(self) -> str:
        """Name what came, where it makes no row."""
        return f"only {', '.join(sorted(self._seen))}" if self._seen and not self.ready else ""

    def feed(self, data: bytes, time_host: int) -> None:
        """Parse one chunk; see :class:`Parser`."""
        buffer, at = self._buffer, 0
        buffer += data
        while at < len(buffer):
            if buffer[at] != PREAMBLE:
                start = buffer.find(PREAMBLE, at)
                at += self._refuse((start if start >= 0 else len(buffer)) - at)
                continue
            size = self._whole(buffer, at)
            if size == 0:
                break
            if size < 0:
                at += self._refuse(1)
                continue
            if buffer[at + 2] == MTDATA2:
                self._message(buffer, at, size, time_host)
            at += size
        del buffer[:at]

    def _refuse(self, size: int) -> int:
        if not self._skipped:
            self.damaged += 1
        self._skipped += size
        return size

    def _whole(self, buffer: bytearray, at: int) -> int:
        """Return the size of the message that begins at ``at``; 0: not known yet, -1: there is none."""
        known = len(buffer) - at
        if known > 1 and buffer[at + 1] not in _MASTERS:
            return -1
        if known > 2 and self._skipped and buffer[at + 2] != MTDATA2:
            return -1
        if known < 4:
            return 0
        kind, head, length = buffer[at + 2], 4, buffer[at + 3]
        if length == EXTENDED:
            if known < 6:
                return 0
            head, length = 6, buffer[at + 4] << 8 | buffer[at + 5]
        if length > (LONGEST if kind == MTDATA2 else _OTHER_LONGEST):
            return -1
        end = at + head + length + 1
        # A damaged length would make all wait that follows: the blocks must fit as they come.
        if kind == MTDATA2 and not xdi.fits(buffer, at + head, end - 1):
            return -1
        if end > len(buffer):
            return 0
        if sum(buffer[at + 1 : end]) & 0xFF:
            return -1
        # After damage, or where another header stands inside, the next message must follow.
        if self._skipped or buffer.find(buffer[at : at + 3], at + 3, end) >= 0:
            if end == len(buffer):
                return 0
            if buffer[end] != PREAMBLE:
                return -1
        return end - at

    def _message(self, buffer: bytearray, at: int, size: int, time_host: int) -> None:
        head = at + (6 if buffer[at + 3] == EXTENDED else 4)
        data = bytes(buffer[head : at + size - 1])
        layout = self._layouts.get(len(data))
        if layout is None or not layout.suits(data):
            if len(self._layouts) >= _LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[len(data)] = Layout(data)
        numbers = layout.unpack(data)
        values: dict[str, Values] = {}
        count = ticks = None
        for kind, first, last, convert in layout.parts:
            if kind == xdi.COUNTER:
                count = numbers[first]
            elif kind == xdi.SAMPLE_TIME:
                ticks = numbers[first]
            else:
                values[_NAMES[kind]] = found = convert(numbers[first:last])
                if not sum(map(abs, found)) < _HUGE:  # NaN is not, either
                    self._refuse(size)
                    return
        message = _Message(values, count, ticks, time_host, size, self._skipped)
        self._skipped = 0
        self._heard(values, message)

    def _kinds(self) -> tuple[str, ...]:
        """Name the parts of a row, the one that makes it a row first; nothing: this is no IMU yet."""
        if self._row:
            return self._row
        kinds = [_FORCE if _FORCE in self._seen else _FORCE_HR, _RATE if _RATE in self._seen else _RATE_HR]
        kinds = [kind for kind in (*kinds, _FIELD, _TURN) if kind in self._seen]
        enough = len(kinds) > 1 and kinds[0].startswith(_FORCE) and kinds[1:] != [_FIELD]
        return tuple(kinds) if enough else ()

    def _rows_kept(self) -> int:
        return self._seen[self._kinds()[0]]

    def _fix_row(self, kept: list[_Message]) -> None:
        self._row = self._kinds()
        first = [message for message in kept if self._row[0] in message.values]
        self._counter.learn([message.count for message in first if message.count is not None])
        self._clock.learn([message.ticks for message in first if message.ticks is not None])

    def _step(self, message: _Message) -> None:
        self._newest.update(message.values)
        self._lost_bytes += message.skipped
        if self._row[0] not in message.values or not all(kind in self._newest for kind in self._row):
            return  # row 0 is the first of which everything is known
        steps = self._steps(message)
        if self._seq >= 0:
            if not steps:
                self.restarts += 1
                steps = 1
            damaged = min(steps - 1, -(-self._lost_bytes // message.size))
            self._lose("checksum", damaged)
            self._lose("device_gap", steps - 1 - damaged)
        self._seq += steps if self._seq >= 0 else 1
        self._lost_bytes = 0
        row = tuple(number for kind in self._row for number in self._newest[kind])
        self._emit(row, message.time_host, self._time(message.ticks), self._seq)

    def _steps(self, message: _Message) -> int:
        """Return how many rows on this one is; 0: the device began anew."""
        passed = None
        if message.ticks is not None and self._ticks is not None:
            passed = (message.ticks - self._ticks) % (1 << 32)
        forward = passed is None or 0 < passed < 1 << 31
        if message.count is not None:
            return self._counter.steps(message.count) * forward
        if passed is not None:
            return self._clock.steps(passed) if forward else 0
        return 1 + round(self._lost_bytes / message.size)

    def _time(self, ticks: int | None) -> int | None:
        if ticks is None:
            return None
        if self._ticks is not None and self._ticks - ticks > 1 << 31:
            self._turns += 1  # after 119 hours
        self._ticks = ticks
        return ((self._turns << 32) + ticks) * TICK_NS


def message(*blocks: bytes, kind: int = MTDATA2, bus: int = 0xFF) -> bytes:
    """Return a message of ``blocks``, see :func:`drivers.imu.serial.xdi.block`, for simulated sensors."""
    data = b"".join(blocks)
    size = bytes([len(data)]) if len(data) < EXTENDED else bytes([EXTENDED, *divmod(len(data), 256)])
    body = bytes([bus, kind]) + size + data
    return bytes([PREAMBLE]) + body + bytes([-sum(body) & 0xFF])
