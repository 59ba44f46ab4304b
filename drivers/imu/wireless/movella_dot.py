"""The Movella DOT (Xsens DOT) over Bluetooth LE.

::

    wrist: {driver: imu.movella_dot, address: "D4:22:CD:00:12:34", worn_on: right_forearm}

The sensor is set to ``rate_hz``, told to measure in a payload mode, and stopped when the session ends. Its
packets carry no counter; what the radio lost shows in their stamps, of 1 us, on the grid of sampling.

======================  ====  =======================================================================
mode                    code  a row
======================  ====  =======================================================================
custom_mode_5           26    specific force, angular rate and orientation as the sensor sends them
rate_quantities         21    specific force and angular rate as the sensor sends them
delta_quantities        19    dv / dt and the rotation vector of dq / dt: means over the interval
custom_mode_1           22    Euler angles to an orientation; specific force from free acceleration
complete_quaternion     3     specific force from free acceleration; no gyroscope is sent
======================  ====  =======================================================================

*Acceleration* of the sensor is in its own axes with gravity in it, which is specific force. *Free
acceleration* is in the local earth frame (x east, y north, z up) with gravity deducted. With the orientation
q, sensor to earth,

    specific_force = q^-1 (free_acceleration + (0, 0, g)) q,    g = 9.80665 m/s^2,

which is exact but for the local g (0.03 m/s^2 on earth's surface), and for what the sensor's own filter did.

Not offered: modes without acceleration (orientation alone, custom mode 3), free acceleration without an
orientation, the high-fidelity modes, which only the maker's SDK decodes, and the magnetic field, which is in
arbitrary units, not in uT.

Source: Movella, "Movella DOT BLE Service Specification", XD0506P, revision C, 2023; "User Manual", XD0502P.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from typing import Any, Literal

from drivers.imu.parser import INERTIAL_CHANNELS, ORIENTATION_CHANNELS, STANDARD_GRAVITY
from drivers.imu.wireless.ble import BleDriver, Protocol, check_target
from drivers.imu.wireless.ble_link import Target, Write
from drivers.imu.wireless.packet import Layout
from drivers.imu.wireless.packets import PacketParser, Values

UUID = "1517{}-4947-11e9-8646-d663bd873d93"
DEVICE_CONTROL, CONTROL = UUID.format("1002"), UUID.format("2001")
LONG, MEDIUM = UUID.format("2002"), UUID.format("2003")
"""Characteristics for payloads of more than 40 bytes, and of 21 to 40."""
MEASUREMENT, STOP, START = 1, 0, 1
OUTPUT_RATE = 1 << 4
"""Bit of the device control's first byte: the output rate is meant, and nothing else."""

Mode = Literal["custom_mode_5", "rate_quantities", "delta_quantities", "custom_mode_1", "complete_quaternion"]

_TIME = [{"name": "t", "type": "u32", "unit": "us"}]


def _floats(*names: str, unit: str = "") -> dict[str, Any]:
    return {"name": list(names), "type": "f32", "unit": unit}


_FORCE, _RATE = _floats("ax", "ay", "az", unit="m/s^2"), _floats("gx", "gy", "gz", unit="deg/s")
_TURN, _FREE = _floats("qw", "qx", "qy", "qz"), _floats("free_x", "free_y", "free_z")


@dataclasses.dataclass(frozen=True)
class _Payload:
    code: int
    characteristic: str
    sample: tuple[dict[str, Any], ...]
    extra: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


_PAYLOADS: dict[str, _Payload] = {
    "custom_mode_5": _Payload(26, LONG, (_TURN, _FORCE, _RATE)),
    "rate_quantities": _Payload(21, MEDIUM, (_FORCE, _RATE)),
    "delta_quantities": _Payload(
        19,
        MEDIUM,
        (_floats("dqw", "dqx", "dqy", "dqz"), _floats("dvx", "dvy", "dvz")),
        ("dqw", "dqx", "dqy", "dqz", "dvx", "dvy", "dvz"),
        INERTIAL_CHANNELS,
    ),
    "custom_mode_1": _Payload(
        22,
        MEDIUM,
        (_floats("roll", "pitch", "yaw"), _FREE, _RATE),
        ("roll", "pitch", "yaw", "free_x", "free_y", "free_z"),
        INERTIAL_CHANNELS + ORIENTATION_CHANNELS,
    ),
    "complete_quaternion": _Payload(
        3,
        MEDIUM,
        (_TURN, _FREE),
        ("free_x", "free_y", "free_z"),
        (*INERTIAL_CHANNELS[:3], *ORIENTATION_CHANNELS),
    ),
}


