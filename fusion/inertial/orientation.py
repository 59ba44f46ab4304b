"""Orientation from specific force and angular rate, causally, by VQF.

Laidig and Seel, "VQF: Highly accurate IMU orientation estimation with bias estimation and magnetic
disturbance rejection", Information Fusion 91 (2023); the authors' own implementation (package vqf).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MAX_FILL_S = 1.0
"""Over a gap the newest row is held for at most so long; the filter then goes on from there."""

_IRREGULAR_RATE_HZ = 200.0
"""The filter's own steps where the stream has no constant rate: finer than any IMU we know sends."""


_NO_TURN = np.array([0.0, 0.0, 0.0, 1.0])
_DIAGONAL = np.array([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
_PRODUCTS = (
    ([1, 0, 0, 0, 0, 1], [1, 1, 2, 1, 0, 2], np.array([-2.0, 2.0, 2.0, 2.0, -2.0, 2.0])),
    ([2, 2, 1, 2, 2, 0], [2, 3, 3, 3, 2, 3], np.array([-2.0, 2.0, -2.0, -2.0, -2.0, 2.0])),
)
"""Of two products of x, y, z, w for each value: which, which, and times what."""


def six_d(xyzw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first two columns (R, 6) of the rotation matrices of quaternions xyzw (R, 4).

    A quaternion of norm zero or NaN (a device that has none yet) gives no rotation: x and y axes.
    """
    square = np.einsum("rc,rc->r", xyzw, xyzw)
    good = np.isfinite(square) & (square > 1e-12)
    if not good.all():
        xyzw = np.where(good[:, None], xyzw, _NO_TURN)
        square = np.where(good, square, 1.0)
    q = xyzw / np.sqrt(square)[:, None]
    first, second = (q[:, a] * q[:, b] * sign for a, b, sign in _PRODUCTS)
    return _DIAGONAL + (first + second)


class OrientationFilter:
    """VQF stepped in the stream's own clock: once per row, and once more for each row lost.

    Args:
        rate_hz: nominal rows per second, or 0 where irregular.
        regular: rows are numbered by a device of constant rate; otherwise the number of filter steps
            follows from the rows' times.
    """

    def __init__(self, rate_hz: float, *, regular: bool) -> None:
        from vqf import VQF

        self._regular = regular and rate_hz > 0
        self._rate_hz = rate_hz if rate_hz > 0 else _IRREGULAR_RATE_HZ
        self._vqf = VQF(1.0 / self._rate_hz)
        self._last: int | None = None

    def __call__(
        self,
        force: NDArray[np.float64],
        rate: NDArray[np.float64],
        times: NDArray[np.int64],
        seq: NDArray[np.uint64],
        field: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return quaternions xyzw (R, 4), sensor -> world with z up.

        Args:
            force: (R, 3) specific force, m/s².
            rate: (R, 3) angular rate, rad/s.
            times: (R,) session time, ns.
            seq: (R,) row numbers.
            field: (R, 3) magnetic field, any unit, or None: heading is then arbitrary and drifts slowly.
        """
        clock = (
            seq.astype(np.int64) if self._regular else np.rint(times * (self._rate_hz / 1e9)).astype(np.int64)
        )
        force, rate = np.ascontiguousarray(force), np.ascontiguousarray(rate)
        field = None if field is None else np.ascontiguousarray(field)
        limit = max(1, int(_MAX_FILL_S * self._rate_hz))
        out = np.empty((len(force), 4))
        for i, now in enumerate(clock.tolist()):
            steps = 1 if self._last is None else min(now - self._last, limit)
            if self._regular and steps < 1:  # the device was restarted and counts from 0 again
                steps = 1
            for _ in range(max(steps, 0)):
                if field is None:
                    self._vqf.update(rate[i], force[i])
                else:
                    self._vqf.update(rate[i], force[i], field[i])
            self._last = now if self._last is None or self._regular else max(now, self._last)
            out[i] = self._vqf.getQuat6D() if field is None else self._vqf.getQuat9D()
        return out[:, [1, 2, 3, 0]]
