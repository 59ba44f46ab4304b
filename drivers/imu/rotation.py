"""Orientations as devices tell them, to one form: quaternions x, y, z, w, from sensor to world axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

Quaternion = tuple[float, float, float, float]
"""x, y, z, w."""

_HALF = math.sqrt(0.5)
NED_TO_ENU: Quaternion = (_HALF, _HALF, 0.0, 0.0)
"""Half a turn about north-east: north, east, down become y, x, -z."""
NWU_TO_ENU: Quaternion = (0.0, 0.0, _HALF, _HALF)
"""A quarter turn about the vertical."""


def from_euler(roll: float, pitch: float, yaw: float) -> Quaternion:
    """Angles, rad, turned about z (yaw), then y' (pitch), then x'' (roll)."""
    cr, sr = math.cos(roll / 2), math.sin(roll / 2)
    cp, sp = math.cos(pitch / 2), math.sin(pitch / 2)
    cy, sy = math.cos(yaw / 2), math.sin(yaw / 2)
    return (
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
        cr * cp * cy + sr * sp * sy,
    )


def from_matrix(rows: Sequence[float]) -> Quaternion:
    """Rotation matrix, nine numbers row by row; after Shepperd, J. Guidance and Control 1 (1978)."""
    a, b, c, d, e, f, g, h, i = rows
    squares = (1 + a - e - i, 1 - a + e - i, 1 - a - e + i, 1 + a + e + i)
    largest = max(range(4), key=squares.__getitem__)
    s = 2 * math.sqrt(max(squares[largest], 1e-12))
    return (
        (s / 4, (b + d) / s, (c + g) / s, (h - f) / s),
        ((b + d) / s, s / 4, (f + h) / s, (c - g) / s),
        ((c + g) / s, (f + h) / s, s / 4, (d - b) / s),
        ((h - f) / s, (c - g) / s, (d - b) / s, s / 4),
    )[largest]


def multiply(p: Quaternion, q: Quaternion) -> Quaternion:
    """Turn by ``q``, then by ``p``."""
    px, py, pz, pw = p
    qx, qy, qz, qw = q
    return (
        pw * qx + px * qw + py * qz - pz * qy,
        pw * qy - px * qz + py * qw + pz * qx,
        pw * qz + px * qy - py * qx + pz * qw,
        pw * qw - px * qx - py * qy - pz * qz,
    )