@dataclasses.dataclass(frozen=True)
class MovellaDotConfig:
    """Options of ``imu.movella_dot``.

    Attributes:
        address: of the sensor, D4:22:CD:...; on macOS the UUID that the system gives it.
        name: that it advertises, where there is no address and only one is near: "Movella DOT", "Xsens DOT".
        mode: what it sends.
        rate_hz: samples per second.
        patience_s: how long nothing may come before the sensor counts as failed.
        connect_s: how long to look for the sensor and to connect.
    """

    address: str = ""
    name: str = ""
    mode: Mode = "custom_mode_5"
    rate_hz: Literal[1, 4, 10, 12, 15, 20, 30, 60] = 60
    patience_s: float = 5.0
    connect_s: float = 20.0

    def __post_init__(self) -> None:
        check_target(self.address, self.name, self.patience_s, self.connect_s)


class MovellaDotDriver(BleDriver[MovellaDotConfig]):
    """Samples of a Movella DOT: float32 rows, channels by ``mode``; orientation is sensor to ENU."""

    Config = MovellaDotConfig

    @property
    def patience_s(self) -> float:
        """See :class:`drivers.imu.wireless.ble.BleDriver`."""
        return self.config.patience_s

    def protocol(self) -> Protocol:
        """See :class:`drivers.imu.wireless.ble.BleDriver`."""
        config, payload = self.config, _PAYLOADS[self.config.mode]
        target = Target(
            config.address,
            config.name,
            payload.characteristic,
            start=(
                Write(DEVICE_CONTROL, output_rate(config.rate_hz)),
                Write(CONTROL, bytes([MEASUREMENT, START, payload.code])),
            ),
            stop=(Write(CONTROL, bytes([MEASUREMENT, STOP, payload.code])),),
            connect_s=config.connect_s,
        )
        return Protocol(
            target,
            dot_parser(config.mode, config.rate_hz),
            config.rate_hz,
            f"Movella DOT {target}",
            {"mode": config.mode},
        )


def output_rate(rate_hz: int) -> bytes:
    """Return what sets the output rate: 32 bytes, of which all but the rate are marked as not meant."""
    return struct.pack("<B23xHB5x", OUTPUT_RATE, rate_hz, 0)


def dot_parser(mode: Mode, rate_hz: float) -> PacketParser:
    """Return a fresh parser of a payload mode."""
    payload = _PAYLOADS[mode]
    layout = Layout({"header": _TIME, "sample": list(payload.sample)}, payload.extra)
    convert = {
        "delta_quantities": lambda values: from_deltas(values, 1 / rate_hz),
        "custom_mode_1": from_euler,
        "complete_quaternion": lambda values: from_free(values[:4], values[4:]),
    }.get(mode)
    return PacketParser(layout, rate_hz, payload.channels, convert)


def from_deltas(values: Values, interval_s: float) -> Values:
    """Turn dq (w, x, y, z) and dv (m/s) of one interval into specific force and angular rate, its means."""
    w, x, y, z, *dv = values
    length = math.sqrt(x * x + y * y + z * z)
    angle = 2 * math.atan2(length, abs(w)) * math.copysign(1.0, w)
    turn = angle / length / interval_s if length > 1e-12 else 2.0 / interval_s
    return (dv[0] / interval_s, dv[1] / interval_s, dv[2] / interval_s, turn * x, turn * y, turn * z)


def from_euler(values: Values) -> Values:
    """Turn roll, pitch, yaw (deg, z-y'-x''), free acceleration and angular rate (rad/s) into a row."""
    roll, pitch, yaw = (math.radians(angle) / 2 for angle in values[:3])
    cr, sr, cp, sp = math.cos(roll), math.sin(roll), math.cos(pitch), math.sin(pitch)
    cy, sy = math.cos(yaw), math.sin(yaw)
    turn = (
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    )
    force_and_turn = from_free(turn, values[3:6])
    return (*force_and_turn[:3], *values[6:9], *force_and_turn[3:])


def from_free(turn: Values, free: Values) -> Values:
    """Return specific force in sensor axes and the orientation (x, y, z, w).

    Args:
        turn: w, x, y, z, sensor to earth (ENU).
        free: acceleration in the earth frame, gravity deducted, m/s^2.
    """
    w, x, y, z = turn
    length = math.sqrt(w * w + x * x + y * y + z * z) or 1.0
    w, x, y, z = w / length, x / length, y / length, z / length
    e, n, u = free[0], free[1], free[2] + STANDARD_GRAVITY
    # Rows of the rotation matrix's transpose: earth to sensor.
    return (
        (1 - 2 * (y * y + z * z)) * e + 2 * (x * y + w * z) * n + 2 * (x * z - w * y) * u,
        2 * (x * y - w * z) * e + (1 - 2 * (x * x + z * z)) * n + 2 * (y * z + w * x) * u,
        2 * (x * z + w * y) * e + 2 * (y * z - w * x) * n + (1 - 2 * (x * x + y * y)) * u,
        *(x, y, z, w),
    )
