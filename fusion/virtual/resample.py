"""Motion at other instants: smooth, so that what inertial sensors would feel of it is no stair.

Cubic splines have continuous accelerations; turning at piecewise constant rates between rows, as spherical
linear interpolation does, would shake every virtual sensor at the file's frame rate. Quaternions are splined
by component on one side of the sphere and brought back to unit length, which is fine for rows a few degrees
apart.

Optical motion capture trembles by about a millimetre, which twice differentiated is more than a walk's own
acceleration (CMU: 10 of 13.6 m/s² lie above 15 Hz). So it is low-passed before anything else, as biomechanics
does (D. A. Winter, "Biomechanics and Motor Control of Human Movement", ch. 3).
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from fusion.virtual.bvh import Array

CUT_OFF_HZ = 12.0
"""Of a Butterworth filter of fourth order without lag; walking has 99.7 % of its power below 6 Hz, kicks and
throws need twice that."""


def low_passed(values: Array, rate_hz: float) -> Array:
    """Return values (T, ...) without what is faster than :data:`CUT_OFF_HZ`; slow files stay as they are."""
    if rate_hz <= 2.2 * CUT_OFF_HZ or len(values) < 4:
        return values
    sections = butter(2, CUT_OFF_HZ, fs=rate_hz, output="sos")
    return sosfiltfilt(sections, values, axis=0, padlen=min(round(0.25 * rate_hz), len(values) - 2))


def turns_low_passed(xyzw: Array, rate_hz: float) -> Array:
    """Return unit quaternions (T, J, 4) of such (T, J, 4) without what is faster than :data:`CUT_OFF_HZ`."""
    out = low_passed(continuous(xyzw), rate_hz)
    return out / np.linalg.norm(out, axis=-1, keepdims=True)


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
