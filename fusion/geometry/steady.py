"""How steady bones are: a body's do not change their length, and so they tell how good its 3D is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LIMBS: tuple[tuple[str, str, str], ...] = tuple(
    (f"{side} {bone}", f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for bone, a, b in (
        ("upper arm", "shoulder", "elbow"),
        ("forearm", "elbow", "wrist"),
        ("thigh", "hip", "knee"),
        ("shin", "knee", "ankle"),
    )
)
"""Bones of the limbs: name, and the joints at their ends."""


@dataclasses.dataclass(frozen=True)
class Bone:
    """One bone over time.

    Attributes:
        name: of the bone.
        lengths: (T,) m, NaN where unknown.
    """

    name: str
    lengths: NDArray[np.float64]

    @property
    def length(self) -> float:
        """Median, m."""
        return float(np.nanmedian(self.lengths)) if np.isfinite(self.lengths).any() else float("nan")

    @property
    def known(self) -> float:
        """Fraction of moments at which it is known."""
        return float(np.isfinite(self.lengths).mean())

    @property
    def variation(self) -> float:
        """Robust coefficient of variation, %: 1.4826 times the median absolute deviation, over the median."""
        if not np.isfinite(self.lengths).any():
            return float("nan")
        return float(148.26 * np.nanmedian(np.abs(self.lengths - self.length)) / self.length)

    @property
    def plain_variation(self) -> float:
        """Standard deviation over mean, %; outliers count in full."""
        if not np.isfinite(self.lengths).any():
            return float("nan")
        return float(100 * np.nanstd(self.lengths) / np.nanmean(self.lengths))


def limb_bones(skeleton: Sequence[str], places: NDArray[np.float64]) -> list[Bone]:
    """Return the bones of arms and legs.

    Args:
        skeleton: (J) joint names.
        places: (T, J, 3) m.
    """
    index = {name: i for i, name in enumerate(skeleton)}
    return [
        Bone(name, np.linalg.norm(places[:, index[a]] - places[:, index[b]], axis=-1))
        for name, a, b in LIMBS
        if a in index and b in index
    ]
