"""What the person does with the sensor, and how its rows fall into rests and turns.

The sensor lies flat, its z up; it is turned by about 90 degrees about x, y and z in turn (right-handed),
and back
after each. Frames: sensor x, y, z; ``up`` is the direction away from the ground in the sensor's frame.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from fusion.calibrate.rest import moving
from fusion.calibrate.trace import ImuTrace

Array = NDArray[np.float64]

_X, _Y, _Z = np.eye(3)


@dataclasses.dataclass(frozen=True)
class Script:
    """A sequence of turns.

    Attributes:
        up: (n + 1, 3) at each rest.
        turn: (n, 3) axis of each turn, right-handed, in the sensor's frame.
    """

    up: Array
    turn: Array


SCRIPT = Script(
    np.array([_Z, _Y, _Z, -_X, _Z, _Z, _Z]),
    np.array([_X, -_X, _Y, -_Y, _Z, -_Z]),
)
"""About x, y and z by +90 degrees, each time there and back."""

WORDS: tuple[str, ...] = (
    "Lay the sensor flat on the desk, its print up (z up), and let go.",
    "Turn it a quarter about its x axis, so that its y arrow points up. Hold it.",
    "Lay it back flat as before.",
    "Turn it a quarter about its y axis, so that its x arrow points down. Hold it.",
    "Lay it back flat as before.",
    "Leave it flat and turn it a quarter about z, counter-clockwise seen from above.",
    "Turn it back.",
)
"""What to do, to a person; one rest each."""

SMOOTH_S = 0.4
STILL = 0.12
"""Of the angular rate of the turns: less is at rest, in a hand, too."""
REST_S = 0.6
TURN_DEG = 40.0
"""A smaller turn is none; each should be 90 degrees, and people do 60 to 120."""


@dataclasses.dataclass(frozen=True)
class Played:
    """What the sensor read of it, in its own units and axes.

    Attributes:
        rests: (k, 2) first and last row of each rest.
        force: (k, 3) mean of each rest.
        turns: (k - 1, 3) integral of the angular rate, less its bias, from rest to rest.
        bias: (3,) of the angular rate.
    """

    rests: NDArray[np.int64]
    force: Array
    turns: Array
    bias: Array


def played(trace: ImuTrace, step_s: float) -> Played | None:
    """Return the rests and turns, or None where nothing was turned.

    Units are not known yet: what a turn is, is told from the largest ones.

    Args:
        step_s: true time from row to row, s.
    """
    if len(trace) < 50:
        return None
    half = max(1, round(SMOOTH_S / step_s / 2))
    spread = moving(trace.rate, half)[1].sum(axis=1)
    quiet = spread <= np.quantile(spread, 0.1)
    bias = np.median(trace.rate[quiet], axis=0)
    smooth, _ = moving(trace.rate - bias, half)
    size = np.linalg.norm(smooth, axis=1)
    top = np.quantile(size, 0.97)
    if top <= 0:
        return None
    still = size < STILL * top
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(int)))
    spans = [
        (int(first), int(last))
        for first, last in zip(edges[::2], edges[1::2], strict=True)
        if (last - first) * step_s >= REST_S
    ]
    if len(spans) < 2:
        return None
    sums = np.vstack([np.zeros(3), np.cumsum((trace.rate - bias) * step_s, axis=0)])
    turned = np.linalg.norm(np.diff([sums[(a + b) // 2] for a, b in spans], axis=0), axis=1)
    scale = np.median(turned[turned > 0.4 * turned.max()]) / 90.0
    kept = [spans[0]]
    for span in spans[1:]:  # what lies between rests without a turn is one rest
        middle = sum(kept[-1]) // 2
        if np.linalg.norm(sums[sum(span) // 2] - sums[middle]) < TURN_DEG * scale:
            if span[1] - span[0] > kept[-1][1] - kept[-1][0]:
                kept[-1] = span
        else:
            kept.append(span)
    rests = np.array(kept)
    force = np.array([trace.force[a:b].mean(axis=0) for a, b in kept])
    turns = np.diff([sums[(a + b) // 2] for a, b in kept], axis=0)
    return Played(rests, force, turns, bias)
