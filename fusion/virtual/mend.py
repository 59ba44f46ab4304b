"""Rows that no body did: T-poses before the motion, limbs that flip for a few rows. Dropped, bridged or cut.

Conversions of motion capture are full of them: a knee's plane found on the wrong side (CMU subject 05), a
rest pose as first row and a blend out of it. A virtual sensor would feel each as a blow of 100 g.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion.virtual.anatomy import Points
from fusion.virtual.bvh import Array
from fusion.virtual.resample import at_times, matrices, quaternions, turns_at_times

JUMP_SPEED, JUMP_DEG_S = 25.0, 6000.0
"""m/s of a joint and deg/s of a segment from one row to the next that no body does: throwing hands reach 15
m/s."""

SHORTEST_S, HOLE_S, BRIDGE_S = 0.25, 0.1, 0.5
"""A stretch between two jumps that is shorter than the first is no motion. A hole is made at least as long as
the second, and bridged if it is no longer than the third."""

SETTLED_SPEED, SETTLE_S = 8.0, 0.3
"""After a jump at the very beginning, motion counts from where it is slower than this (m/s), at most so much
later; no faster may be what is put into a hole."""


class Mended(NamedTuple):
    """What became of a file's rows.

    Attributes:
        points: those that are left; the same object where nothing was wrong.
        bridged: rows that were put between their neighbours.
        dropped: rows at the beginning, at the end, or beyond a jump.
    """

    points: Points
    bridged: int
    dropped: int


def mend(points: Points, rate_hz: float) -> Mended:
    """Return the points without rows that no body did: the longest stretch that can be bridged.

    Args:
        points: places and frames, (T, ...).
        rate_hz: rows per second.
    """
    speed, turning = _speeds(points, rate_hz)
    jumps = np.flatnonzero((speed > JUMP_SPEED) | (turning > JUMP_DEG_S))
    rows = len(points.skull)
    if not len(jumps):
        return Mended(points, 0, 0)
    starts, stops = np.r_[0, jumps + 1], np.r_[jumps + 1, rows]
    good = [
        (int(start), int(stop))
        for start, stop in zip(starts, stops, strict=True)
        if stop - start >= SHORTEST_S * rate_hz
    ]
    if not good:
        return Mended(points, 0, 0)
    if good[0][0] > 0:  # a pose before the motion, which some programs blend out of
        start, stop = good[0]
        ahead = speed[start : min(start + round(SETTLE_S * rate_hz), stop - 1)]
        fast = np.flatnonzero(ahead > SETTLED_SPEED)
        good[0] = (start + (int(fast[-1]) + 1 if len(fast) else 0), stop)
    runs = [[good[0]]]
    for start, stop in good[1:]:
        before = runs[-1][-1]
        lacking = (max(0, round(HOLE_S * rate_hz) - (start - before[1])) + 1) // 2
        if _bridgeable(points, before[1] - lacking, start + lacking, rate_hz):
            runs[-1][-1] = (before[0], before[1] - lacking)
            runs[-1].append((start + lacking, stop))
        else:
            runs.append([(start, stop)])
    run = max(runs, key=lambda r: r[-1][1] - r[0][0])
    kept = np.concatenate([np.arange(start, stop) for start, stop in run])
    whole = np.arange(run[0][0], run[-1][1])
    made = _at_rows(points, kept, whole) if len(kept) < len(whole) else _picked(points, whole)
    return Mended(made, len(whole) - len(kept), rows - len(whole))


def _places(points: Points) -> Array:
    """Return (T, J, 3) m."""
    several = (points.shoulder, points.elbow, points.wrist, points.hip, points.knee, points.ankle)
    return np.concatenate([*several, points.skull[:, None]], axis=1)


def _speeds(points: Points, rate_hz: float) -> tuple[Array, Array]:
    """Return (T - 1,) the fastest joint, m/s, and the fastest turning segment, deg/s, from each row to the
    next."""
    step = np.linalg.norm(np.diff(_places(points), axis=0), axis=-1).max(axis=1)
    frames = points.frames
    cosine = (np.sum(frames[:-1] * frames[1:], axis=(-1, -2)) - 1.0) / 2.0
    angle = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).max(axis=1)
    return step * rate_hz, angle * rate_hz


def _bridgeable(points: Points, stop: int, start: int, rate_hz: float) -> bool:
    """Return whether a body may have come from row ``stop - 1`` to ``start`` in the time between."""
    rows = start - stop + 1
    if rows > BRIDGE_S * rate_hz + 1:
        return False
    places = _places(points)
    way = np.linalg.norm(places[start] - places[stop - 1], axis=-1).max()
    return bool(way * rate_hz / rows < SETTLED_SPEED)


def _picked(points: Points, rows: NDArray[np.intp]) -> Points:
    return points.changed(lambda values: values[rows], lambda frames: frames[rows])


def _at_rows(points: Points, kept: NDArray[np.intp], wanted: NDArray[np.intp]) -> Points:
    """Return rows ``wanted`` of what goes smoothly through rows ``kept``."""
    there, times = kept.astype(np.float64), wanted.astype(np.float64)
    return points.changed(
        lambda values: at_times(there, values[kept], times),
        lambda frames: matrices(turns_at_times(there, quaternions(frames[kept]), times)),
    )
