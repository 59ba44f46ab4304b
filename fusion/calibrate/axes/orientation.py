"""Whether a device's own orientation says what its accelerometer and gyroscope do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fusion.calibrate.axes.script import SCRIPT, Played
from fusion.calibrate.axes.verdict import Mistake
from fusion.calibrate.trace import ImuTrace

Array = NDArray[np.float64]

FIT_DEG = 25.0
"""An orientation that is off by more on average is another one."""


def _wxyz(values: Array) -> Array:
    return values[:, [1, 2, 3, 0]]


def _conjugate(values: Array) -> Array:
    return values * [-1, -1, -1, 1]


_READINGS: tuple[tuple[str, str, Callable[[Array], Array]], ...] = (
    ("", "", lambda values: values),
    ("quaternion_order", "quaternion order is w, x, y, z, not x, y, z, w", _wxyz),
    ("quaternion_conjugated", "quaternion is conjugated: world -> sensor", _conjugate),
    (
        "quaternion_order",
        "quaternion order is w, x, y, z, and it is conjugated: world -> sensor",
        lambda values: _conjugate(_wxyz(values)),
    ),
)


def check_orientation(trace: ImuTrace, seen: Played, *, removed: bool) -> list[Mistake]:
    """Return what is wrong with the device's quaternions, compared at rests and over turns."""
    if trace.quaternion is None or len(seen.rests) < 2:
        return []
    middle = (seen.rests[:, 0] + seen.rests[:, 1]) // 2
    values = trace.quaternion[middle]
    norm = np.linalg.norm(values, axis=1)
    if not (np.abs(norm - 1) < 0.1).all():
        return [Mistake("quaternion_other", f"the quaternion is none: its norm is {np.median(norm):.3g}")]
    up = seen.force
    if removed:
        if len(seen.force) != len(SCRIPT.up):
            return []
        up = SCRIPT.up
    up = up / np.linalg.norm(up, axis=1, keepdims=True)
    size = np.linalg.norm(seen.turns, axis=1, keepdims=True)
    turns = seen.turns / size * np.pi / 2
    fits = []
    for _, _, read in _READINGS:
        rotation = Rotation.from_quat(read(values))
        world = rotation.apply(up)
        mean = world.mean(axis=0)
        steady = np.degrees(np.arccos(np.clip(world @ mean / max(1e-9, np.linalg.norm(mean)), -1, 1)))
        turned = (rotation[:-1].inv() * rotation[1:]).as_rotvec()
        apart = np.degrees(np.linalg.norm(turned - turns, axis=1)) / 2
        fits.append((float(np.sqrt(np.mean(steady**2))) + float(np.sqrt(np.mean(apart**2))), mean))
    best = int(np.argmin([fit + 2.0 * (index > 0) for index, (fit, _) in enumerate(fits)]))
    fit, mean = fits[best]
    if fit > 2 * FIT_DEG:
        return [Mistake("quaternion_other", "the quaternion does not turn with the sensor")]
    code, words, _ = _READINGS[best]
    out = [Mistake(code, words)] if code else []
    tilt = np.degrees(np.arccos(np.clip(mean[2] / np.linalg.norm(mean), -1, 1)))
    if tilt > 150:
        out.append(Mistake("quaternion_down", "the orientation's world has z down, not up"))
    elif tilt > 45:
        out.append(Mistake("quaternion_other", "the orientation's world has another axis than z up"))
    return out
