"""The line along the lower edge of arrivals: a device's clock seen through transport delays.

Row k of a regularly sampled device was taken at a + p k and arrives later, by a delay that varies but
never falls below its minimum. So the earliest arrival of every quarter second says most, and::

    excess of arrival over nominal time
       |   .    .        .   .
       | .   .    .  .     .    .         the points: lowest of each bucket
       |-o-----o----o-----o-------o---    the line: through the lower part of the points
       |_______________________________   the edge: what no delay falls below

The line is fitted with asymmetric weights (expectiles: Newey and Powell, "Asymmetric least squares
estimation and testing", 1987) that are bounded above (Huber 1964). Least squares would follow every
burst of jitter; the hull's edge (Zhang, Liu and Xia, INFOCOM 2002) rests on two points and swings with
the beat between a device and its polling.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ASYMMETRY = 0.1
"""Weight of a point above the line against one below it, of 1."""
WANDER = 1e3
"""How a device's rate wanders, ns/s per root second: 1 ppm after 1 s, 8 ppm after a minute (warming up)."""
CRYSTAL = 1e5
"""How far a crystal's rate commonly is from its nominal one, ns/s (1 sigma): 100 ppm."""
CRYSTALS = 0.8
"""Share of devices that have a crystal; the others count by an RC oscillator or by rule of thumb."""
GRAIN_NS = 1_000.0
"""Points that lie closer to a line than this are on it."""
FLOOR_NS = 20_000.0
"""No bound is below this: reading a clock from Python costs that much now and then."""
FIRST_NS = 10e6
"""By how much a single first arrival may be late: the usual jitter of a serial line or a radio, ns."""
INSTANT = 1e-18
"""Points within a nanosecond tell no slope, s²."""
STRETCH = 32
"""Points whose lowest is near the least delay: 8 s of quarter seconds."""
BEATS = 4.0
"""Neighbouring points are alike, as polling beats against sampling: so many count as one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    """excess(x) = level + slope (x - at), the edge of the delays below it, and errors.

    Attributes:
        at: where the line is known best, s of nominal device time.
        level: excess of the line there, ns.
        slope: ns/s; 1000 are 1 ppm.
        level_sd, slope_sd: standard errors of both.
        edge: from the line to the least delay, ns, not above 0.
        edge_error: how far the true least delay may be below or above, ns.
        scatter: of the points about the line, ns.
    """

    at: float
    level: float
    slope: float
    level_sd: float
    slope_sd: float
    edge: float
    edge_error: float
    scatter: float

    def __call__(self, x: Floats) -> Floats:
        """Return the line at ``x`` (N,), ns."""
        return self.level + self.slope * (x - self.at)

    def error(self, x: float) -> float:
        """Return a bound (three sigma) on the error of line and edge at ``x``, ns."""
        return 3 * math.hypot(self.level_sd, self.slope_sd * (x - self.at)) + self.edge_error + FLOOR_NS


def fit_line(
    x: Floats,
    z: Floats,
    centre: float,
    *,
    asymmetry: float = ASYMMETRY,
    tolerance: float = 3e7,
    rounds: int = 8,
    start: Fit | None = None,
) -> Fit:
    """Fit the line along the lower part of points.

    Args:
        x: (N,) nominal device time, s, N >= 1.
        z: (N,) excess of arrival over it, ns.
        centre: x for which the line shall serve: points further from it count less, as rates wander.
        asymmetry: see :data:`ASYMMETRY`; 0.5 is for points that err in both directions.
        tolerance: largest slope, ns/s.
        rounds: of reweighting.
        start: fit to begin with, if there is one.

    Returns:
        the line, always finite for finite points.
    """
    n = len(x)
    if n == 1:
        _, slope_sd = _shrunk(0.0, np.inf, tolerance)
        return Fit(float(x[0]), float(z[0]), 0.0, 0.0, slope_sd, 0.0, FIRST_NS, FIRST_NS)
    away = np.abs(x - centre)
    aged = np.ones(n)
    line = float(np.median(z)) if start is None else start(x)
    mean = level = slope = slope_sd = level_sd = raw = spread = scatter = 0.0
    for turn in range(rounds):
        if turn:
            line = level + slope * (x - mean)
        above = z - line
        scatter = max(_middle(np.abs(above)), GRAIN_NS)
        if turn < 2:
            aged = 1.0 / (1.0 + (WANDER / scatter) ** 2 * away**3 / 3)
        bounded = np.minimum(1.0, 2 * scatter / np.maximum(np.abs(above), GRAIN_NS))
        if asymmetry < 0.5:
            weight = aged * np.where(above > 0, asymmetry * bounded, 1 - asymmetry)
        else:
            weight = aged * bounded
        total = float(weight.sum())
        mean = float(weight @ x) / total
        level = float(weight @ z) / total
        apart = x - mean
        spread = float(weight @ (apart * apart)) / total
        if spread > INSTANT:
            raw = float(weight @ (apart * z)) / total / spread
        # About the line that the points alone would have: what is usual must not make its own evidence.
        sigma = _sigma(_middle(np.abs(z - level - raw * apart)), z - raw * apart, n)
        count = max(1.0, float(aged.sum()) / BEATS) if n > 2 * BEATS else n / 2
        level_sd = sigma / math.sqrt(count)
        slope, slope_sd = _shrunk(
            raw, level_sd / math.sqrt(spread) if spread > INSTANT else np.inf, tolerance
        )
    above = z - (level + slope * (x - mean))
    edge, edge_error = (0.0, 0.0) if asymmetry >= 0.5 else lower_edge(above)
    return Fit(mean, level, slope, level_sd, slope_sd, edge, edge_error, scatter)


def lower_edge(above: Floats) -> tuple[float, float]:
    """Return the least delay, relative to the line, and how far it may be off, ns.

    It is the mean of what stretches of :data:`STRETCH` points have as their lowest: the lowest of all
    would sink step by step for as long as one measures. How much lower still the least delay may be, the
    difference to the lowest of all tells: the smaller, the sharper the edge.

    Args:
        above: (N,) points above the line, ns, in the order of time.
    """
    n = len(above)
    lowest = float(above.min())
    if n < STRETCH:
        return lowest, FIRST_NS / n + 1.5 * (float(np.median(above)) - lowest) / np.sqrt(n)
    parts = above[n % STRETCH :].reshape(-1, STRETCH).min(axis=1)
    edge = float(parts.mean())
    few = n // 8
    eighths = _middle(above[n - 8 * few :].reshape(8, few).min(axis=1))
    return edge, (edge - lowest) + max(1.5 * (eighths - lowest), 2.5 * float(parts.std()))


def _middle(values: Floats) -> float:
    """Median, or the upper of two middle values: many times faster than numpy's."""
    half = len(values) // 2
    return float(np.partition(values, half)[half])


