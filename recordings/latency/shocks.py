"""When something was struck, felt by an accelerometer: claps, taps, steps; finer than its samples.

The body swings smoothly, and a blow does not: over 8 ms a swing is nearly a parabola, so its third
difference is nearly nothing, and a blow's is not. The instant is then fitted: over some
90 ms about the blow each axis is a parabola, the swing, and from the instant on a shock as well, whose
shape is that of an oscillation dying away (soft tissue between bone and sensor: 10 to 60 Hz) or of a
short push. The shape is the sensor's and is fitted to all blows together; the instant and the three
amplitudes are each blow's own. So samples 10 ms apart give an instant to about 1 ms.
"""

from __future__ import annotations

import functools

import numpy as np
from scipy.ndimage import maximum_filter1d, median_filter

from recordings.latency.events import CLOSEST_S, Array, Events, apart

REACH_S = 0.008
"""Span of one step of the third difference, s."""
OUTLIER = 6.0
"""A blow's third difference against the median of those within a second."""
LEAST = 2.0
"""Least third difference of a blow, m/s²: noise and quantisation of small sensors stay below."""
MOST = 300
"""Blows kept of one stretch of time, the strongest."""
BEFORE_S, AFTER_S = 0.055, 0.04
"""Span of samples a blow is fitted to, s."""
SEARCH_S, GRID_S = 0.016, 0.0005
"""The instant is looked for this far about its first guess, on this grid, s."""


def shocks(times: Array, force: Array) -> Events:
    """Find blows in specific force.

    Args:
        times: (N,) s, increasing; gaps are allowed.
        force: (N, 3) m/s²; rows that are not finite are left out.

    Returns:
        times in s to the nearest sample, strengths in m/s².
    """
    times, force = _clean(times, force)
    if len(times) < 16:
        return Events.none()
    period = float(np.median(np.diff(times)))
    m = max(1, round(REACH_S / period))
    if m > 1:  # a fast sensor: means over the span, so that its noise stays out
        total = np.concatenate([np.zeros((1, 3)), np.cumsum(force, axis=0)])
        force = (total[m:] - total[:-m]) / m
        times = times[m // 2 : m // 2 + len(force)]
    if len(times) <= 3 * m:
        return Events.none()
    third = force[3 * m :] - 3 * force[2 * m : -m] + 3 * force[m : -2 * m] - force[: -3 * m]
    size = np.linalg.norm(third, axis=1)
    size[times[3 * m :] - times[: -3 * m] > (3 * m + 0.5) * period] = 0.0  # rows are missing within
    usual = median_filter(size, size=min(2 * round(1.0 / period) + 1, len(size)), mode="nearest")
    # The row that brings the surprise is the third of the four, or the last: both see a blow's beginning.
    local = maximum_filter1d(size, 2 * m + 1) == size
    found = np.flatnonzero(local & (size > OUTLIER * usual) & (size > LEAST))
    at, strength = times[found + 2 * m], size[found]
    best = np.argsort(-strength, kind="stable")[:MOST]
    at, strength = at[best], strength[best]
    kept = apart(at, strength, CLOSEST_S)
    return Events(at[kept], strength[kept])


def instants(times: Array, force: Array, near: Array) -> Array:
    """Return the instant (E,) s of each blow, finer than the samples; the guess where none can be fitted.

    Args:
        times: (N,) s, increasing.
        force: (N, 3) m/s².
        near: (E,) s, where each blow is, to about 10 ms; all of one sensor, with one shape in common.
    """
    times, force = _clean(times, force)
    near = np.asarray(near, np.float64)
    shifts = np.arange(-SEARCH_S, SEARCH_S + GRID_S / 2, GRID_S)
    costs = np.array([_costs(times, force, float(one), shifts) for one in near])  # (E, shapes, shifts)
    if not len(near):
        return near.copy()
    shape = int(costs.min(axis=2).sum(axis=0).argmin())
    chosen = costs[:, shape]
    best = chosen.argmin(axis=1)
    moved = shifts[best] + _vertex(chosen, best) * GRID_S
    fitted = np.ptp(chosen, axis=1) > 0
    return np.where(fitted, near + moved, near)


def _clean(times: Array, force: Array) -> tuple[Array, Array]:
    times, force = np.asarray(times, np.float64), np.asarray(force, np.float64)
    known = np.isfinite(force).all(axis=1) & np.isfinite(times)
    times, force = times[known], force[known]
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(times)) > 0]) if len(times) else known[:0]
    return times[rising], force[rising]


@functools.cache
def _shapes() -> tuple[tuple[str, float, float], ...]:
    waves = [("wave", f, decay) for f in (12.0, 18.0, 26.0, 36.0, 50.0) for decay in (0.012, 0.03, 0.08)]
    pushes = [("push", width, 0.0) for width in (0.008, 0.014, 0.024, 0.04)]
    return tuple(waves + pushes)


def _shock(since: Array, shape: tuple[str, float, float]) -> Array:
    """Return the shock of height about 1 at ``since`` s after the blow, 0 before it."""
    kind, a, b = shape
    s = np.maximum(since, 0.0)
    if kind == "wave":
        return np.exp(-s / b) * np.sin(2 * np.pi * a * s)
    return np.where(s < a, np.sin(np.pi * s / a), 0.0)


def _costs(times: Array, force: Array, near: float, shifts: Array) -> Array:
    """Return n/2 log RSS (shapes, shifts) of one blow's fit; zeros where there are too few rows."""
    first, last = np.searchsorted(times, (near - BEFORE_S, near + AFTER_S))
    since, rows = times[first:last] - near, force[first:last]
    shapes = _shapes()
    if len(since) < 7 or (since < 0).sum() < 4:
        return np.zeros((len(shapes), len(shifts)))
    swing, _ = np.linalg.qr(np.vander(since / BEFORE_S, 3))
    rest = rows - swing @ (swing.T @ rows)
    total = float((rest**2).sum())
    out = np.empty((len(shapes), len(shifts)))
    for number, shape in enumerate(shapes):
        wave = _shock(since[None, :] - shifts[:, None], shape)
        wave = wave - (wave @ swing) @ swing.T
        size = (wave**2).sum(axis=1)
        explained = ((wave @ rest) ** 2).sum(axis=1) / np.maximum(size, 1e-9)
        explained[size < 1e-4] = 0.0
        left = np.maximum(total - explained, 0.0) + 1e-3 * len(since) * 3 * 0.02**2 + 1e-4 * total
        out[number] = 1.5 * len(since) * np.log(left + 1e-12)
    return out


def _vertex(costs: Array, best: np.ndarray) -> Array:
    """Return by what part of a step (E,) the lowest point of a parabola through three lies off the middle."""
    last = costs.shape[1] - 1
    rows = np.arange(len(costs))
    middle = np.clip(best, 1, last - 1)
    a, b, c = (costs[rows, middle + k] for k in (-1, 0, 1))
    bend = a - 2 * b + c
    inner = (best > 0) & (best < last) & (bend > 1e-12)
    return np.where(inner, 0.5 * (a - c) / np.where(bend > 1e-12, bend, 1.0), 0.0)
