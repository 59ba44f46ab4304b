"""Paths of joints without what no body does: gaps, jumps and jitter. It looks ahead, so nothing lags."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

LONGEST_GAP_S = 0.25
"""Longer gaps stay gaps."""
NEIGHBOURS = 5
"""Samples to each side that a sample is compared with."""
JUMP = 3.0
"""A sample so many times as far from its neighbours' median as usual is a jump (Hampel)."""
FLOOR_M = 0.005
"""What is nearer to the median than this is no jump."""
UNEVEN = 0.2
"""Distances of samples that differ by more than this part of the usual one are not regular."""
ORDER = 2
"""Of the Butterworth filter; there and back it acts as one of twice the order, without lag."""


def smoothed(
    times: NDArray[np.int64],
    places: NDArray[np.float64],
    cutoff_hz: float = 6.0,
    *,
    floor: float | None = FLOOR_M,
) -> NDArray[np.float64]:
    """Return paths with jumps taken out, short gaps filled, and a zero-phase Butterworth low-pass over them.

    6 Hz is usual for gait (Winter, "Biomechanics and Motor Control of Human Movement"); sports need more.

    Args:
        times: (T,) ns; where they are not regular, paths are filtered on a regular grid.
        places: (T, J, D), m or any unit, NaN where unknown.
        cutoff_hz: of the low-pass; 0: none.
        floor: what is nearer to its neighbours' median is no jump, in the unit of places; None: jumps stay.

    Returns:
        (T, J, D), NaN where a gap is too long.
    """
    seconds = times.astype(np.float64) * 1e-9
    period = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
    out = np.full(places.shape, np.nan)
    for joint in range(places.shape[1]):
        path = places[:, joint]
        known = np.asarray(np.isfinite(path).all(1))
        if floor is not None:
            known &= ~_jumps(path, known, floor)
        for start, stop in _stretches(seconds, known):
            inside = slice(start, stop)
            here = known[inside]
            at, known_at, values = seconds[inside], seconds[inside][here], path[inside][here]
            regular = len(at) < 2 or bool(np.abs(np.diff(at) - period).max() <= UNEVEN * period)
            grid = at if regular else at[0] + period * np.arange(int((at[-1] - at[0]) / period + 1.5))
            low = _low_pass(_between(grid, known_at, values), 1 / period, cutoff_hz)
            out[inside, joint] = low if regular else _between(at, grid, low)
    return out


def _between(
    at: NDArray[np.float64], known_at: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (T, D) values at other times, linearly between those that are known (K, D)."""
    return np.column_stack([np.interp(at, known_at, values[:, i]) for i in range(values.shape[1])])


def _jumps(path: NDArray[np.float64], known: NDArray[np.bool_], floor: float) -> NDArray[np.bool_]:
    jumps = np.zeros(len(path), bool)
    index = np.flatnonzero(known)
    if len(index) < 2 * NEIGHBOURS + 1:
        return jumps
    padded = np.pad(path[index], ((NEIGHBOURS, NEIGHBOURS), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1, axis=0)
    off = np.linalg.norm(path[index] - np.median(windows, axis=-1), axis=1)
    jumps[index] = off > JUMP * 1.4826 * np.median(off) + floor
    return jumps


def _stretches(seconds: NDArray[np.float64], known: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the stretches (start, stop) of a path without long gaps."""
    index = np.flatnonzero(known)
    if not len(index):
        return []
    cuts = np.flatnonzero(np.diff(seconds[index]) > LONGEST_GAP_S) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(index, cuts)]


def _low_pass(path: NDArray[np.float64], rate_hz: float, cutoff_hz: float) -> NDArray[np.float64]:
    if not cutoff_hz or cutoff_hz >= rate_hz / 2 or len(path) <= 6 * ORDER:
        return path
    return sosfiltfilt(butter(ORDER, cutoff_hz, fs=rate_hz, output="sos"), path, axis=0)
