"""Rotation matrices, vectorised over time.

In numpy alone: to load scipy's rotations takes a virtual device longer than all else it loads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rpy(roll: Array, pitch: Array, yaw: Array) -> Array:
    """Return (T, 3, 3) = Rz(yaw) Ry(pitch) Rx(roll) of angles (T,) in rad."""
    cr, sr, cp, sp = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch)
    cy, sy = np.cos(yaw), np.sin(yaw)
    out = np.empty((*np.shape(cr), 3, 3))
    out[..., 0, 0], out[..., 0, 1], out[..., 0, 2] = cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr
    out[..., 1, 0], out[..., 1, 1], out[..., 1, 2] = sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr
    out[..., 2, 0], out[..., 2, 1], out[..., 2, 2] = -sp, cp * sr, cp * cr
    return out


def matmul(a: Array, b: Array) -> Array:
    """Return the products (..., 3, 3) of two stacks of matrices."""
    return a @ b


def matvec(a: Array, v: Array) -> Array:
    """Return the vectors (..., 3) = a v."""
    return np.einsum("...ij,...j->...i", a, v)


def rotation_vector(rotation: Array) -> Array:
    """Return the rotation vectors (..., 3) in rad of small rotations (..., 3, 3), below 90 degrees."""
    skew = np.stack(
        [
            rotation[..., 2, 1] - rotation[..., 1, 2],
            rotation[..., 0, 2] - rotation[..., 2, 0],
            rotation[..., 1, 0] - rotation[..., 0, 1],
        ],
        axis=-1,
    )  # 2 sin(angle) * axis
    sine = 0.5 * np.sqrt(np.sum(skew**2, axis=-1))
    small = sine < 1e-4
    scale = np.where(small, 1.0 + sine**2 / 6.0, np.arcsin(np.clip(sine, 0, 1)) / np.where(small, 1.0, sine))
    return 0.5 * scale[..., None] * skew


def quaternion(rotation: Array) -> Array:
    """Return unit quaternions (..., 4), xyzw with w >= 0, of rotations (..., 3, 3)."""
    # Products of each component with all four; the row of the largest one is divided by no small number
    # (Shepperd, J. Guidance and Control 1, 1978).
    m, one = np.moveaxis(rotation, (-2, -1), (0, 1)), np.ones(rotation.shape[:-2])
    x, y, z = m[0, 0], m[1, 1], m[2, 2]
    xy, yz, xz = m[0, 1] + m[1, 0], m[1, 2] + m[2, 1], m[0, 2] + m[2, 0]
    xw, yw, zw = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    products = np.array(
        [
            [one + x - y - z, xy, xz, xw],
            [xy, one - x + y - z, yz, yw],
            [xz, yz, one - x - y + z, zw],
            [xw, yw, zw, one + x + y + z],
        ]
    )
    largest = np.einsum("ii...->i...", products).argmax(axis=0)
    out = np.take_along_axis(products, largest[None, None], axis=0)[0]
    out *= np.where(out[3] < 0, -1.0, 1.0) / np.sqrt(np.sum(out**2, axis=0))
    return np.moveaxis(out, 0, -1)


def from_rotation_vector(vectors: Array) -> Array:
    """Return the rotations (..., 3, 3) of rotation vectors (..., 3) in rad."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    none = np.zeros_like(x)
    cross = np.moveaxis(np.array([[none, -z, y], [z, none, -x], [-y, x, none]]), (0, 1), (-2, -1))
    angle = np.sqrt(np.sum(vectors**2, axis=-1))[..., None, None]
    # Rodrigues; np.sinc(t) is sin(pi t) / (pi t), which has a value where the angle is 0.
    sine, versine = np.sinc(angle / np.pi), 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.eye(3) + sine * cross + versine * (cross @ cross)
