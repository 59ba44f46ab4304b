"""Motion capture without the tremble of its markers, on a body that stays the same.

Frames of segments and the way of the pelvis are low-passed, and so is where each place sits in its segment's
frame, which hardly changes. Places themselves would cut the corners of quick swings: bones would shrink.
"""

from __future__ import annotations

import numpy as np

from fusion.segments import SEGMENT
from fusion.virtual.anatomy import Points
from fusion.virtual.bvh import Array
from fusion.virtual.resample import low_passed, matrices, quaternions, turns_low_passed

_SIDES = ("left", "right")


def calm(points: Points, rate_hz: float) -> Points:
    """Return the points without what is faster than :data:`fusion.virtual.resample.CUT_OFF_HZ`.

    Args:
        points: places and frames, (T, ...).
        rate_hz: rows per second.
    """
    frames = matrices(turns_low_passed(quaternions(points.frames), rate_hz))

    def on(segment: str, place: Array, begin: Array, calm_begin: Array) -> Array:
        """Return a place (T, 3) that sits on a segment whose begin (T, 3) became another."""
        number = SEGMENT[segment]
        local = np.einsum("tji,tj->ti", points.frames[:, number], place - begin)
        return calm_begin + np.einsum("tij,tj->ti", frames[:, number], low_passed(local, rate_hz))

    middle = points.hip.mean(axis=1)
    pelvis = low_passed(middle, rate_hz)

    def pair(segment: str, places: Array, begins: Array, calm_begins: Array) -> Array:
        out = [
            on(f"{side}_{segment}" if segment not in ("pelvis", "chest") else segment, *each)
            for side, each in zip(
                _SIDES, zip(*(np.moveaxis(p, 1, 0) for p in (places, begins, calm_begins)), strict=True),
                strict=True,
            )
        ]  # fmt: skip
        return np.stack(out, axis=1)

    twice, twice_calm = (np.repeat(each[:, None], 2, axis=1) for each in (middle, pelvis))
    hip = pair("pelvis", points.hip, twice, twice_calm)
    knee = pair("thigh", points.knee, points.hip, hip)
    ankle = pair("shin", points.ankle, points.knee, knee)
    shoulder = pair("chest", points.shoulder, twice, twice_calm)
    elbow = pair("upper_arm", points.elbow, points.shoulder, shoulder)
    return Points(
        frames=frames,
        shoulder=shoulder,
        elbow=elbow,
        wrist=pair("forearm", points.wrist, points.elbow, elbow),
        hip=hip,
        knee=knee,
        ankle=ankle,
        skull=on("chest", points.skull, middle, pelvis),
        toes=None if points.toes is None else pair("foot", points.toes, points.ankle, ankle),
    )
