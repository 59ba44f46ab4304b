"""The WitMotion binary protocol (WT901 family): 11-byte packets ``0x55 TYPE DATA*8 SUM``.

SUM is the low byte of the sum of the first ten. Each sample is a *set* of packets, one of each type
that is switched on in the sensor, the lowest type first. Which types those are is learned from the
stream. A set that misses a packet is lost as a whole, and counted.

====  ======================  =============================================================
type  content                 decoded as
====  ======================  =============================================================
0x50  date and time           device time, 1 ms
0x51  acceleration            int16 / 32768 * range_g * 9.80665 m/s^2, gravity in
0x52  angular rate            int16 / 32768 * range_dps * pi / 180 rad/s
0x53  roll, pitch, yaw        int16 / 32768 * 180 deg, z-y'-x''; used where 0x59 is off
0x54  magnetic field          int16 * magnetic_ut uT
0x59  quaternion w, x, y, z   int16 / 32768, sensor to world, z up
====  ======================  =============================================================

Source: WitMotion, "WT901 standard communication protocol".
"""

from __future__ import annotations

import calendar
import math
import struct
from typing import NamedTuple

from drivers.imu.parser import (
    INERTIAL_CHANNELS,
    MAGNETIC_CHANNELS,
    ORIENTATION_CHANNELS,
    STANDARD_GRAVITY,
    Parser,
)
from drivers.imu.rotation import from_euler

HEADER = 0x55
SIZE = 11
TIME, ACCELERATION, ANGULAR_RATE, ANGLE, MAGNETIC, QUATERNION = 0x50, 0x51, 0x52, 0x53, 0x54, 0x59
FULL_SCALE = 32768.0
"""Counts of an int16 at full range."""

_CYCLIC = range(0x50, 0x5B)
"""Types that are sent with every sample; 0x5F answers a question and belongs to no sample."""
_REPLY = 0x5F
_LEARNING_LIMIT = 512
"""Packets kept while the set is not known: some tens of the largest sets there are."""


class _Packet(NamedTuple):
    type: int
    payload: bytes
    time_host: int
    skipped: int  # bytes refused just before it


