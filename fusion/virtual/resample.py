"""Motion at other instants: smooth, so that what inertial sensors would feel of it is no stair.

Cubic splines have continuous accelerations; turning at piecewise constant rates between rows, as spherical
linear interpolation does, would shake every virtual sensor at the file's frame rate. Quaternions are splined
by component on one side of the sphere and brought back to unit length, which is fine for rows a few degrees
apart.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from fusion.virtual.bvh import Array


def at_times(times: Array, values: Array, wanted: Array) -> Array:
    """Return values (W, ...) at the times ``wanted`` (W,) s of values (T, ...) at rising times (T,) s."""
    if len(times) == 1:
        return np.repeat(values, len(wanted), axis=0)
    if len(times) < 4:
        flat = values.reshape(len(times), -1)
        return np.stack([np.interp(wanted, times, c) for c in flat.T], axis=-1).reshape(-1, *values.shape[1:])
    return CubicSpline(times, values, axis=0)(wanted)


def turns_at_times(times: Array, xyzw: Array, wanted: Array) -> Array:
    """Return unit quaternions (W, J, 4) at the times ``wanted`` (W,) s of quaternions (T, J, 4)."""
    one_side = continuous(xyzw)
    out = at_times(times, one_side, wanted)
    return out / np.linalg.norm(out, axis=-1, keepdims=True)


def continuous(xyzw: Array) -> Array:
    """Return quaternions (T, ..., 4) with signs such that each is nearest to the one before."""
    flips = np.sum(xyzw[1:] * xyzw[:-1], axis=-1) < 0
    sign = np.where(np.logical_xor.accumulate(flips, axis=0), -1.0, 1.0)
    return np.concatenate([xyzw[:1], xyzw[1:] * sign[..., None]])


def matrices(xyzw: Array) -> Array:
    """Return rotations (..., 3, 3) of quaternions (..., 4)."""
    return Rotation.from_quat(xyzw.reshape(-1, 4)).as_matrix().reshape(*xyzw.shape[:-1], 3, 3)


def quaternions(rotations: Array) -> Array:
    """Return quaternions (..., 4), xyzw, of rotations (..., 3, 3)."""
    return Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_quat().reshape(*rotations.shape[:-2], 4)


def even_times(seconds: float, rate_hz: float) -> Array:
    """Return instants ``1 / rate_hz`` apart from 0 to ``seconds``, s."""
    return np.arange(int(np.floor(seconds * rate_hz + 1e-6)) + 1) / rate_hz
