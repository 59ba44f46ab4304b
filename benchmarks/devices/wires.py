"""Serial IMUs at the wire, for tests and benchmarks: the bytes of row k of a device, and the values in them.

Each :class:`Wire` repeats known random values after :data:`PERIOD` rows; counters and stamps go on for ever.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.imu.parser import Parser
from drivers.imu.serial import bno08x, witmotion, ximu3, xsens
from drivers.imu.serial.lines import LinesParser
from drivers.imu.serial.xdi import ACCELERATION, COUNTER, MAGNETIC, QUATERNION, RATE, SAMPLE_TIME, block

PERIOD = 4093
"""Rows after which the known values begin again; a prime."""
GRAVITY, DEGREE = 9.80665, math.radians(1.0)
LINE_COLUMNS = ("seq", "t", "ax", "ay", "az", "gx", "gy", "gz")
LINE_UNITS = ("1", "us", "g", "g", "g", "deg/s", "deg/s", "deg/s")


@dataclasses.dataclass(frozen=True)
class Wire:
    """A device of one protocol.

    Attributes:
        name: of the device.
        rate_hz: rows a second.
        rig: options of ``imu.serial`` but the port.
        parser: makes a fresh parser of what it sends.
        send: bytes of row k.
        rows: (PERIOD, C) float32 values of row k modulo PERIOD.
        held: columns that are sent less often.
    """

    name: str
    rate_hz: float
    rig: dict[str, Any]
    parser: Callable[[], Parser]
    send: Callable[[int], bytes]
    rows: NDArray[np.float32]
    held: tuple[int, ...] = ()

    def differing(self, values: NDArray[np.float32]) -> int:
        """Count the rows (N, C) that are not the known ones, in their order and without any missing.

        Orientations reckoned from angles may differ by the last bit of a float32.
        """
        first = np.flatnonzero(_same(self.rows, values[0]))
        if not len(first):
            return len(values)
        expected = self.rows[(int(first[0]) + np.arange(len(values))) % PERIOD]
        return int((~_same(values, expected)).sum())

    def false(self, values: NDArray[np.float32]) -> int:
        """Count the rows (N, C) that were never sent; a magnetic field that is held may be an older one."""
        keep = [number for number in range(values.shape[1]) if number not in self.held]
        known = {row.tobytes() for row in _rounded(self.rows[:, keep])}
        return sum(row.tobytes() not in known for row in _rounded(values[:, keep]))


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.round(values.astype(np.float64), 4).astype(np.float32) + 0.0


def _same(values: NDArray[np.float32], expected: NDArray[np.float32]) -> NDArray[np.bool_]:
    return (np.abs(values - expected) <= 2.0**-23 * np.maximum(1.0, np.abs(expected))).all(axis=-1)


def wires(seed: int = 0) -> list[Wire]:
    """Return a device of each protocol, at its full rate."""
    makers = (witmotion_wire, bno08x_wire, xsens_wire, ximu3_text_wire, ximu3_binary_wire, lines_wire)
    return [maker(seed + number) for number, maker in enumerate(makers)]


def _counts(seed: int, width: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(-32768, 32768, (PERIOD, width))


def _turns(seed: int) -> NDArray[np.float64]:
    """Return unit quaternions w, x, y, z (PERIOD, 4)."""
    raw = np.random.default_rng(seed).normal(size=(PERIOD, 4))
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def _float32(*columns: NDArray[Any]) -> NDArray[np.float32]:
    return np.concatenate(columns, axis=1).astype(np.float32)


def witmotion_wire(seed: int) -> Wire:
    """A WT901: acceleration, angular rate and quaternion at 200 Hz."""
    counts = _counts(seed, 10)
    sent = [
        witmotion.packet(0x51, (*row[:3], 2500))
        + witmotion.packet(0x52, (*row[3:6], 2500))
        + witmotion.packet(0x59, row[6:])
        for row in map(tuple, counts.tolist())
    ]
    scaled = counts / 32768.0
    rows = _float32(scaled[:, :3] * (16 * GRAVITY), scaled[:, 3:6] * (2000 * DEGREE), scaled[:, [7, 8, 9, 6]])
    rig = {"protocol": "witmotion"}
    return Wire("witmotion", 200.0, rig, witmotion.WitMotionParser, lambda k: sent[k % PERIOD], rows)


def bno08x_wire(seed: int) -> Wire:
    """A BNO08x in UART-RVC mode: 100 Hz, nothing else."""
    rng = np.random.default_rng(seed)
    angles = rng.integers((-18000, -9000, -18000), (18001, 9001, 18001), (PERIOD, 3))
    force = rng.integers(-8000, 8001, (PERIOD, 3))
    yaw, pitch, roll = np.radians(angles.T / 100.0) / 2
    about = np.zeros((3, PERIOD, 4))  # w, x, y, z
    for number, (angle, axis) in enumerate(((yaw, 3), (pitch, 2), (roll, 1))):
        about[number, :, 0], about[number, :, axis] = np.cos(angle), np.sin(angle)
    turned = _product(_product(about[0], about[1]), about[2])
    rows = _float32(force * (GRAVITY / 1000), turned[:, [1, 2, 3, 0]])

    def send(k: int) -> bytes:
        at = k % PERIOD
        return bno08x.packet(k % 256, tuple(angles[at].tolist()), tuple(force[at].tolist()))

    return Wire("bno08x", 100.0, {"protocol": "bno08x"}, bno08x.Bno08xParser, send, rows)


def _product(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    pw, px, py, pz = p.T
    qw, qx, qy, qz = q.T
    return np.stack(
        [
            pw * qw - px * qx - py * qy - pz * qz,
            pw * qx + px * qw + py * qz - pz * qy,
            pw * qy - px * qz + py * qw + pz * qx,
            pw * qz + px * qy - py * qx + pz * qw,
        ],
        axis=1,
    )


def xsens_wire(seed: int) -> Wire:
    """An MTi: all but the magnetic field (100 Hz) at 400 Hz."""
    counts = _counts(seed, 9)
    force, rate, field = counts[:, :3] / 200.0, counts[:, 3:6] / 1000.0, counts[:, 6:] / 2.0**15
    turned = _turns(seed)
    held = field[np.arange(PERIOD) // 4 * 4]
    rows = _float32(force, rate, held, turned[:, [1, 2, 3, 0]])

    def send(k: int) -> bytes:
        at = k % PERIOD
        blocks = [
            block(COUNTER, 0, k & 0xFFFF),
            block(SAMPLE_TIME, 0, 25 * k & 0xFFFFFFFF),
            block(QUATERNION, 0, *turned[at]),
            block(ACCELERATION, 0, *force[at]),
            block(RATE, 0, *rate[at]),
        ]
        if at % 4 == 0:
            blocks.append(block(MAGNETIC, 0, *field[at]))
        return xsens.message(*blocks)

    return Wire("xsens", 400.0, {"protocol": "xsens"}, xsens.XsensParser, send, rows, (6, 7, 8))


def _ximu3_wire(name: str, encode: Callable[..., bytes], seed: int) -> Wire:
    counts = _counts(seed, 9)
    decimals = np.round(counts / np.repeat((16.5, 2100.0, 1e5), 3), 4)
    turned = np.round(_turns(seed), 4)
    if encode is ximu3.binary:
        decimals, turned = decimals.astype(np.float32).astype(float), turned.astype(np.float32).astype(float)
    rate, force, field = decimals[:, :3], decimals[:, 3:6], decimals[:, 6:]
    held = field[np.arange(PERIOD) // 20 * 20]
    rows = _float32(force * GRAVITY, rate * DEGREE, held, turned[:, [1, 2, 3, 0]])

    def send(k: int) -> bytes:
        at, stamp = k % PERIOD, 1_000_000 + 2500 * k
        out = encode("M", stamp - 300, *field[at]) if at % 20 == 0 else b""
        out += encode("I", stamp, *rate[at], *force[at]) + encode("Q", stamp, *turned[at])
        if k % 400 == 399:
            out += encode("T", stamp + 500, 25.0)
        return out

    return Wire(name, 400.0, {"protocol": "ximu3"}, ximu3.XImu3Parser, send, rows, (6, 7, 8))


def ximu3_text_wire(seed: int) -> Wire:
    """An x-IMU3 that writes lines: inertial and quaternion at 400 Hz, magnetometer at 20 Hz."""
    return _ximu3_wire("ximu3_text", ximu3.text, seed)


def ximu3_binary_wire(seed: int) -> Wire:
    """The same in binary."""
    return _ximu3_wire("ximu3_binary", ximu3.binary, seed)


def lines_wire(seed: int) -> Wire:
    """A microcontroller that writes CSV with a counter and a clock at 200 Hz."""
    decimals = np.round(_counts(seed, 6) / np.repeat((4096.0, 16.4), 3), 5)
    rows = _float32(decimals[:, :3] * GRAVITY, decimals[:, 3:] * DEGREE)
    sent = [",".join(f"{number:.5f}" for number in row) for row in decimals]
    rig = {"protocol": "lines", "columns": list(LINE_COLUMNS), "units": list(LINE_UNITS)}

    def send(k: int) -> bytes:
        return f"{k},{5000 * k},{sent[k % PERIOD]}\r\n".encode()

    return Wire("lines", 200.0, rig, lambda: LinesParser(LINE_COLUMNS, LINE_UNITS), send, rows)
