"""When hands meet, or a hand stops, seen in key points; to a part of a frame.

::

    apart = left - right, px        s = apart along its own direction
      \\                ___            \\              s(t) = rest + a (t0 - t)^p      before t0
       \\___       ____/                \\_.__/               rest                    for a rest of w
        t0  w    /                      t0 w                rest + b (t - t0 - w)^q   after it

Hands that clap close fast, stop together, and part. The instant is t0, where the closing ends. How it
ends (a corner, p = 1, or a soft stop, p = 2) and how long they stay are the person's way to clap: they are
fitted to all claps together, while t0, the rest and both speeds are each clap's own. Frames in which
a hand is hidden are left out; the flanks tell enough. A hand that taps something is the same with its
way in place of the distance, and no parting.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from recordings.latency.estimate import Fit, vertex
from recordings.latency.events import CLOSEST_S, Array, Events, apart

SIDE_S = 0.4
"""Hands must have been farther apart within this long before and after they met, s."""
DEPTH = 0.2
"""By this share of the usual distance (its 90th percentile) at least."""
CLOSED = 0.15
"""Hands count as closed from when this share of the way is left."""
CROSSING_S = 0.1
"""Hands that point the other way so long after passed each other, as in walking; they did not meet, s."""
BEFORE_S, AFTER_S = 0.16, 0.2
"""Span of frames about a meeting that is fitted, s."""
EARLY_S, LATE_S, GRID_S = 0.08, 0.08, 0.002
"""The instant is looked for from so early to so late about its first guess, on this grid, s."""
NOISE_PX, MISFIT = 0.3, 0.03
"""No key point is better than this, px; no clap follows a shape better than by this share of its depth."""
DOUBT = 0.06
"""Ways to clap are in doubt that explain a frame's place worse by not much more than this log likelihood."""
_STOP_S = 0.1


@dataclasses.dataclass(frozen=True)
class Shape:
    """A way to clap: power of both flanks, s after which each flattens, s of rest.

    ``parts`` False: a tap, after which the hand stays.
    """

    power: float
    closing_s: float
    parting_s: float
    rest_s: float
    parts: bool = True


_FLANKS = (0.05, 0.075, 0.11, 0.17, 0.4)
SOFT: tuple[Shape, ...] = tuple(
    Shape(power, flank, flank, 0.0) for power in (1.4, 2.0) for flank in np.geomspace(0.05, 0.4, 11).tolist()
)
_SHARP = tuple(
    Shape(1.0, closing, parting, rest)
    for n, closing in enumerate(_FLANKS)
    for parting in _FLANKS[max(n - 1, 0) :]
    for rest in (0.0, 0.03, 0.06, 0.1, 0.15)
)
CLAPS: tuple[Shape, ...] = SOFT + _SHARP
"""Either smooth, and then the same before and after the instant, or sharp. Who closes the hands softly and
holds them makes no sound, so that there is no instant to be found."""
SHARP = 0.045
"""By how much the log likelihood of each frame must gain before a clap counts as sharp: in few frames a soft
one looks as well like the sharp ends of a short rest."""
TAPS: tuple[Shape, ...] = tuple(
    Shape(power, closing, 1.0, _STOP_S, parts=False) for power in (1.0, 1.4, 2.0) for closing in _FLANKS
)


def meetings(times: Array, between: Array) -> Events:
    """Find where hands meet.

    Args:
        times: (F,) s, increasing.
        between: (F, 2) px from the right hand to the left; not finite where either is not seen.

    Returns:
        times in s to the nearest frame, strengths as shares of the usual distance.
    """
    times, between = _seen(times, between)
    if len(times) < 8:
        return Events.none()
    distance = np.linalg.norm(between, axis=1)
    usual = float(np.percentile(distance, 90))
    noise = float(np.median(np.abs(np.diff(distance, 3)))) / np.sqrt(20) * 1.4826
    found, depth = [], []
    for i in range(2, len(times) - 2):
        low, high = np.searchsorted(times, (times[i] - CLOSEST_S, times[i] + CLOSEST_S))
        if distance[i] > distance[low:high].min():
            continue
        first, last = np.searchsorted(times, (times[i] - SIDE_S, times[i] + SIDE_S))
        before, after = distance[first:i], distance[i + 1 : last]
        if not len(before) or not len(after):
            continue
        deep = min(before.max(), after.max()) - distance[i]
        a, b = np.searchsorted(times, (times[i] - CROSSING_S, times[i] + CROSSING_S))
        passed = float(between[a] @ between[min(b, len(times) - 1)]) < 0
        if deep > max(DEPTH * usual, 6 * noise) and not passed:
            near = distance[first : i + 1] > distance[i] + CLOSED * deep
            found.append(first + int(np.flatnonzero(near)[-1]) + 1)
            depth.append(deep / max(usual, 1e-9))
    at, strength = times[found], np.array(depth)
    kept = apart(at, strength, CLOSEST_S)
    return Events(at[kept], strength[kept])


