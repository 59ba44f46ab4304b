"""How sure a calibrated lens is: the covariance of its numbers.

From the same normal equations that found it, with the poses of the boards eliminated (Schur's complement;
Triggs and others, 1999, section 6), scaled by what was left over in the pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.camera.model import CameraModel, Pose
from fusion.geometry.bundle import cross
from fusion.geometry.lens import slopes

Floats = NDArray[np.float64]


def lens_covariance(
    model: CameraModel,
    places: Sequence[Floats],
    poses: Sequence[Pose],
    off: Sequence[Floats],
    fixed: Sequence[int] = (),
) -> Floats:
    """Return the covariance (4 + D, 4 + D) of [fx, fy, cx, cy, *distortion].

    Args:
        model: the lens found.
        places: (n, 3) m of each view's corners on the board.
        poses: of the board in each view, board to camera.
        off: (n, 2) px, what is left over of each view.
        fixed: coefficients of distortion that were not looked for; their variance is 0.
    """
    count = 4 + len(model.distortion)
    normal, squares, spare = np.zeros((count, count)), 0.0, -count + len(fixed)
    for place, pose, left in zip(places, poses, off, strict=True):
        lever = place @ pose.rotation.T
        _, by_place, by_lens = slopes(model, lever + pose.translation)
        by_pose = np.concatenate([-by_place @ cross(lever), by_place], axis=2).reshape(-1, 6)
        by_lens = by_lens.reshape(-1, count)
        rest = by_lens - by_pose @ np.linalg.lstsq(by_pose, by_lens, rcond=None)[0]
        normal += rest.T @ rest
        squares += float((left**2).sum())
        spare += left.size - 6
    looked = np.array([i for i in range(count) if i - 4 not in fixed])
    inner = normal[np.ix_(looked, looked)]
    scale = 1 / np.sqrt(np.diag(inner))  # focal lengths and coefficients differ by orders of magnitude
    covariance = np.zeros((count, count))
    inverse = np.linalg.pinv(inner * np.outer(scale, scale), rcond=1e-14, hermitian=True)
    covariance[np.ix_(looked, looked)] = inverse * np.outer(scale, scale) * squares / max(spare, 1)
    return covariance
