"""Whether what one sees moves as what one feels, however much the eyes err: sequential detection.

Of several channels, each a pair felt and seen, either seen is felt and an error, or the two have nothing to
do with one another. Each sample tells by how much the first is likelier, with the error that samples of late
have under what fits better; while nothing is felt to move it tells nothing. Two sums of it (Page, "Continuous
inspection schemes", Biometrika 41, 1954) are never below 0, and forget, so that a change is noticed however
long it was otherwise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ALIKE_S = 0.4
"""Samples nearer to one another than this err alike, and count as one."""
MEMORY_S = 2.5
"""Time constant of the size of errors, and of forgetting."""
MOST = 12.0
"""Nats that a sum holds at most."""
_FLOOR = 0.05
"""Least standard deviation of an error, in the channels' unit: eyes are not better."""

Array = NDArray[np.float64]


class Likeness:
    """Takes samples of channels whose means are 0.

    Args:
        channels: how many.
    """

    def __init__(self, channels: int) -> None:
        self._known = np.zeros(channels)  # s
        self._sums = np.zeros((3, channels))

    def add(self, felt: Array, seen: Array, passed_s: float) -> float:
        """Return the nats by which a sample speaks for one movement.

        Args:
            felt, seen: (C,), NaN where unknown.
            passed_s: since the last sample.
        """
        keep = math.exp(-passed_s / MEMORY_S)
        known = np.isfinite(felt) & np.isfinite(seen)
        a, b = np.where(known, felt, 0.0), np.where(known, seen, 0.0)
        self._known = keep * self._known + passed_s * known
        self._sums = keep * self._sums + passed_s * np.stack([a * a, b * b, a * b])
        use = known & (self._known > ALIKE_S)
        if not use.any():
            return 0.0
        aa, bb, ab = (self._sums[:, use] / self._known[use]).mean(axis=1)
        error = max(min(float(bb), float(bb - 2.0 * ab + aa)), _FLOOR**2)
        return float(np.sum(2.0 * a[use] * b[use] - a[use] ** 2)) / (2.0 * error) * passed_s / ALIKE_S


class Verdict:
    """Two sums of what samples tell.

    Attributes:
        fits: nats since it last looked as if they did not belong together, up to :data:`MOST`.
        alien: the same the other way round.
    """

    def __init__(self) -> None:
        self.fits = self.alien = 0.0

    def add(self, told: float, passed_s: float) -> None:
        """Take what a sample tells, nats, ``passed_s`` after the last."""
        keep = math.exp(-passed_s / MEMORY_S)
        self.fits = min(max(keep * self.fits + told, 0.0), MOST)
        self.alien = min(max(keep * self.alien - told, 0.0), MOST)
