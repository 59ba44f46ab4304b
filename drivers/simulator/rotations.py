"""Rotation matrices, vectorised over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

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
    flat = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_quat(canonical=True)
    return flat.reshape(*rotation.shape[:-2], 4)


def from_rotation_vector(vectors: Array) -> Array:
    """Return the rotations (..., 3, 3) of rotation vectors (..., 3) in rad."""
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape[:-1], 3, 3)
