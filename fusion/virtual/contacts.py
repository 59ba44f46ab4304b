"""When feet stand on the ground, from how high and how fast their soles are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d

from fusion.virtual.bvh import Array

SPEED_ON, SPEED_OFF = 0.35, 0.7
HEIGHT_ON_M, HEIGHT_OFF_M = 0.06, 0.10
"""A foot comes to the ground when heel or toes are below the first speed (m/s) and height, and leaves it when
both are above one of the second. Between stance and swing the sole's speed passes 0.2 to 1 m/s within 30 ms,
so the choice of speeds hardly matters; the heights leave room for soles that markers place to within 2 to 3
cm."""

_AT_REST = 0.25  # m/s
_GROUND_PERCENTILE = 10.0
_AROUND_S, _HIGHEST_M = 2.0, 0.4
"""Uneven ground: its height here is that of the lowest foot at rest within so long, and no higher than
this."""
_SHORTEST_S = 0.05


def _speeds(soles: Array, rate_hz: float) -> Array:
    """Return (T, 2, 2) m/s."""
    return np.linalg.norm(np.gradient(soles, 1.0 / rate_hz, axis=0), axis=-1)


def _resting(soles: Array, rate_hz: float) -> Array:
    """Return (T,), the height of the lowest sole that is at rest, m; infinite where none is."""
    rest = _speeds(soles, rate_hz).max(axis=-1) < _AT_REST
    return np.where(rest, soles[..., 2].mean(axis=-1), np.inf).min(axis=-1)


def ground(soles: Array, rate_hz: float) -> float:
    """Return the height of the ground, m: where soles come to rest or, if they never do, are lowest.

    Args:
        soles: (T, 2, 2, 3) m, under heel and toes of the left and the right foot.
        rate_hz: rows per second.
    """
    resting = _resting(soles, rate_hz) if len(soles) > 2 else np.full(1, np.inf)
    resting = resting[np.isfinite(resting)]
    if len(resting) < 0.1 * rate_hz:
        resting = soles[..., 2].mean(axis=-1).min(axis=-1)
    return float(np.percentile(resting, _GROUND_PERCENTILE))


def contacts(soles: Array, rate_hz: float) -> NDArray[np.bool_]:
    """Return (T, 2), left and right foot on the ground, which is about z = 0.

    Args:
        soles: (T, 2, 2, 3) m, under heel and toes of the left and the right foot.
        rate_hz: rows per second.
    """
    if len(soles) < 3:
        return soles[..., 2].min(axis=-1) < HEIGHT_ON_M
    local = minimum_filter1d(
        _resting(soles, rate_hz), size=2 * round(_AROUND_S * rate_hz) + 1, mode="nearest"
    )
    local = np.clip(np.where(np.isfinite(local), local, 0.0), 0.0, _HIGHEST_M)
    height, speed = soles[..., 2] - local[:, None, None], _speeds(soles, rate_hz)
    near = np.any((height < HEIGHT_ON_M) & (speed < SPEED_ON), axis=-1)  # heel or toes
    far = np.all((height > HEIGHT_OFF_M) | (speed > SPEED_OFF), axis=-1)
    shortest = round(_SHORTEST_S * rate_hz)
    feet = [_without_short(_hysteresis(near[:, k], far[:, k]), shortest) for k in (0, 1)]
    return np.stack(feet, axis=1)


def _hysteresis(on: NDArray[np.bool_], off: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a state that ``on`` sets and ``off`` ends; before the first of either it is off."""
    event = np.where(on, 1, np.where(off, 0, -1))
    last = np.maximum.accumulate(np.where(event >= 0, np.arange(len(event)), -1))
    return (last >= 0) & (event[np.maximum(last, 0)] == 1)


def _without_short(state: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_]:
    """Return the state without runs shorter than ``shortest`` rows, gaps first."""
    for value in (False, True):
        edges = np.flatnonzero(np.diff(state.astype(np.int8))) + 1
        starts, stops = np.r_[0, edges], np.r_[edges, len(state)]
        state = state.copy()
        for start, stop in zip(starts, stops, strict=True):
            inside = start > 0 and stop < len(state)
            if inside and stop - start < shortest and state[start] == value:
                state[start:stop] = not value
    return state
