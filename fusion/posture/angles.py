"""Joint angles, named and signed as biomechanics does.

The joint coordinate systems are those of the ISB: Wu et al., J. Biomechanics 35 (2002) 543 for hip, ankle and
spine, 38 (2005) 981 for shoulder, elbow and wrist; the knee is Grood and Suntay's (J. Biomech. Eng. 105,
1983). All but the shoulder turn about z (flexion), then the floating x, then y of the distal segment; the
shoulder is the ISB's y-x-y: plane of elevation, elevation, axial rotation. Left limbs are mirrored, so that a
name means the same on both sides. Where the ISB counts an angle downwards (spine flexion, elevation of the
arm) the sign is turned, so that every angle grows in the direction of its name.

From joints alone these cannot be told, and are NaN: flexion between pelvis and chest (the joint ``spine``
lies on their line by definition), turns of head, forearm, hand and foot about themselves, inversion of the
foot, and whatever a knee or elbow does beside its hinge. Turns of thigh and upper arm about themselves are
told while knee or elbow are bent by 20 degrees or more. Hips are measured against the trunk's line then,
which leans as the pelvis does only while the back is straight.

The planes of an arm that hangs or points straight up are none: within 10 degrees they are NaN.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.posture.frames import Array, across, joint, pelvis, segment, trunk, turned_back, unit

_SIDES = (("left", -1.0), ("right", 1.0))
_BENT, _ELEVATED = 20.0, 10.0  # degrees
FOOT_DEG, HEAD_DEG = 17.0, 9.0
"""How far ankle to toes points below the level, and neck to head before the vertical, in upright stance: of
the anatomical proportions of :mod:`fusion.virtual.anatomy` and the simulator. For one's own body
:func:`neutral_of`."""


@dataclasses.dataclass(frozen=True)
class Angle:
    """One angle.

    Attributes:
        name: such as ``left_knee_flexion``.
        positive: what a positive value means.
        from_joints: whether joints alone tell it.
    """

    name: str
    positive: str
    from_joints: bool


def _limbs() -> list[Angle]:
    rows = (
        ("hip_flexion", "thigh forward", True),
        ("hip_adduction", "thigh towards the other", True),
        ("hip_rotation", "thigh turned inwards", True),
        ("knee_flexion", "bent", True),
        ("knee_adduction", "shin towards the other side", False),
        ("knee_rotation", "shin turned inwards", False),
        ("ankle_dorsiflexion", "toes up", True),
        ("ankle_inversion", "sole inwards", False),
        ("ankle_rotation", "toes inwards", False),
        ("shoulder_plane", "plane of elevation: 0 sideways, 90 forward", True),
        ("shoulder_elevation", "arm up; 0 hangs along the trunk", True),
        ("shoulder_rotation", "upper arm turned inwards", True),
        ("shoulder_flexion", "arm forward", True),
        ("shoulder_adduction", "arm towards the body", True),
        ("shoulder_axial", "upper arm turned inwards, of z-x-y", False),
        ("elbow_flexion", "bent", True),
        ("forearm_pronation", "palm down; 0 has the thumb forward", False),
        ("wrist_flexion", "towards the palm", False),
        ("wrist_radial", "towards the thumb", False),
    )
    return [Angle(f"{side}_{name}", sign, told) for side, _ in _SIDES for name, sign, told in rows]


ANGLES: tuple[Angle, ...] = (
    Angle("trunk_flexion", "chest forward of the pelvis", False),
    Angle("trunk_bending", "to the right", True),
    Angle("trunk_rotation", "to the left", True),
    Angle("neck_flexion", "head forward of the chest", True),
    Angle("neck_bending", "to the right", True),
    Angle("neck_rotation", "to the left", False),
    *_limbs(),
)
"""All angles, degrees. ``shoulder_flexion``, ``_adduction`` and ``_axial`` are the arm once more as z-x-y, as
OpenSim's models have it; ``_plane``, ``_elevation`` and ``_rotation`` are the ISB's."""


@dataclasses.dataclass(frozen=True)
class Neutral:
    """Lines between joints in upright stance, degrees: see :data:`FOOT_DEG` and :data:`HEAD_DEG`."""

    foot_deg: float = FOOT_DEG
    head_deg: float = HEAD_DEG


def neutral_of(offsets: NDArray[np.floating[Any]]) -> Neutral:
    """Return them of a body whose offsets (20, 3) are known: :class:`fusion.virtual.motion.Skeleton`."""
    toes = 0.5 * (joint(offsets, "left_foot") + joint(offsets, "right_foot"))
    chest = joint(offsets, "neck") - 0.5 * (
        joint(offsets, "left_shoulder") + joint(offsets, "right_shoulder")
    )
    head = joint(offsets, "head") + chest
    return Neutral(
        float(np.degrees(np.arctan2(-toes[2], toes[0]))), float(np.degrees(np.arctan2(head[0], head[2])))
    )


def of_rotations(rotations: NDArray[np.floating[Any]]) -> dict[str, Array]:
    """Return each of :data:`ANGLES` (...), degrees, of rotations (..., 15, 3, 3) of segments to any axes."""
    frame = {name: segment(rotations, name) for name in ("pelvis", "chest", "head")}
    out: dict[str, Array] = {}
    for part, above, below in (("trunk", "chest", "pelvis"), ("neck", "head", "chest")):
        flexion, bending, rotation = _zxy(frame[below], frame[above])
        out |= {f"{part}_flexion": -flexion, f"{part}_bending": bending, f"{part}_rotation": rotation}
    for side, way in _SIDES:
        limb = {
            name: segment(rotations, f"{side}_{name}")
            for name in ("thigh", "shin", "foot", "upper_arm", "forearm", "hand")
        }
        found: dict[str, Array] = {}
        a, b, c = _zxy(frame["pelvis"], limb["thigh"])
        found |= {"hip_flexion": a, "hip_adduction": way * b, "hip_rotation": way * c}
        a, b, c = _zxy(limb["thigh"], limb["shin"])
        found |= {"knee_flexion": -a, "knee_adduction": way * b, "knee_rotation": way * c}
        a, b, c = _zxy(limb["shin"], limb["foot"])
        found |= {"ankle_dorsiflexion": a, "ankle_inversion": way * b, "ankle_rotation": way * c}
        found |= _shoulder(frame["chest"], limb["upper_arm"], way)
        a, b, c = _zxy(frame["chest"], limb["upper_arm"])
        found |= {"shoulder_flexion": a, "shoulder_adduction": way * b, "shoulder_axial": way * c}
        a, _, c = _zxy(limb["upper_arm"], limb["forearm"])
        found |= {"elbow_flexion": a, "forearm_pronation": way * c}
        a, b, _ = _zxy(limb["forearm"], limb["hand"])
        found |= {"wrist_flexion": way * b, "wrist_radial": a}
        out |= {f"{side}_{name}": value for name, value in found.items()}
    return out


def of_joints(joints: NDArray[np.floating[Any]], neutral: Neutral | None = None) -> dict[str, Array]:
    """Return each of :data:`ANGLES` (...), degrees, that joints (..., 20, 3) tell, the others as NaN.

    Args:
        joints: m, any right-handed axes.
        neutral: of the body; by default of usual proportions.
    """
    neutral = neutral or Neutral()
    hips, chest = pelvis(joints), trunk(joints)
    untold = np.full(np.shape(joints)[:-2], np.nan)
    out = {angle.name: untold for angle in ANGLES}
    up = turned_back(hips, chest[..., :, 1])
    out["trunk_bending"] = np.degrees(np.arctan2(up[..., 2], up[..., 1]))
    right = turned_back(hips, across(chest[..., :, 2], hips[..., :, 1]))
    out["trunk_rotation"] = np.degrees(np.arctan2(right[..., 0], right[..., 2]))
    head = turned_back(chest, unit(joint(joints, "head") - joint(joints, "neck")))
    out["neck_flexion"] = np.degrees(np.arctan2(head[..., 0], head[..., 1])) - neutral.head_deg
    out["neck_bending"] = np.degrees(np.arcsin(np.clip(head[..., 2], -1.0, 1.0)))
    for side, way in _SIDES:
        found = _leg(joints, side, way, hips, neutral) | _arm(joints, side, way, chest)
        out |= {f"{side}_{name}": value for name, value in found.items()}
    return out


def _zxy(proximal: Array, distal: Array) -> tuple[Array, Array, Array]:
    """Return angles (...) about z of the proximal frame, the floating x and y of the distal, degrees."""
    r = np.swapaxes(proximal, -1, -2) @ distal
    a = np.arctan2(-r[..., 0, 1], r[..., 1, 1])
    b = np.arcsin(np.clip(r[..., 2, 1], -1.0, 1.0))
    c = np.arctan2(-r[..., 2, 0], r[..., 2, 2])
    return np.degrees(a), np.degrees(b), np.degrees(c)


def _of_line(y: Array) -> tuple[Array, Array]:
    """Return flexion and adduction, degrees, of a segment's y (..., 3) in the proximal frame."""
    a = np.degrees(np.arctan2(-y[..., 0], y[..., 1]))
    return a, np.degrees(np.arcsin(np.clip(y[..., 2], -1.0, 1.0)))