def _sigma(scatter: float, z: Floats, n: int) -> float:
    """Standard deviation of a point; few points lie near any line, so their own spread counts."""
    sigma = 1.48 * scatter
    return sigma if n > 8 else max(sigma, float(z.max() - z.min()) / 2, FIRST_NS / 8 / n)


def _shrunk(raw: float, sd: float, tolerance: float) -> tuple[float, float]:
    """Weigh a measured slope against what is usual: a crystal most often, anything within reason else.

    Returns:
        mean and standard deviation of the slope, given the measurement, ns/s.
    """
    wide = (tolerance / 3) ** 2
    narrow = min(CRYSTAL**2, wide)
    if not math.isfinite(sd):
        return 0.0, math.sqrt(CRYSTALS * narrow + (1 - CRYSTALS) * wide)
    a, b = narrow + sd * sd, wide + sd * sd
    odds = (1 - CRYSTALS) / CRYSTALS * math.sqrt(a / b) * math.exp(min(50.0, raw * raw / 2 * (1 / a - 1 / b)))
    crystal = 1 / (1 + odds)
    mean = raw * (crystal * narrow / a + (1 - crystal) * wide / b)
    within = sd * sd * (crystal * narrow / a + (1 - crystal) * wide / b)
    between = crystal * (1 - crystal) * (raw * narrow / a - raw * wide / b) ** 2
    return min(max(float(mean), -tolerance), tolerance), math.sqrt(within + between)
