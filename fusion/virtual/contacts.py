"""When feet stand on the ground, from how high and how fast their soles are.

The ground need not be flat: wherever one foot alone carries the body while the other one swings there is
ground, as high as that foot, and so there is nearby. A foot held still in the air beside a standing one
is on none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusion.virtual.bvh import Array

SPEED_ON, SPEED_OFF = 0.35, 0.7
HEIGHT_ON_M, HEIGHT_OFF_M = 0.06, 0.10
"""A foot comes to the ground when heel or toes are below the first speed (m/s) and height, and leaves it when
both are above one of the second. Between stance and swing the sole's speed passes 0.2 to 1 m/s within 30 ms,
so the choice of speeds hardly matters; the heights leave room for soles that markers place to within 2 to 3
cm."""

_AT_REST = 0.25  # m/s
_GROUND_PERCENTILE = 10.0
_ALONE_S = 0.15
"""A foot that stays so long while the other one moves stands: that is longer than the top of a jump takes."""
_NEARBY_M, _AS_HIGH_M = 0.3, 0.06
"""Ground is as high within so far of where a foot stood."""
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
    """Return (T, 2), left and right foot on the ground, whose lowest place is about z = 0.

    Args:
        soles: (T, 2, 2, 3) m, under heel and toes of the left and the right foot.
        rate_hz: rows per second.
    """
    if len(soles) < 3:
        return soles[..., 2].min(axis=-1) < HEIGHT_ON_M
    speed = _speeds(soles, rate_hz)
    slow, fast = np.any(speed < SPEED_ON, axis=-1), np.all(speed > SPEED_OFF, axis=-1)
    stays = np.stack([_hysteresis(slow[:, foot], fast[:, foot]) for foot in (0, 1)], axis=1)
    shortest = round(_SHORTEST_S * rate_hz)
    feet = []
    level = _levels(soles, stays, rate_hz)
    for foot in (0, 1):
        height = soles[:, foot, :, 2] - level[:, foot, None]
        near = np.any((height < HEIGHT_ON_M) & (speed[:, foot] < SPEED_ON), axis=-1)  # heel or toes
        far = np.all((height > HEIGHT_OFF_M) | (speed[:, foot] > SPEED_OFF), axis=-1)
        feet.append(_without_short(_hysteresis(near, far), shortest))
    return np.stack(feet, axis=1)


def _levels(soles: Array, stays: NDArray[np.bool_], rate_hz: float) -> Array:
    """Return (T, 2), how high the ground is under each foot, m, where it stays (T, 2); 0 where not known."""
    runs = [(foot, start, stop) for foot in (0, 1) for start, stop in _runs(stays[:, foot])]
    places = [_place(soles[start:stop, foot]) for foot, start, stop in runs]
    # A foot of which nothing else is known stands on the lowest ground or on none.
    known = [places[n] for n in range(len(runs)) if _alone(stays, *runs[n], rate_hz)]
    stood = np.array(known).reshape(-1, 3)
    level = np.zeros(stays.shape)
    for (foot, start, stop), place in zip(runs, places, strict=True):
        aside = np.linalg.norm(stood[:, :2] - place[:2], axis=-1)
        above = np.abs(stood[:, 2] - place[2])
        if bool(np.any((aside < _NEARBY_M) & (above < _AS_HIGH_M))):
            level[start:stop, foot] = place[2]
    return level


def _place(soles: Array) -> Array:
    """Return where a foot (T, 2, 3) stands that stays: x, y and its lower end's height, m."""
    low = np.percentile(soles[..., 2].min(axis=-1), _GROUND_PERCENTILE)
    return np.array([*np.median(soles.mean(axis=1)[:, :2], axis=0), low])


def _alone(stays: NDArray[np.bool_], foot: int, start: int, stop: int, rate_hz: float) -> bool:
    """Return whether the other foot moves for a while, in one piece, as this one stays."""
    moves = ~stays[start:stop, 1 - foot]
    return any(b - a >= _ALONE_S * rate_hz for a, b in _runs(moves))


def _runs(state: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first rows and ends of the runs in which a state (T,) holds."""
    edges = np.flatnonzero(np.diff(np.r_[0, state.astype(np.int8), 0]))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


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
