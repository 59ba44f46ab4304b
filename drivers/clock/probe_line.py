"""The offset of two clocks from probes: all lines that no probe contradicts.

A probe is four stamps: the asking host sends at t0 and has the answer at t3 (its own clock); the
session's host received at t1 and answered at t2 (the session's clock). Messages take time, never
less than none, so that for *every* probe, whatever the network does,

    offset at t0 <= t1 - t0,   offset at t3 >= t2 - t3        offset = session's clock - this host's

The offset is taken as a line in time that crystals leave a little (:func:`departure`). The lines that
satisfy all probes form a convex set, a strip between two envelopes. Its width is what asymmetry could
hide: nothing is assumed of the two directions being alike, and all of it is inside the bound. Its
slope is the likeliest one, each direction weighed by its own scatter, so that a queue in one of them
does no harm; the middle of the strip is the estimate.
(One-sided delays as linear constraints: Duda et al., "Estimating global time in distributed systems",
1987; hulls as envelopes: Zhang, Liu and Xia, INFOCOM 2002.)
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW_NS = 60 * 10**9
"""Probes farther away than this do not count: crystals warm up and change their rate."""

COMMON_SKEW = 50e-6
"""Rate difference of two crystals as bought: where probes tell nothing, larger ones are not believed."""

MAX_SKEW = 700e-6
"""Two clocks slewed by NTP differ at most by 500 ppm and what their crystals differ, about 100."""

WANDER = 20e-6
"""How far a clock's rate strays from its present one: 10 ppm to either side of a mean."""

WANDER_PER_S = 0.3e-6
"""How fast it does: 10 ppm in half a minute. Faster ones contradict older probes, which then go."""

UNLIKELY = 14.0
"""Slopes whose logarithm of the likelihood is lower by more are left out.

Over networks drawn at random, one bound in some 3000 then fails to contain the truth; with no slope left
out none does, and over bad wireless bounds are up to half wider.
"""

FEW = 12
"""Probes of so few seconds tell nothing of how independent delays are: no slope is left out."""

LEAST_SCATTER_NS = 1000.0
"""Delays are never more alike than that."""

ROUNDING_NS = 2
"""What rounding to whole ns can add up to."""


@dataclasses.dataclass(frozen=True, slots=True)
class OffsetEstimate:
    """A line with an error: offset(t) = offset_ns + skew * (t - at_ns).

    Attributes:
        at_ns: host monotonic time the estimate refers to, ns.
        offset_ns: session host's clock minus this host's, ns.
        skew: change of the offset, ns per ns.
        bound_ns: largest error of ``offset_ns``, ns.
        skew_bound: largest error of ``skew``, ns per ns, while no more is known.
        probes: how many of the newest probes agree with one line.
        conflict_ns: 0 where all probes do; else by how much they contradict each other, ns.
    """

    at_ns: int
    offset_ns: int
    skew: float
    bound_ns: int
    skew_bound: float
    probes: int
    conflict_ns: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Allowed:
    """What constraints leave of a line y = a + b x.

    Attributes:
        low, high: the range of a, ns.
        middle: the likeliest a, ns.
        slope: the likeliest b; ``slope_low``, ``slope_high`` its range.
        gap: how far apart the two envelopes can be at most, ns; where it is negative no line fits, and
            the others mean nothing.
    """

    low: float
    high: float
    middle: float
    slope: float
    slope_low: float
    slope_high: float
    gap: float