def _elevation(y: Array, way: float) -> tuple[Array, Array]:
    """Return plane and elevation, degrees, of a humerus whose y (..., 3) is given in the thorax."""
    up = np.degrees(np.arccos(np.clip(y[..., 1], -1.0, 1.0)))
    plane = np.degrees(np.arctan2(-y[..., 0], -way * y[..., 2]))
    return np.where((up < _ELEVATED) | (up > 180.0 - _ELEVATED), np.nan, plane), up


def _shoulder(chest: Array, arm: Array, way: float) -> dict[str, Array]:
    r = np.swapaxes(chest, -1, -2) @ arm
    plane, up = _elevation(r[..., :, 1], way)
    # The middle row of Ry(plane) Rx(-up) Ry(turn) is -sin(up) sin(turn), cos(up), sin(up) cos(turn).
    turn = np.degrees(np.arctan2(-r[..., 1, 0], way * r[..., 1, 2]))
    turn = np.where(np.isnan(plane), np.nan, turn)
    return {"shoulder_plane": plane, "shoulder_elevation": up, "shoulder_rotation": turn}


def _hinge(first: Array, second: Array) -> Array:
    """Return (...) degrees between two lines."""
    sine = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.degrees(np.arctan2(sine, np.sum(first * second, axis=-1)))


