"""Several calibrated cameras -> what the reference camera's features can tell with their help.

::

    each camera's key points, at ages of their own --> rays --> at one moment --> where they meet (geometry)
                                                                                        |
      reference camera: depth of joints that two see; places of joints that it does not see itself

The moment is that of the reference camera's newest frame, or of the newest of the others where it sees
nobody. Joints that no two cameras see are placed by the depth that one of the others tells, less surely. All
arrays may have any leading axes: a tick of a live run, or all ticks of many windows.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fusion.geometry.meet import Met, meet

Floats = NDArray[np.float64]

SHARPEST, SPREAD = 0.012, 0.4
"""Error of a key point beyond what its heatmap tells, box sizes, and the share of the heatmap's width that
is error: fitted to BlazePose (docs/fusion.md), whose heatmaps are two to three times too wide."""
CALIBRATION = 0.002
"""Error of rays by lenses and places of cameras that are not quite as calibrated, rad."""
LATE_S = 0.2
"""The reference camera is not waited for longer than so while others see the person."""
APART_S = 0.15
"""Frames farther from the moment are not of that moment; nearer ones are believed the less the farther."""
STRAIGHT_S = 0.05
"""For so long joints are taken to go straight on."""
ALIKE_S = 0.02
"""Frames that far from it are taken as they are where there is no frame before."""
JOLT = 1.5
"""Acceleration, and a tenth of it speed, in rays/s²: what a straight line between frames leaves out."""
DEPTH_M = 0.08
"""Standard deviation up to which a depth is better than what one camera guesses."""
LIFTED_M = 0.12
"""Error of the depth of a joint from the pelvis that one camera tells."""
BOX_M = 1.6
"""Length of a person's box where nothing else tells how far they are."""
ANCHOR_S = 2.0
"""How long the pelvis is taken to be about where two cameras saw it last."""
PELVIS = 0


class Rig(Protocol):
    """Calibrated cameras, the reference first; picture places are widths from the middle.

    Attributes:
        turns: (..., C, 3, 3) world to camera.
        shifts: (..., C, 3) m.
        focal: (..., C) focal length, widths.
    """

    turns: Floats
    shifts: Floats
    focal: Floats

    def straight(self, places: Floats) -> Floats:
        """Return rays (..., C, J, 2) on the plane at depth 1 of places (..., C, J, 2)."""
        ...

    def bent(self, rays: Floats) -> Floats:
        """Return the reference camera's places (..., J, 2) of rays (..., J, 2)."""
        ...


@dataclasses.dataclass(frozen=True)
class Looks:
    """What C cameras tell of 20 joints, on the planes at depth 1 of their frames.

    Attributes:
        rays: (..., C, 20, 2).
        variance: (..., C, 20, 3) var_x, cov_xy, var_y of the heatmaps.
        told: (..., C, 20, 4) peak, visibility, depth from the pelvis in m, whether depth is known.
        present: (..., C, 20) bool.
        size: (..., C) of the person's box.
        age: (..., C) s.
    """

    rays: Floats
    variance: Floats
    told: Floats
    present: NDArray[np.bool_]
    size: Floats
    age: Floats


class Merged(NamedTuple):
    """What the reference camera's features tell with the help of the others.

    Attributes:
        vision: (..., 20, 9) as of ``vision``, but x, y in widths from the middle and variances in widths².
        present: (..., 20) bool.
        age: (...) s.
        own: (...) bool, whether the reference camera sees the person itself.
        world: (..., 20, 3) m from the pelvis, axes of the reference camera.
        world_known: (..., 20) bool.
    """

    vision: Floats
    present: NDArray[np.bool_]
    age: Floats
    own: NDArray[np.bool_]
    world: Floats
    world_known: NDArray[np.bool_]


def looks(vision: NDArray, present: NDArray, age: NDArray, box: NDArray, rig: Rig) -> Looks:
    """Return what cameras tell, from features ``vision`` ... ``box`` (..., C, ...) of each."""
    vision, box = np.asarray(vision, np.float64), np.asarray(box, np.float64)
    size = box[..., 2] / rig.focal
    places = vision[..., :2] * box[..., None, 2:] + box[..., None, :2]
    told = vision[..., [2, 6, 7, 8]]
    variance = vision[..., 3:6] * (size**2)[..., None, None]
    seen = np.asarray(present) > 0.5
    return Looks(rig.straight(places), variance, told, seen, size, np.asarray(age, np.float64))


def moment_of(age: Floats, present: NDArray[np.bool_]) -> Floats:
    """Return the age (...) of the moment to look at, s.

    Args:
        age: (..., C) of each camera's newest frame.
        present: (..., C, 20) whom it shows.
    """
    ages = np.where(present.any(axis=-1), age, np.inf)
    others = ages[..., 1:].min(axis=-1)
    moment = np.where(ages[..., 0] <= others + LATE_S, ages[..., 0], others)
    return np.where(np.isfinite(moment), moment, age[..., 0])


def between(early: Looks, late: Looks, moment: Floats) -> Looks:
    """Return the looks at a moment of age (...), on the straight line through two frames of each camera.

    Args:
        early: of the frame before the moment; where both frames are, of the one before that.
        late: of the frame after the moment, or of the newest one.
        moment: its age, s.
    """
    after = (late.age - moment[..., None])[..., None]  # of the moment after the late frame, s
    span = np.maximum((early.age - late.age)[..., None], 1e-4)
    beyond = np.maximum(after, -after - span)  # how far outside of the two
    line = late.present & early.present & (beyond <= APART_S) & (span <= LATE_S)
    part = np.where(line & (np.abs(after) > 1e-3), np.clip(after, -span - STRAIGHT_S, STRAIGHT_S) / span, 0.0)
    alone = np.abs(after) <= ALIKE_S
    rays = late.rays + part[..., None] * (late.rays - early.rays)
    variance = (1 + part[..., None]) ** 2 * late.variance + part[..., None] ** 2 * early.variance
    jolt = np.where(line, 0.5 * JOLT * np.abs(after * (after + span)), 0.1 * JOLT * np.abs(after))
    variance = variance + (jolt**2)[..., None] * np.array([1.0, 0.0, 1.0]) / SPREAD**2
    return dataclasses.replace(
        late,
        rays=rays,
        variance=variance,
        present=late.present & (line | alone),
        age=np.broadcast_to(moment[..., None], late.age.shape),
    )


