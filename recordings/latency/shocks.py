"""When something was struck, felt by an accelerometer: claps, taps, steps; finer than its samples.

The body swings smoothly, and a blow does not: over 8 ms a swing is nearly a parabola, so its third
difference is nearly nothing, and a blow's is not. That finds blows. The instant is then fitted: over some
125 ms each axis is a polynomial, the swing, and from the instant on an oscillation dying away as well
(soft tissue between bone and sensor, 10 to 70 Hz). The shape of the oscillation is the sensor's, one for all
its blows; the instant and the three amplitudes are each blow's own. So samples 10 ms apart give an instant
to about 1 ms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, median_filter

from recordings.latency.estimate import Fit, vertex
from recordings.latency.events import CLOSEST_S, Array, Events, apart

REACH_S = 0.008
"""Span of one step of the third difference, s."""
OUTLIER = 6.0
"""A blow's third difference against the median of those within a second."""
LEAST = 2.0
"""Least third difference of a blow, m/s²: noise and quantisation of small sensors stay below."""
MOST = 300
"""Blows kept of one stretch of time, the strongest."""
RING_S = 0.04
"""A blow's surprise begins at most this long before its peak, s."""
BEFORE_S, AFTER_S = 0.085, 0.04
"""Span of samples a blow is fitted to, s."""
EARLY_S, LATE_S, GRID_S = 0.024, 0.01, 0.0005
"""The instant is looked for from so early to so late about its first guess, on this grid, s."""
DEGREE = 4
"""The swing is a polynomial of this degree over that span."""
DOUBT = 0.05
"""Standard deviation of what all blows of a sensor share, in its sampling periods: no shock has quite
the shape that is fitted."""
FAINT = 0.25
"""A blow that is less clear than this share of the clearest is none: claps of one person are alike."""
NOISE = 0.02
"""Noise of a good small sensor, m/s²: a fit is never believed better."""
_ROUNDS = (
    (EARLY_S, LATE_S, 0.045, 0.25),
    (LATE_S, LATE_S, 0.045, 0.25),
    (LATE_S, LATE_S, 0.015, 0.1),
    (LATE_S, LATE_S, 0.005, 0.1),
)
"""Span looked through, s, and how finely the shapes of the next round lie about the best of this one."""


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
    felt = (size > OUTLIER * usual) & (size > LEAST)
    found = np.flatnonzero(felt & (maximum_filter1d(size, 2 * m + 1) == size))
    at, strength = times[3 * m + _beginnings(size, found, round(RING_S / period))], size[found]
    best = np.argsort(-strength, kind="stable")[:MOST]
    at, strength = at[best], strength[best]
    kept = apart(at, strength, CLOSEST_S)
    return Events(at[kept], strength[kept])


def instants(times: Array, force: Array, near: Array, *, locked: bool = False) -> Fit:
    """Return the instants of blows, finer than the samples.

    Args:
        times: (N,) s, increasing.
        force: (N, 3) m/s².
        near: (E,) s, where each blow is, to about 10 ms; all of one sensor, with one shape in common.
        locked: the guesses all err by the same (they are another stream's instants, shifted), so that
            samples of all blows tell the shape together, as if one had been sampled at E times the rate.
    """
    times, force = _clean(times, force)
    out, shapes = np.array(near, np.float64), _SHAPES
    sure = np.zeros(len(out), bool)
    for number, (early, late, *finer) in enumerate(_ROUNDS):
        pieces = [_piece(times, force, float(one)) for one in out]
        known = np.array([piece is not None for piece in pieces], bool)
        fitted = [piece for piece in pieces if piece is not None]
        if not fitted:
            break
        shifts = np.arange(-early, late + GRID_S / 2, GRID_S)
        costs = np.array([_costs(piece, shapes, shifts) for piece in fitted])
        together = costs.sum(axis=0)
        shape = int((together.min(axis=1) if locked else costs.min(axis=2).sum(axis=0)).argmin())
        if locked and number < len(_ROUNDS) - 1:
            out += shifts[together[shape].argmin()]
        else:
            lowest = costs[:, shape].argmin(axis=1)
            out[known] += shifts[lowest] + vertex(costs[:, shape], lowest) * GRID_S
            clear = np.array(
                [_clearness(p, c) for p, c in zip(fitted, costs[:, shape].min(axis=1), strict=True)]
            )
            sure[:] = False
            sure[known] = (lowest > 0) & (lowest < len(shifts) - 1) & (clear >= FAINT * clear.max())
        shapes = shapes[shape] * _finer(*finer)
    return Fit(out, sure, DOUBT * float(np.median(np.diff(times))) if len(times) > 1 else 0.0)


