"""When a sensor is at rest, and what it reads then."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from fusion.calibrate.trace import ImuTrace

Array = NDArray[np.float64]

TREMOR_S = 0.25
"""Tremor of held limbs, 4 to 12 Hz, is gone from means over this long."""


@dataclasses.dataclass(frozen=True)
class Rest:
    """A stretch in which a sensor did not move.

    Attributes:
        first, last: rows, ``last`` not among them.
        force: (3,) mean specific force, m/s².
        rate: (3,) mean angular rate, rad/s.
        unrest_deg_s: scatter of the angular rate in it, deg/s, root of the summed variances; of its means
            over :data:`TREMOR_S`, so that noise and tremor do not count.
    """

    first: int
    last: int
    force: Array
    rate: Array
    unrest_deg_s: float


def unrest(trace: ImuTrace, window_s: float) -> Array:
    """Return the scatter of the angular rate in a window around each row (N,), rad/s.

    Scatter, not size: a bias does not count as moving. Slow turning shows by its specific force: what that
    turns by in the window counts too.
    """
    half = max(1, round(window_s / trace.step_s / 2))
    _, rate_spread = moving(trace.rate, half)
    size = np.linalg.norm(trace.force, axis=1)
    direction = trace.force / np.maximum(size, 1e-9)[:, None]
    mean, _ = moving(direction, max(1, half // 2))
    ahead, behind = np.roll(mean, -half, axis=0), np.roll(mean, half, axis=0)
    turned = np.linalg.norm(ahead - behind, axis=1) / window_s
    turned[:half] = turned[-half:] = 0.0
    return np.sqrt(np.sum(rate_spread, axis=1)) + turned


def moving(values: Array, half: int) -> tuple[Array, Array]:
    """Return mean and variance (N, C) of values (N, C) in windows of 2 half + 1 rows, cut at the ends."""
    count = len(values)
    centred = values - values.mean(axis=0, keepdims=True) if count else values
    sums = np.zeros((count + 1, values.shape[1]))
    squares = np.zeros_like(sums)
    np.cumsum(centred, axis=0, out=sums[1:])
    np.cumsum(centred**2, axis=0, out=squares[1:])
    low = np.maximum(np.arange(count) - half, 0)
    high = np.minimum(np.arange(count) + half + 1, count)
    size = (high - low)[:, None]
    mean = (sums[high] - sums[low]) / size
    spread = np.maximum((squares[high] - squares[low]) / size - mean**2, 0.0)
    return mean + (values.mean(axis=0, keepdims=True) if count else 0.0), spread


def stillest(trace: ImuTrace, seconds: float) -> Rest | None:
    """Return the stretch of ``seconds`` in which the sensor moved least, or None of a shorter trace."""
    rows = round(seconds / trace.step_s)
    if rows < 5 or len(trace) < rows:
        return None
    half = rows // 2
    smooth, _ = moving(trace.rate, max(1, round(TREMOR_S / trace.step_s / 2)))
    _, spread = moving(smooth, half)
    size = np.sqrt(spread.sum(axis=1))[half : len(trace) - half]
    first = int(np.argmin(size))
    return rest_between(trace, first, first + 2 * half)


def rest_between(trace: ImuTrace, first: int, last: int) -> Rest:
    """Return what the sensor reads between two rows."""
    rate, force = trace.rate[first:last], trace.force[first:last]
    smooth, _ = moving(rate, max(1, round(TREMOR_S / trace.step_s / 2)))
    scatter = float(np.degrees(np.sqrt(smooth.var(axis=0).sum())))
    return Rest(first, last, force.mean(axis=0), rate.mean(axis=0), scatter)


def rests(trace: ImuTrace, threshold: float, shortest_s: float, window_s: float = 0.5) -> list[Rest]:
    """Return the stretches of at least ``shortest_s`` with less unrest than ``threshold``, rad/s.

    Half a window is left out on both sides, so that none of the movement around is in them.
    """
    still = unrest(trace, window_s) < threshold
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(int)))
    margin = max(1, round(window_s / trace.step_s / 2))
    out = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        first = first + margin if first else first
        last = last - margin if last < len(trace) else last
        if (last - first) * trace.step_s >= shortest_s:
            out.append(rest_between(trace, first, last))
    return out


def quietest(trace: ImuTrace, window_s: float = 0.5) -> float:
    """Return the unrest, rad/s, below which the quietest twentieth of the rows lies: the sensor's noise."""
    return float(np.quantile(unrest(trace, window_s), 0.05)) if len(trace) else 0.0