def departure(distance_ns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far (N,), ns, a clock commonly is at most from its tangent, ``distance_ns`` (N,) away."""
    away = np.abs(distance_ns)
    knee = WANDER / WANDER_PER_S * 1e9
    near = np.minimum(away, knee)
    return 0.5e-9 * WANDER_PER_S * near * near + WANDER * (away - near)


def departure_at(distance_ns: float) -> float:
    """Return the :func:`departure` at one distance, ns."""
    away = abs(distance_ns)
    near = min(away, WANDER / WANDER_PER_S * 1e9)
    return 0.5e-9 * WANDER_PER_S * near * near + WANDER * (away - near)


def possible(probes: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which probes (N,) of PROBE can be: time runs forward, and the answer takes the least part."""
    return (
        (probes["t3"] >= probes["t0"])
        & (probes["t2"] >= probes["t1"])
        & (probes["t2"] - probes["t1"] <= probes["t3"] - probes["t0"])
    )


def allowed_lines(
    upper_x: NDArray[np.float64],
    upper_y: NDArray[np.float64],
    lower_x: NDArray[np.float64],
    lower_y: NDArray[np.float64],
    max_slope: float,
    unlikely: float = UNLIKELY,
    wander: float = 1.0,
) -> Allowed:
    """Find the lines at or below the points ``upper`` (N,) and at or above ``lower`` (M,).

    Both sorted by x, with ``wander`` times the :func:`departure` from the tangent at x = 0 inside y.
    Exact: the ranges are found at the corners of the convex set of lines. Of its slopes those are left
    out that are exp(``unlikely``) times less likely than the likeliest; of the offsets, none.
    """
    ux, uy = _corners(upper_x, upper_y, max_slope)
    lx, ly = _corners(lower_x, -lower_y, max_slope)
    ly = -ly
    slopes = np.concatenate((_slopes(ux, uy), _slopes(lx, ly), (-max_slope, 0.0, max_slope)))
    slopes = np.sort(slopes[np.abs(slopes) <= max_slope])
    # As functions of the slope, concave, convex, and straight between any two of ``slopes``.
    ceiling = (uy - slopes[:, None] * ux).min(axis=1)
    floor = (ly - slopes[:, None] * lx).max(axis=1)
    gap = ceiling - floor
    best = int(np.argmax(gap))
    fits = gap >= 0
    if not fits[best]:
        return Allowed(0.0, 0.0, 0.0, float(slopes[best]), -max_slope, max_slope, float(gap[best]))
    for _ in range(2):  # once more, with the scatter about the likeliest line
        slope, high, low = float(slopes[best]), float(ceiling[best]), float(floor[best])
        there = _Direction(upper_x, upper_y, slope, high, wander)
        back = _Direction(lower_x, -lower_y, -slope, -low, wander)
        up, down = there.likelihood(slopes, ceiling), back.likelihood(-slopes, -floor)
        best = int(np.argmax(np.where(fits, up + down - np.abs(slopes) / COMMON_SKEW, -np.inf)))
    sure = np.add(up * there.independent(), down * back.independent())
    inside = np.flatnonzero(fits & (sure >= sure[best] - unlikely))
    first, last = int(inside[0]), int(inside[-1])
    lines = np.stack((slopes, ceiling, floor), axis=1)
    corners = lines[first : last + 1]
    for within, outside in ((first, first - 1), (last, last + 1)):
        if 0 <= outside < len(lines) and not fits[outside]:
            part = gap[within] / (gap[within] - gap[outside])
            end = lines[within] + part * (lines[outside] - lines[within])
            corners = np.vstack((end, corners) if outside < within else (corners, end))
    return Allowed(
        low=float(corners[:, 2].min()),
        high=float(corners[:, 1].max()),
        middle=float(ceiling[best] + floor[best]) / 2,
        slope=float(slopes[best]),
        slope_low=float(corners[0, 0]),
        slope_high=float(corners[-1, 0]),
        gap=float(gap[best]),
    )


class _Direction:
    """The delays of one direction, taken as exponential above the least.

    Args:
        x, y: (N,) points above lines, ``wander`` times the :func:`departure` inside y.
        slope, height: a line that touches them, to judge their scatter by.
    """

    def __init__(
        self, x: NDArray[np.float64], y: NDArray[np.float64], slope: float, height: float, wander: float
    ) -> None:
        self._x = x
        leeway = wander * departure(x)
        self._above = y - leeway - slope * x - height
        self._scale = float(middle(np.abs(self._above))) + LEAST_SCATTER_NS
        self._weight = 1.0 / (self._scale + leeway)  # where the clock may have strayed, a delay tells less

    def likelihood(self, slopes: NDArray[np.float64], heights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithm (S,) of the likelihood of lines, but for a constant."""
        return heights * self._weight.sum() + slopes * (self._weight @ self._x)

    def independent(self) -> float:
        """Return what share of the probes tell something new.

        In a queue that fills and empties slowly neighbours have one delay, and many of them say no
        more than one.
        """
        share = (self._scale * self._weight) ** 2
        above = np.clip(self._above, -4 * self._scale, 4 * self._scale)
        above -= (share @ above) / share.sum()
        alike = float((share[1:] * above[1:]) @ above[:-1]) / (float((share * above) @ above) + 1.0)
        alike = min(max(alike, 0.0), 0.999)
        seconds = 1 + np.count_nonzero(np.diff(np.floor(self._x * 1e-9)))
        return max(0.0, 1 - FEW / seconds) * (1 - alike) / (1 + alike)


def middle(values: NDArray[Any]) -> Any:
    """Return the upper median of (N,), N >= 1: a quarter of the price of numpy's."""
    half = len(values) // 2
    return np.partition(values, half)[half]


def _corners(
    x: NDArray[np.float64], y: NDArray[np.float64], steepest: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of the lower hull that lines up to ``steepest`` can touch (and few others)."""
    # A point is of no use where another lies lower than any such line through it could; of two that
    # are the same, the first is kept.
    down, up = y - steepest * x, y[::-1] + steepest * x[::-1]
    useful = np.ones(len(x), np.bool_)
    useful[1:] = down[1:] < np.minimum.accumulate(down)[:-1]
    useful[:-1] &= (up[1:] <= np.minimum.accumulate(up)[:-1])[::-1]
    x, y = x[useful], y[useful]
    hull = lower_hull(x, y)
    return x[hull], y[hull]


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


def _slopes(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    run = np.diff(x)
    apart = run > 0
    return np.diff(y)[apart] / run[apart]


def allowed_by(
    probes: NDArray[Any],
    at_ns: int,
    base_ns: int,
    max_skew: float = MAX_SKEW,
    unlikely: float = UNLIKELY,
    wander: float = 1.0,
) -> Allowed:
    """Find what probes (N,) of PROBE, N >= 1, allow of the offset at ``at_ns``, less ``base_ns``.

    The clocks may depart from a line ``wander`` times as fast as common ones do.
    """
    sent = (probes["t0"] - at_ns).astype(np.float64)
    back = (probes["t3"] - at_ns).astype(np.float64)
    high = (probes["t1"] - probes["t0"] - base_ns).astype(np.float64) + wander * departure(sent)
    low = (probes["t2"] - probes["t3"] - base_ns).astype(np.float64) - wander * departure(back)
    sent, high = _sorted(sent, high)
    back, low = _sorted(back, low)
    return allowed_lines(sent, high, back, low, max_skew, unlikely, wander)


def _sorted(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if bool((x[1:] >= x[:-1]).all()):
        return x, y
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def estimate_offset(probes: NDArray[Any], at_ns: int, *, max_skew: float = MAX_SKEW) -> OffsetEstimate:
    """Estimate the offset from all probes that agree with one line, newest first.

    Args:
        probes: (N,) of PROBE in the order they were taken, N >= 1, each :func:`possible`.
        at_ns: host time that the estimate shall refer to, ns.
        max_skew: largest rate difference of the two clocks.

    Returns:
        the estimate; where the clock stepped, from the probes after the step only.
    """
    base = int(probes["t2"][-1] - probes["t3"][-1])  # small numbers: floats hold them to the ns
    found = allowed_by(probes, at_ns, base, max_skew)
    conflict, keep = max(0.0, -found.gap), len(probes)
    if conflict:
        # The more of the older probes, the less they agree: bisect. One alone can always be.
        keep, too_many = 1, len(probes)
        found = allowed_by(probes[-1:], at_ns, base, max_skew)
        while too_many - keep > 1:
            middle = (keep + too_many) // 2
            tried = allowed_by(probes[len(probes) - middle :], at_ns, base, max_skew)
            if tried.gap >= 0:
                keep, found = middle, tried
            else:
                too_many = middle
    return OffsetEstimate(
        at_ns=at_ns,
        offset_ns=base + round(found.middle),
        skew=found.slope,
        bound_ns=int(np.ceil(max(0.0, found.high - found.middle, found.middle - found.low))) + ROUNDING_NS,
        skew_bound=max(found.slope_high - found.slope, found.slope - found.slope_low),
        probes=keep,
        conflict_ns=conflict,
    )


def thin(probes: NDArray[Any], skew: float, bucket_ns: int) -> NDArray[Any]:
    """Keep of each ``bucket_ns`` the best probe of either direction; the others say little more.

    Args:
        probes: (N,) of PROBE.
        skew: about the rate difference, so that drift within a bucket does not choose.

    Returns:
        the kept ones (M,), in their order. To drop a probe can only widen what is allowed.
    """
    if not len(probes):
        return probes
    start = int(probes["t0"][0])
    bucket = (probes["t0"] - start) // bucket_ns
    sent = (probes["t0"] - start).astype(np.float64)
    high = (probes["t1"] - probes["t0"] - int(probes["t1"][0] - start)).astype(np.float64) - skew * sent
    low = (probes["t3"] - probes["t2"] - int(start - probes["t1"][0])).astype(np.float64) + skew * sent
    kept = np.zeros(len(probes), np.bool_)
    for delay in (high, low):
        order = np.lexsort((delay, bucket))
        kept[order[np.flatnonzero(np.diff(bucket[order], prepend=-1))]] = True
    return probes[kept]
