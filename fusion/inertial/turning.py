"""Angular rate from orientations that follow each other, for sensors that do not tell their gyroscope's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LONGEST_S = 0.5
"""Between two rows; over longer gaps nobody knows how it turned, and the rate is 0."""


class TurnRate:
    """Mean angular rate since the row before, causally; a BNO08x's steps of 0.01 deg make 1 deg/s of noise.

    Args:
        rate_hz: nominal rows per second, or 0 where irregular.
        regular: rows are numbered by a device of constant rate; otherwise their times count.
    """

    def __init__(self, rate_hz: float, *, regular: bool) -> None:
        self._period_s = 1.0 / rate_hz if regular and rate_hz > 0 else 0.0
        self._last: tuple[NDArray[np.float64], float] | None = None

    def __call__(
        self, xyzw: NDArray[np.float64], times: NDArray[np.int64], seq: NDArray[np.uint64]
    ) -> NDArray[np.float64]:
        """Return rates (R, 3), rad/s in sensor axes.

        Args:
            xyzw: (R, 4) orientation, sensor to world.
            times: (R,) session time, ns.
            seq: (R,) row numbers.
        """
        if not len(xyzw):
            return np.empty((0, 3))
        clock = seq.astype(np.float64) * self._period_s if self._period_s else times / 1e9
        before = self._last or (xyzw[0], float(clock[0]))
        self._last = xyzw[-1].copy(), float(clock[-1])
        turns = np.concatenate([before[0][None], xyzw])
        passed = np.diff(clock, prepend=before[1])
        # conj(p) q, the turn from p to q in the axes of p
        p, q = turns[:-1] * (-1, -1, -1, 1), turns[1:]
        pv, pw, qv, qw = p[:, :3], p[:, 3:], q[:, :3], q[:, 3:]
        vector = pw * qv + qw * pv + np.cross(pv, qv)
        scalar = pw[:, 0] * qw[:, 0] - np.einsum("ij,ij->i", pv, qv)
        sine = np.linalg.norm(vector, axis=1)
        angle = 2 * np.arctan2(sine, np.abs(scalar)) * np.where(scalar < 0, -1.0, 1.0)
        good = (passed > 0) & (passed <= LONGEST_S) & (sine > 0) & np.isfinite(angle)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = vector * (angle / sine / passed)[:, None]
        return np.where(good[:, None], rate, 0.0)