def _leg(
    joints: NDArray[np.floating[Any]], side: str, way: float, hips: Array, neutral: Neutral
) -> dict[str, Array]:
    hip, knee, ankle, toes = (joint(joints, f"{side}_{name}") for name in ("hip", "knee", "ankle", "foot"))
    thigh, shin, foot = unit(hip - knee), unit(knee - ankle), unit(toes - ankle)
    a, b = _of_line(turned_back(hips, thigh))
    bent = _hinge(thigh, shin)
    lateral = np.cross(shin, thigh)
    frame = np.stack([np.cross(thigh, unit(lateral)), thigh, unit(lateral)], axis=-1)
    turn = np.where(bent >= _BENT, way * _zxy(hips, frame)[2], np.nan)
    return {
        "hip_flexion": a,
        "hip_adduction": way * b,
        "hip_rotation": turn,
        "knee_flexion": bent,
        "ankle_dorsiflexion": 90.0 + neutral.foot_deg - _hinge(shin, foot),
    }


def _arm(joints: NDArray[np.floating[Any]], side: str, way: float, chest: Array) -> dict[str, Array]:
    shoulder, elbow, wrist = (joint(joints, f"{side}_{name}") for name in ("shoulder", "elbow", "wrist"))
    upper, fore = unit(shoulder - elbow), unit(elbow - wrist)
    y = turned_back(chest, upper)
    a, b = _of_line(y)
    plane, up = _elevation(y, way)
    bent = _hinge(upper, fore)
    lateral = unit(np.cross(upper, fore))
    frame = np.stack([np.cross(upper, lateral), upper, lateral], axis=-1)
    turn = np.where(bent >= _BENT, _shoulder(chest, frame, way)["shoulder_rotation"], np.nan)
    return {
        "shoulder_plane": plane,
        "shoulder_elevation": up,
        "shoulder_rotation": turn,
        "shoulder_flexion": a,
        "shoulder_adduction": way * b,
        "elbow_flexion": bent,
    }
