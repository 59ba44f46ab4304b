"""Frames of segments as the ISB defines them: x forward, y up, z to the right of an upright body.

Segments of this project (:mod:`fusion.virtual.kinematics`) have x forward, y left, z up; the same frame with
its axes renamed is the ISB's (Wu et al., J. Biomechanics 35, 2002, and 38, 2005). From joints alone, only
those axes are known that a line between joints shows, see :func:`trunk` and :func:`pelvis`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.segments import JOINT, SEGMENT

Array = NDArray[np.float64]

_ISB = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Columns: the ISB's x, y, z in the axes of a segment."""


def segment(rotations: NDArray[np.floating[Any]], name: str) -> Array:
    """Return (..., 3, 3), the ISB frame of a segment, of rotations (..., 15, 3, 3) to any axes."""
    return np.asarray(rotations[..., SEGMENT[name], :, :], np.float64) @ _ISB


def joint(joints: NDArray[np.floating[Any]], name: str) -> Array:
    """Return (..., 3), a joint of BODY20."""
    return np.asarray(joints[..., JOINT[name], :], np.float64)


def unit(vectors: Array) -> Array:
    """Return (..., 3) at length 1; NaN where there is no direction."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.full_like(vectors, np.nan), where=length > 1e-9)


def across(vectors: Array, axis: Array) -> Array:
    """Return (..., 3), what of the vectors is perpendicular to a unit axis."""
    return vectors - np.sum(vectors * axis, axis=-1, keepdims=True) * axis


def _frame(y: Array, z: Array) -> Array:
    return np.stack([np.cross(y, z), y, z], axis=-1)


def trunk(joints: NDArray[np.floating[Any]]) -> Array:
    """Return (..., 3, 3): y from pelvis to neck, z to the right shoulder as far as it is perpendicular.

    It stands for the thorax where no rotation is known: how far the trunk bends forward between pelvis and
    chest is not in it.
    """
    y = unit(joint(joints, "neck") - joint(joints, "pelvis"))
    z = unit(across(joint(joints, "right_shoulder") - joint(joints, "left_shoulder"), y))
    return _frame(y, z)


def pelvis(joints: NDArray[np.floating[Any]]) -> Array:
    """Return (..., 3, 3): z from the left hip to the right, y as near to the trunk's line as that allows.

    The tilt of the pelvis about the line of the hips cannot be seen from joints: it is taken as the trunk's.
    """
    z = unit(joint(joints, "right_hip") - joint(joints, "left_hip"))
    y = unit(across(joint(joints, "neck") - joint(joints, "pelvis"), z))
    return _frame(y, z)


def turned_back(frame: Array, vectors: Array) -> Array:
    """Return vectors (..., 3) in the axes of frames (..., 3, 3)."""
    return np.einsum("...ji,...j->...i", frame, vectors)