def stops(times: Array, hand: Array) -> Events:
    """Find where a hand that moved fast stops.

    Args:
        times: (F,) s, increasing.
        hand: (F, 2) px; not finite where it is not seen.

    Returns:
        times in s to the nearest frame, strengths in px/s of speed lost.
    """
    times, hand = _seen(times, hand)
    if len(times) < 8:
        return Events.none()
    speed = np.linalg.norm(np.diff(hand, axis=0), axis=1) / np.diff(times)
    middle = (times[1:] + times[:-1]) / 2
    lost = np.zeros(len(times))
    for i in range(2, len(times) - 2):
        a, b, c = np.searchsorted(middle, (times[i] - _STOP_S, times[i], times[i] + _STOP_S))
        if b > a and c > b:
            fast, slow = float(speed[a:b].max()), float(np.median(speed[b:c]))
            lost[i] = fast - slow if slow < 0.3 * fast else 0.0
    usual = float(np.median(speed))
    found = np.flatnonzero(lost > max(4 * usual, 1e-9))
    kept = apart(times[found], lost[found], CLOSEST_S)
    return Events(times[found][kept], lost[found][kept])


def fit(
    times: Array, way: Array, near: Array, shapes: tuple[Shape, ...] = CLAPS, *, locked: bool = False
) -> Fit:
    """Return the instants of meetings, finer than frames.

    Args:
        times: (F,) s, increasing.
        way: (F, 2) px from hand to hand, or the place of a hand; not finite where it is not seen.
        near: (E,) s, to about a frame; all of one person and camera.
        shapes: :data:`CLAPS` or :data:`TAPS`.
        locked: the guesses all err by the same (they are another stream's instants, shifted): frames of
            all meetings then tell the shape together, as if one had been filmed at E times the rate.
    """
    times, way = _seen(times, way)
    out, doubt = np.array(near, np.float64), 0.0
    sure = np.zeros(len(out), bool)
    for first, (early, late) in ((True, (EARLY_S, LATE_S)), (False, (LATE_S / 2, LATE_S / 2))):
        shifts = np.arange(-early, late + GRID_S / 2, GRID_S)
        costs = [_costs(times, way, float(one), shapes, shifts) for one in out]
        known = np.array([cost is not None for cost in costs], bool)
        if not known.any():
            break
        stacked = np.array([cost for cost in costs if cost is not None])  # (E, shapes, shifts)
        frames = sum(int(((times > one - BEFORE_S) & (times < one + AFTER_S)).sum()) for one in out[known])
        together = stacked.sum(axis=0)
        total = together.min(axis=1) if locked else stacked.min(axis=2).sum(axis=0)
        total = total + SHARP * frames * np.array([one.parts and one.power == 1.0 for one in shapes])
        shape = int(total.argmin())
        if locked and first:
            out += shifts[together[shape].argmin()]
        else:
            lowest = stacked[:, shape].argmin(axis=1)
            out[known] += shifts[lowest] + GRID_S * vertex(stacked[:, shape], lowest)
            sure[:] = False
            sure[known] = (lowest > 0) & (lowest < len(shifts) - 1)
        weight = np.exp(-(total - total[shape]) / (DOUBT * frames))
        places = shifts[together.argmin(axis=1)]
        doubt = float(np.sqrt(np.average((places - places[shape]) ** 2, weights=weight)))
    return Fit(out, sure, doubt)


def _costs(
    times: Array, way: Array, near: float, shapes: tuple[Shape, ...], shifts: Array
) -> NDArray[np.float64] | None:
    """Return n/2 log RSS (shapes, shifts) of one meeting's fit, or None where there are too few frames."""
    first, last = np.searchsorted(times, (near - BEFORE_S - 1e-9, near + AFTER_S + 1e-9))
    since, rows = times[first:last] - near, way[first:last]
    if (since < 0).sum() < 2 or (since > 0).sum() < 2 or len(since) < 5:
        return None
    along = _along(rows)
    floor = len(since) * (NOISE_PX**2 + (MISFIT * float(np.ptp(along))) ** 2)
    out = np.empty((len(shapes), len(shifts)))
    for number, shape in enumerate(shapes):
        before = np.maximum(shifts[:, None] - since[None, :], 0.0)
        after = np.maximum(since[None, :] - shifts[:, None] - shape.rest_s, 0.0)
        columns = [np.ones_like(before), _flank(before / shape.closing_s, shape.power)]
        if shape.parts:
            columns.append(_flank(after / shape.parting_s, shape.power))
        design = np.stack(columns, axis=-1)  # (shifts, n, 2 or 3)
        square = np.swapaxes(design, 1, 2) @ design + 1e-9 * np.eye(len(columns))
        solved = np.linalg.solve(square, np.swapaxes(design, 1, 2) @ along[:, None])
        left = ((along - (design @ solved)[..., 0]) ** 2).sum(axis=1)
        cost = 0.5 * len(since) * np.log(left + floor)
        wrong = (solved[:, 1:, 0] < 0).any(axis=1)  # hands that part before they meet
        out[number] = np.where(wrong, cost + 10.0 * len(since), cost)
    return out


def _flank(since: Array, power: float) -> Array:
    return -np.expm1(-(since**power))


def _along(rows: Array) -> Array:
    """Return (n,) px along the direction in which the way (n, 2) changes most, falling towards the middle."""
    centred = rows - rows.mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    along = centred @ direction
    third = max(len(along) // 3, 1)
    inner = along[third : len(along) - third].mean() if len(along) > 2 * third else along.mean()
    return along if along[:third].mean() >= inner else -along


def _seen(times: Array, places: Array) -> tuple[Array, Array]:
    times, places = np.asarray(times, np.float64), np.asarray(places, np.float64)
    seen = np.isfinite(places).all(axis=1) & np.isfinite(times)
    times, places = times[seen], places[seen]
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(times)) > 0]) if len(times) else seen[:0]
    return times[rising], places[rising]