class WitMotionParser(Parser):
    """Bytes of a WitMotion sensor to rows.

    Args:
        range_g: full scale of the acceleration, g.
        range_dps: full scale of the angular rate, deg/s.
        magnetic_ut: uT in one count of the magnetic field.
    """

    def __init__(self, range_g: float = 16.0, range_dps: float = 2000.0, magnetic_ut: float = 0.1) -> None:
        super().__init__()
        self.range_g, self.range_dps, self.magnetic_ut = range_g, range_dps, magnetic_ut
        self.cycle: tuple[int, ...] = ()
        self._buffer = bytearray()
        self._skipped = 0
        self._learning: list[_Packet] = []
        self._set: dict[int, bytes] = {}
        self._position = -1  # packets the device sent since the first set, less one
        self._whole = True
        self._dirty = False

    def feed(self, data: bytes, time_host: int) -> None:
        """Parse one chunk; see :class:`Parser`."""
        self._buffer += data
        for packet in self._packets(time_host):
            if self.cycle:
                self._step(packet)
            else:
                self._learn(packet)

    def note(self) -> str:
        """Name the packets that came, where they make no sample."""
        seen = sorted({packet.type for packet in self._learning})
        return f"only packets {' '.join(f'0x{kind:02X}' for kind in seen)}" if seen else ""

    def _packets(self, time_host: int) -> list[_Packet]:
        found, buffer, at = [], self._buffer, 0
        while True:
            start = buffer.find(HEADER, at)
            if start < 0:
                self._skipped += len(buffer) - at
                at = len(buffer)
                break
            self._skipped += start - at
            at = start
            if len(buffer) - at < SIZE:
                break
            known = buffer[at + 1] in _CYCLIC or buffer[at + 1] == _REPLY
            if known and sum(buffer[at : at + 10]) & 0xFF == buffer[at + 10]:
                # After damage a packet must be followed by another: 0x55 stands in data, too.
                if self._skipped and len(buffer) - at == SIZE:
                    break
                if not self._skipped or buffer[at + SIZE] == HEADER:
                    payload = bytes(buffer[at + 2 : at + 10])
                    found.append(_Packet(buffer[at + 1], payload, time_host, self._skipped))
                    self._skipped = 0
                    at += SIZE
                    continue
            if not self._skipped:
                self.damaged += 1
            self._skipped += 1
            at += 1
        del buffer[:at]
        return [packet for packet in found if packet.type in _CYCLIC]

    def _learn(self, packet: _Packet) -> None:
        self._learning = [*self._learning[-_LEARNING_LIMIT:], packet]
        types = [item.type for item in self._learning]
        first = min(types)
        starts = [index for index, kind in enumerate(types) if kind == first][-3:]
        if len(starts) < 3 or packet.type != first:
            return
        earlier, later = types[starts[0] : starts[1]], types[starts[1] : starts[2]]
        if earlier != later or not {ACCELERATION, ANGULAR_RATE} <= set(later) or len(set(later)) < len(later):
            return
        if any(item.skipped for item in self._learning[starts[0] + 1 :]):
            return  # something between the packets was lost: this may be less than a set
        self.cycle = tuple(later)
        self.channels = INERTIAL_CHANNELS
        if MAGNETIC in self.cycle:
            self.channels += MAGNETIC_CHANNELS
        if QUATERNION in self.cycle or ANGLE in self.cycle:
            self.channels += ORIENTATION_CHANNELS
        kept, self._learning = self._learning, []
        for item in kept:
            self._step(item)

    def _step(self, packet: _Packet) -> None:
        """Place a packet within the endless row of sets, and count what must have been between."""
        if packet.type not in self.cycle:
            return
        size, index = len(self.cycle), self.cycle.index(packet.type)
        if self._position < 0:
            if index:
                return  # joined in the middle of a set: the first whole one is number 0
            missing = 0
        else:
            missing = (index - self._position - 1) % size
            # Damage long enough to have been whole sets was whole sets.
            extra = (packet.skipped / SIZE - missing) // size
            missing += size * max(0, int(extra))
        before, position = self._position, self._position + 1 + missing
        passed = position // size - before // size  # sets begun since the last packet
        dirty = packet.skipped > 0
        if passed and before >= 0:
            open_set = before % size != size - 1
            self._lose("checksum" if self._dirty or dirty else "device_gap", passed - 1 + open_set)
        if passed:
            self._set, self._whole, self._dirty = {}, index == 0, dirty and index != 0
        elif missing or dirty:  # damage within a set: its other half may be the next one's
            self._whole, self._dirty = False, self._dirty or dirty
        self._position = position
        self._set[packet.type] = packet.payload
        if index == size - 1:
            if self._whole:
                self._emit(self._decode(), packet.time_host, self._device_time(), position // size)
            else:
                self._lose("checksum" if self._dirty else "device_gap", 1)

    def _decode(self) -> tuple[float, ...]:
        force = STANDARD_GRAVITY * self.range_g
        rate = math.radians(1.0) * self.range_dps
        values = [count / FULL_SCALE * force for count in _counts(self._set[ACCELERATION])[:3]]
        values += [count / FULL_SCALE * rate for count in _counts(self._set[ANGULAR_RATE])[:3]]
        if MAGNETIC in self._set:
            values += [count * self.magnetic_ut for count in _counts(self._set[MAGNETIC])[:3]]
        if QUATERNION in self._set:
            w, x, y, z = (count / FULL_SCALE for count in _counts(self._set[QUATERNION]))
            values += [x, y, z, w]
        elif ANGLE in self._set:
            turns = (count / FULL_SCALE * math.pi for count in _counts(self._set[ANGLE])[:3])
            values += from_euler(*turns)
        return tuple(values)

    def _device_time(self) -> int | None:
        payload = self._set.get(TIME)
        if payload is None:
            return None
        year, month, day, hour, minute, second, milli = struct.unpack("<6BH", payload)
        if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
            return None
        seconds = calendar.timegm((2000 + year, month, day, hour, minute, second))
        return seconds * 1_000_000_000 + milli * 1_000_000


def packet(kind: int, counts: tuple[int, int, int, int]) -> bytes:
    """Return the packet of four int16 counts: the inverse of the parser, for simulated sensors."""
    body = struct.pack("<BB4h", HEADER, kind, *counts)
    return body + bytes([sum(body) & 0xFF])


def _counts(payload: bytes) -> tuple[int, int, int, int]:
    return struct.unpack("<4h", payload)