def _beginnings(size: Array, found: NDArray[np.intp], back: int) -> NDArray[np.intp]:
    """Return where (E,) the surprise that peaks at ``found`` (E,) first exceeds a third of its peak."""
    out = found.copy()
    for number, peak in enumerate(found):
        before = size[max(peak - back, 0) : peak + 1]
        out[number] = peak - len(before) + 1 + int((before > size[peak] / 3).argmax())
    return out


def _clean(times: Array, force: Array) -> tuple[Array, Array]:
    times, force = np.asarray(times, np.float64), np.asarray(force, np.float64)
    known = np.isfinite(force).all(axis=1) & np.isfinite(times)
    times, force = times[known], force[known]
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(times)) > 0]) if len(times) else known[:0]
    return times[rising], force[rising]


_SHAPES: Array = np.array(
    [(f, decay) for f in np.geomspace(10.0, 70.0, 21) for decay in (0.008, 0.015, 0.03, 0.08)]
)
"""(shapes, 2) Hz and s of the oscillations that are tried first."""


def _finer(frequency: float, decay: float) -> Array:
    """Return factors (9, 2) about 1 for frequency and decay."""
    return np.array([(1 + a * frequency, 1 + b * decay) for a in (-1, 0, 1) for b in (-1, 0, 1)])


def _piece(times: Array, force: Array, near: float) -> tuple[Array, Array] | None:
    """Return the rows about a blow, or None where there are too few: since (n,) s and force (n, 3)."""
    first, last = np.searchsorted(times, (near - BEFORE_S, near + AFTER_S))
    since = times[first:last] - near
    if (since < -0.01).sum() < 4 or (since > 0).sum() < 2:
        return None
    return since, force[first:last]


def _without_swing(piece: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return an orthonormal basis (n, DEGREE + 1) of swings, and the force (n, 3) that no swing explains."""
    since, rows = piece
    swing, _ = np.linalg.qr(np.vander(since / BEFORE_S, DEGREE + 1))
    return swing, rows - swing @ (swing.T @ rows)


def _cost(left: Array | float, total: float, rows: int) -> Array:
    """Return n/2 log of what a fit leaves of ``total``, (m/s²)²; none is believed below the noise."""
    floor = 3e-3 * rows * NOISE**2 + 1e-4 * total + 1e-12
    return 1.5 * rows * np.log(np.maximum(left, 0.0) + floor)


def _costs(piece: tuple[Array, Array], shapes: Array, shifts: Array) -> Array:
    """Return the costs (shapes, shifts) of one blow's fit."""
    since = piece[0]
    swing, rest = _without_swing(piece)
    total = float((rest**2).sum())
    s = np.maximum(since[None, :] - shifts[:, None], 0.0)
    out = np.empty((len(shapes), len(shifts)))
    for number, (frequency, decay) in enumerate(shapes):
        wave = np.exp(-s / decay) * np.sin(2 * np.pi * frequency * s)
        wave -= (wave @ swing) @ swing.T
        size = (wave**2).sum(axis=1)
        explained = np.where(size > 1e-4, ((wave @ rest) ** 2).sum(axis=1) / np.maximum(size, 1e-4), 0.0)
        out[number] = _cost(total - explained, total, len(since))
    return out


def _clearness(piece: tuple[Array, Array], cost: float) -> float:
    """Return how clear a blow is: its size times the log of by how much it explains what no swing does."""
    rest = _without_swing(piece)[1]
    total = float((rest**2).sum())
    gain = float(_cost(total, total, len(rest))) - cost
    return max(gain, 0.0) / len(rest) * float(np.sqrt(total / len(rest)))
