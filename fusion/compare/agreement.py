"""How far two runs agree: whom both found, and how far their joints are apart, over the person's size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from fusion.pose.frame import Seen
from fusion.skeletons import COCO17

NEAR = 0.25
"""Median distance of the joints, over the person's size, up to which two are the same person."""


class Agreement:
    """Two runs on the same pictures, in COCO's 17 joints.

    Args:
        one, other: joints of each.

    Attributes:
        both, only_one, only_other: people that both, or one of them, found.
    """

    def __init__(self, one: tuple[str, ...], other: tuple[str, ...]) -> None:
        self._skeletons = one, other
        self._apart: list[np.ndarray] = []
        self.both = self.only_one = self.only_other = 0

    def take(self, one: Sequence[Seen], other: Sequence[Seen]) -> None:
        """Add a picture."""
        first, second = (
            np.array([each.carried(skeleton, COCO17).keypoints for each in people]).reshape(
                len(people), 17, 2
            )
            for people, skeleton in zip((one, other), self._skeletons, strict=True)
        )
        size = np.array([max(*each.box[2:], 1.0) for each in one]).reshape(-1, 1, 1)
        apart = np.linalg.norm(first[:, None] - second[None], axis=3) / size
        known = np.isfinite(apart).any(2)
        middle = np.full(known.shape, 1e9)
        middle[known] = np.nanmedian(apart[known], axis=1)
        matched = 0
        for a, b in zip(*linear_sum_assignment(middle), strict=True) if middle.size else ():
            if middle[a, b] <= NEAR:
                matched += 1
                self._apart.append(apart[a, b])
        self.both += matched
        self.only_one += len(one) - matched
        self.only_other += len(other) - matched

    def joints(self) -> dict[str, float]:
        """Return the median distance of each joint that both have, over the person's size."""
        if not self._apart:
            return {}
        rows = np.stack(self._apart)
        return {
            name: float(np.nanmedian(rows[:, j]))
            for j, name in enumerate(COCO17)
            if np.isfinite(rows[:, j]).any()
        }

    @property
    def median(self) -> float:
        """Median over all joints of all people; NaN where nobody was found by both."""
        rows = np.concatenate(self._apart) if self._apart else np.array([np.nan])
        return float(np.nanmedian(rows)) if np.isfinite(rows).any() else float("nan")
