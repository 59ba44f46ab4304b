"""Object key point similarity, by which COCO compares key points.

M. R. Ronchi, P. Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation", ICCV 2017;
cocodataset.org/#keypoints-eval. A key point that is off by as much as people's own annotations differ counts
0.61; what that is grows with the person.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_PARTS = {
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062,
    "hip": 0.107, "knee": 0.087, "ankle": 0.089,
}  # fmt: skip
"""Standard deviation of annotations by COCO, in roots of the person's area; other joints have none."""


def sigmas(joints: Sequence[str]) -> NDArray[np.float64]:
    """Return (J,) COCO's sigma of each joint, NaN for those that COCO does not have."""
    parts = [name.removeprefix("left_").removeprefix("right_") for name in joints]
    return np.array([_PARTS.get(part, np.nan) for part in parts])


def likeness(
    squared: NDArray[np.floating], area: NDArray[np.floating], sigma: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return (..., J) how alike places of joints are, in [0, 1].

    Args:
        squared: (..., J) distances, px².
        area: (...) of the person in the picture, px².
        sigma: (J,) standard deviations of annotations, in roots of the area.
    """
    return np.exp(-squared / (2.0 * np.square(2.0 * sigma) * (area[..., None] + np.spacing(1.0))))


def oks(
    distance: NDArray[np.floating], known: NDArray, area: NDArray[np.floating], joints: Sequence[str]
) -> NDArray[np.float64]:
    """Return (N,) the similarity of each person, in [0, 1]; NaN where no joint counts.

    Args:
        distance: (N, J) of what was found from what is true, px.
        known: (N, J) whether the truth is known.
        area: (N,) of the person in the picture, px².
        joints: (J) names.
    """
    sigma = sigmas(joints)
    counts = (np.asarray(known) > 0) & np.isfinite(sigma)
    alike = likeness(np.square(distance), area, np.nan_to_num(sigma, nan=1.0))
    total = np.where(counts, alike, 0.0).sum(axis=1)
    number = counts.sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