def met(seen: Looks, rig: Rig) -> Met:
    """Return where the rays of looks at one moment meet."""
    spread = 0.5 * (seen.variance[..., 0] + seen.variance[..., 2])
    floor = (SHARPEST * seen.size)[..., None] ** 2 + CALIBRATION**2
    deviation = np.sqrt(SPREAD**2 * spread + floor) / np.clip(seen.told[..., 1], 0.2, 1.0)
    return meet(rig.turns, rig.shifts, seen.rays, deviation, seen.present)


def merged(seen: Looks, found: Met, rig: Rig, anchor: Floats) -> Merged:
    """Return the reference camera's features with the help of the others.

    Args:
        seen: looks at one moment.
        found: where their rays meet.
        rig: the cameras.
        anchor: (..., 3) m, world: where the pelvis is or was last; NaN: unknown.
    """
    own = seen.present[..., 0, :]
    places, covariance, known = _placed(seen, found, rig, anchor)
    turn, shift = rig.turns[..., None, 0, :, :], rig.shifts[..., None, 0, :]
    at = (turn @ places[..., None])[..., 0] + shift
    known = known & (at[..., 2] > 0.2)
    depth = np.where(known, at[..., 2], 1.0)
    ray = at[..., :2] / depth[..., None]
    slope = (turn[..., :2, :] - ray[..., None] * turn[..., 2:, :]) / depth[..., None, None]
    across = slope @ covariance @ np.swapaxes(slope, -1, -2)
    along = (turn[..., 2:, :] @ covariance @ np.swapaxes(turn[..., 2:, :], -1, -2))[..., 0, 0]
    aside = own & ~found.used[..., 0, :] & (found.used.sum(axis=-2) >= 2)
    filled = known & (~own | aside)
    deep = known & known[..., [PELVIS]] & (filled | (along < DEPTH_M**2))
    best = np.where(seen.present, seen.told[..., 1], -1.0).argmax(axis=-2)
    others = np.take_along_axis(seen.told, best[..., None, :, None], axis=-3)[..., 0, :, :]
    told = np.where(filled[..., None], others, seen.told[..., 0, :, :])
    spread = np.stack([across[..., 0, 0], across[..., 0, 1], across[..., 1, 1]], axis=-1) / SPREAD**2
    spread = np.where(filled[..., None], spread, seen.variance[..., 0, :, :])
    vision = np.zeros((*own.shape, 9))
    vision[..., :2] = rig.bent(np.where(filled[..., None], ray, seen.rays[..., 0, :, :]))
    vision[..., 2], vision[..., 6] = told[..., 0], told[..., 1]
    vision[..., 3:6] = spread * (rig.focal[..., 0] ** 2)[..., None, None]
    vision[..., 7] = np.where(deep, at[..., 2] - at[..., [PELVIS], 2], told[..., 2] * ~filled)
    measured = np.where(found.known & found.known[..., [PELVIS]], 2.0, 1.0)
    vision[..., 8] = np.where(deep, measured, told[..., 3] * ~filled)
    present = own | filled
    world = np.where(deep[..., None], at - at[..., [PELVIS], :], 0.0)
    vision *= present[..., None]
    return Merged(vision, present, seen.age[..., 0], np.asarray(own.any(axis=-1)), world, deep & present)


def _placed(seen: Looks, found: Met, rig: Rig, anchor: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return places (..., 20, 3), covariances and who is known: what two see, and else what one tells."""
    in_camera = (rig.turns @ anchor[..., None, :, None])[..., 0] + rig.shifts
    usual = BOX_M / np.maximum(seen.size, 1e-3)
    pelvis = np.where(in_camera[..., 2] > 0.2, in_camera[..., 2], usual)  # NaN is not above 0.2
    depth = pelvis[..., None] + seen.told[..., 2]
    ray = np.concatenate([seen.rays, np.ones_like(depth)[..., None]], axis=-1)
    back = np.swapaxes(rig.turns, -1, -2)[..., None, :, :]
    lifted = (back @ (ray * depth[..., None] - rig.shifts[..., None, :])[..., None])[..., 0]
    way = (back @ ray[..., None])[..., 0]
    can = seen.present & (seen.told[..., 3] > 0.5) & seen.present[..., [PELVIS]] & (depth > 0.2)
    best = np.where(can, seen.told[..., 1], -1.0).argmax(axis=-2)[..., None, :]

    def chosen(x: Floats) -> Floats:
        return np.take_along_axis(x, best.reshape(*best.shape, *[1] * (x.ndim - best.ndim)), best.ndim - 2)[
            ..., 0, :, :
        ]

    way, aside = (
        chosen(way),
        chosen((seen.variance[..., :1] + seen.variance[..., 2:]) * depth[..., None] ** 2),
    )
    covariance = LIFTED_M**2 * way[..., :, None] * way[..., None, :]
    covariance = covariance + 0.5 * SPREAD**2 * aside[..., None] * np.eye(3)
    known = found.known[..., None]
    return (
        np.where(known, found.places, chosen(lifted)),
        np.where(known[..., None], found.covariance, covariance),
        found.known | can.any(axis=-2),
    )
