"""The UART-RVC protocol of the BNO08x (CEVA, Bosch): 19 bytes, 100 times a second, at 115200 baud.

::

    AA AA  index  yaw  pitch  roll  ax  ay  az  3 reserved  sum        little endian

Angles are int16 in 0.01 deg, turned about z, then y', then x''; accelerations int16 in mg, gravity in;
``sum`` is the low byte of the sum of all between header and sum. ``index`` counts reports and comes
round at 256. The sensor tells **no angular rate** in this mode: rows hold specific force and orientation
(sensor to world, z up, heading from where it was switched on), and nothing is made up for the rest.

Source: Hillcrest Laboratories, "BNO080 Datasheet" 1000-3927, section 1.3.5.2.
"""

from __future__ import annotations

import math
import struct

from drivers.imu.parser import INERTIAL_CHANNELS, ORIENTATION_CHANNELS, STANDARD_GRAVITY, Parser
from drivers.imu.rotation import from_euler

HEADER = b"\xaa\xaa"
SIZE = 19
PERIOD_NS = 10_000_000
"""The mode knows one rate: 100 Hz."""
ANGLE = math.radians(0.01)
FORCE = STANDARD_GRAVITY / 1000
_BODY = struct.Struct("<2xB6h4x")
_TURN = 256


class Bno08xParser(Parser):
    """Bytes of a BNO08x in UART-RVC mode to rows."""

    channels = INERTIAL_CHANNELS[:3] + ORIENTATION_CHANNELS
    rate_hz = 1e9 / PERIOD_NS

    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray()
        self._skipped = 0  # bytes refused since the last packet
        self._index: int | None = None
        self._arrival = 0
        self._seq = 0

    @property
    def counter(self) -> tuple[int, int] | None:
        """The index of the newest report; see :class:`Parser`."""
        return None if self._index is None else (self._index, _TURN)

    def feed(self, data: bytes, time_host: int) -> None:
        """Parse one chunk; see :class:`Parser`."""
        buffer, at = self._buffer, 0
        buffer += data
        while len(buffer) - at >= SIZE:
            if buffer[at : at + 2] != HEADER:
                start = buffer.find(HEADER, at + 1)
                at += self._refuse((start if start >= 0 else len(buffer) - 1) - at)
                continue
            end = at + SIZE
            if sum(buffer[at + 2 : end - 1]) & 0xFF != buffer[end - 1]:
                at += self._refuse(1)
                continue
            # After damage, or where another header stands inside, the next packet must follow.
            if self._skipped or HEADER in buffer[at + 2 : end - 1]:
                if len(buffer) - end < 2:
                    break
                if buffer[end : end + 2] != HEADER:
                    at += self._refuse(1)
                    continue
            self._row(buffer[at:end], time_host, (len(buffer) - end) // SIZE)
            at = end
        del buffer[:at]

    def _refuse(self, size: int) -> int:
        if not self._skipped:
            self.damaged += 1
        self._skipped += size
        return size

    def _row(self, packet: bytearray, time_host: int, behind: int) -> None:
        index, yaw, pitch, roll, ax, ay, az = _BODY.unpack(packet)
        if self._index is not None:
            missing = self._step(index, time_host, behind) - 1
            damaged = min(missing, -(-self._skipped // SIZE))
            self._lose("checksum", damaged)
            self._lose("device_gap", missing - damaged)
            self._seq += missing + 1
        self._index, self._arrival, self._skipped = index, time_host, 0
        turned = from_euler(roll * ANGLE, pitch * ANGLE, yaw * ANGLE)
        self._emit((ax * FORCE, ay * FORCE, az * FORCE, *turned), time_host, None, self._seq)

    def _step(self, index: int, time_host: int, behind: int) -> int:
        """Return how many reports on this one is: the index tells it, arrival only whole turns of it.

        ``behind``: reports that arrived with it and are later; a late reader finds many at once.
        """
        assert self._index is not None
        step = (index - self._index) % _TURN
        passed = (time_host - self._arrival) / PERIOD_NS - behind
        turns = max(0, round((passed - step) / _TURN))
        return max(1, step + turns * _TURN)


def packet(index: int, angles: tuple[int, int, int], force: tuple[int, int, int]) -> bytes:
    """Return one report, for simulated sensors.

    Args:
        index: of the report, 0 to 255.
        angles: yaw, pitch, roll in 0.01 deg.
        force: x, y, z in mg.
    """
    body = struct.pack("<B6h3x", index, *angles, *force)
    return HEADER + body + bytes([sum(body) & 0xFF])
