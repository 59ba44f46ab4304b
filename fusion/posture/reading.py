"""What rules look at: joint angles, and measures against the vertical and the ground plane."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.posture.angles import ANGLES, Neutral, of_joints, of_rotations
from fusion.posture.frames import Array, across, joint, segment, trunk, unit


@dataclasses.dataclass(frozen=True)
class Measure:
    """A measure beside the angles.

    Attributes:
        name: of the measure.
        unit: ``deg``, ``m`` or ``1``.
        positive: what a positive value means.
    """

    name: str
    unit: str
    positive: str


def _sides(name: str, unit: str, positive: str) -> tuple[Measure, ...]:
    return tuple(Measure(f"{side}_{name}", unit, positive) for side in ("left", "right"))


MEASURES: tuple[Measure, ...] = (
    Measure("trunk_inclination", "deg", "leans forward"),
    Measure("trunk_side_lean", "deg", "leans to the right"),
    Measure("head_inclination", "deg", "head forward; 0 as in upright stance"),
    Measure("shoulder_tilt", "deg", "right shoulder higher"),
    Measure("hip_tilt", "deg", "right hip higher"),
    Measure("knees_to_ankles", "1", "distance of the knees over that of the ankles, sideways"),
    *_sides("thigh_inclination", "deg", "knee before the hip: 0 standing, 90 level"),
    *_sides("knee_past_toes", "m", "knee before the middle of the toes, along the ground"),
    *_sides("knee_inward", "m", "knee inwards of the middle of hip and ankle, seen from the front"),
    *_sides("foot_pitch", "deg", "heel higher than in stance"),
)
"""Measures against the vertical."""

UNITS: dict[str, str] = {angle.name: "deg" for angle in ANGLES} | {m.name: m.unit for m in MEASURES}
"""Unit of every value of a :class:`Reading`."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """All angles and measures of one or many moments.

    Attributes:
        values: each of :data:`UNITS` by name; scalars or (...), NaN where it cannot be told.
        told_by: ``rotations`` or ``joints``: what the joint angles are from.
    """

    values: Mapping[str, Array]
    told_by: str

    def __getitem__(self, name: str) -> Array:
        """Return the value of one name; ``left_`` and ``right_`` ones by their full name."""
        return self.values[name]


def read(
    joints: NDArray[np.floating[Any]],
    up: NDArray[np.floating[Any]],
    rotations: NDArray[np.floating[Any]] | None = None,
    neutral: Neutral | None = None,
) -> Reading:
    """Return all that joints, and rotations where there are some, tell.

    Args:
        joints: (..., 20, 3) m, any right-handed axes.
        up: (..., 3) the vertical in the same axes.
        rotations: (..., 15, 3, 3) of segments to the same axes; None where they are not known.
        neutral: of the body, for what is told from joints.
    """
    neutral = neutral or Neutral()
    if rotations is None:
        angles, told = of_joints(joints, neutral), "joints"
    else:
        angles, told = of_rotations(rotations), "rotations"
    vertical = unit(np.asarray(up, np.float64))
    values = (
        angles | _trunk(joints, vertical, rotations, neutral) | _legs(joints, vertical, rotations, neutral)
    )
    return Reading(values, told)


def _lean(line: Array, forward: Array, up: Array) -> Array:
    return np.degrees(np.arctan2(np.sum(line * forward, axis=-1), np.sum(line * up, axis=-1)))


def _rise(line: Array, up: Array) -> Array:
    """Return by how many degrees a line rises above the level."""
    along = np.linalg.norm(across(line, up), axis=-1)
    return np.degrees(np.arctan2(np.sum(line * up, axis=-1), along))


def _trunk(
    joints: NDArray[np.floating[Any]],
    up: Array,
    rotations: NDArray[np.floating[Any]] | None,
    neutral: Neutral,
) -> dict[str, Array]:
    body = trunk(joints)
    right = unit(across(body[..., :, 2], up))
    forward = np.cross(up, right)
    line = body[..., :, 1]
    if rotations is not None:
        head = _lean(segment(rotations, "head")[..., :, 1], forward, up)
    else:
        above = unit(joint(joints, "head") - joint(joints, "neck"))
        head = _lean(above, forward, up) - neutral.head_deg
    return {
        "trunk_inclination": _lean(line, forward, up),
        "trunk_side_lean": _lean(line, right, up),
        "head_inclination": head,
        "shoulder_tilt": _rise(joint(joints, "right_shoulder") - joint(joints, "left_shoulder"), up),
        "hip_tilt": _rise(joint(joints, "right_hip") - joint(joints, "left_hip"), up),
    }


def _legs(
    joints: NDArray[np.floating[Any]],
    up: Array,
    rotations: NDArray[np.floating[Any]] | None,
    neutral: Neutral,
) -> dict[str, Array]:
    out: dict[str, Array] = {}
    right = unit(across(joint(joints, "right_hip") - joint(joints, "left_hip"), up))
    forward = np.cross(up, right)
    for side, way in (("left", -1.0), ("right", 1.0)):
        hip, knee, ankle, toes = (
            joint(joints, f"{side}_{part}") for part in ("hip", "knee", "ankle", "foot")
        )
        out[f"{side}_thigh_inclination"] = _lean(knee - hip, forward, -up)
        ahead = unit(across(toes - ankle, up))
        out[f"{side}_knee_past_toes"] = np.sum((knee - toes) * ahead, axis=-1)
        # Not the angle of the projections: a thigh that is level has none to the front.
        out[f"{side}_knee_inward"] = np.sum((knee - 0.5 * (hip + ankle)) * -way * right, axis=-1)
        if rotations is not None:
            out[f"{side}_foot_pitch"] = -_rise(segment(rotations, f"{side}_foot")[..., :, 0], up)
        else:
            out[f"{side}_foot_pitch"] = -_rise(toes - ankle, up) - neutral.foot_deg
    knees = np.sum((joint(joints, "right_knee") - joint(joints, "left_knee")) * right, axis=-1)
    ankles = np.sum((joint(joints, "right_ankle") - joint(joints, "left_ankle")) * right, axis=-1)
    out["knees_to_ankles"] = np.where(
        np.abs(ankles) > 0.05, knees / np.where(ankles == 0, 1.0, ankles), np.nan
    )
    return out
