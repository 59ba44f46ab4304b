"""A line under points: a device's clock seen through transport delays.

Row k of a regularly sampled device was taken at a + p k; it arrives later by a delay that varies
but is never below its minimum. So the points (k, arrival) lie on or above a line, and the line that
touches them from below, being as close to all of them as it can, is the clock of the device, moved
by the least delay. It is the edge of the lower convex hull above the mean of the points (Zhang, Liu
and Xia, "Clock synchronization algorithms for network measurements", INFOCOM 2002).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

SLOPE_PRIOR = 0.005
"""How far a cheap sensor's true rate commonly is from its nominal one (1 sigma), of 1."""

SETTLED = 8
"""Points that are enough to judge a slope by their own scatter."""

FLOOR_NS = 20_000.0
"""No bound is below this: reading a clock from Python costs that much now and then."""


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """y = at_y + slope (x - at_x), with an error.

    Attributes:
        at_x, at_y: a point of the line, ns.
        slope: ns of host time per nominal ns.
        spread: how far the line may be off at ``at_x``, ns.
        slope_bound: how far the slope may be off.
    """

    at_x: float
    at_y: float
    slope: float
    spread: float
    slope_bound: float

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the line at ``x`` (N,), ns."""
        return self.at_y + self.slope * (x - self.at_x)

    def bound(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a bound on the line's error at ``x`` (N,), ns."""
        return self.spread + self.slope_bound * np.abs(x - self.at_x)

    def lowered(self, by: float) -> Line:
        """Return the line moved down, the spread grown by as much."""
        return dataclasses.replace(self, at_y=self.at_y - by, spread=self.spread + by)


def lower_hull(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[int]:
    """Return the indices of the lower convex hull of points (N,), x rising (Andrew 1979)."""
    xs, ys = x.tolist(), y.tolist()
    hull: list[int] = []
    for i in range(len(xs)):
        while len(hull) >= 2:
            a, b = hull[-2], hull[-1]
            if (xs[b] - xs[a]) * (ys[i] - ys[a]) - (ys[b] - ys[a]) * (xs[i] - xs[a]) > 0:
                break
            hull.pop()
        hull.append(i)
    return hull


def envelope_line(
    x: NDArray[np.float64], y: NDArray[np.float64], *, tolerance: float, jitter: float = 0.0
) -> Line:
    """Fit the line below the points (N,), N >= 1, x rising.

    Args:
        x: nominal device time, ns.
        y: arrival on the host, ns.
        tolerance: largest departure of the slope from 1.
        jitter: what single arrivals commonly scatter, ns.

    Returns:
        the line; its ``at_x`` is the mean of x. Its bound is relative to the least delay: a constant
        delay cannot be seen from arrivals.
    """
    middle = float(np.mean(x))
    hull = lower_hull(x, y)
    span = float(x[-1] - x[0])
    raw = 1.0
    if len(hull) >= 2:
        right = next((n for n in range(1, len(hull)) if x[hull[n]] >= middle), len(hull) - 1)
        a, b = hull[right - 1], hull[right]
        raw = float((y[b] - y[a]) / (x[b] - x[a]))
    scatter = _scatter(x, y, raw, jitter if len(x) < SETTLED else 0.0)
    # Two points far apart fix a slope, two near each other nothing: weigh against what is usual.
    slope_error = 2 * scatter / span if span > 0 else np.inf
    trust = SLOPE_PRIOR**2 / (SLOPE_PRIOR**2 + slope_error**2)
    slope = float(np.clip(1 + trust * (raw - 1), 1 - tolerance, 1 + tolerance))
    residual = y - slope * (x - middle)
    at_y = float(np.min(residual))
    # Few points can lie on a line by chance (by polling in step), so at first the bound goes by what
    # single arrivals scatter.
    caution = jitter * min(1.0, SETTLED / len(x))
    slope_error = 2 * max(scatter, caution) / span + (1 - trust) * abs(raw - 1) if span > 0 else np.inf
    slope_bound = float(min(slope_error, tolerance, 3 * SLOPE_PRIOR))
    spread = 2 * float(np.quantile(residual - at_y, 0.75)) + FLOOR_NS + caution
    return Line(middle, at_y, slope, spread, slope_bound)


def _scatter(x: NDArray[np.float64], y: NDArray[np.float64], slope: float, jitter: float) -> float:
    residual = y - slope * x
    above = float(np.quantile(residual - np.min(residual), 0.75))
    return max(above, jitter, FLOOR_NS)
