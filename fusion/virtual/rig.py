"""Kinds of files: how their T-pose is found, and what else is particular; and a file's body by it."""

from __future__ import annotations

import dataclasses

import numpy as np

from drivers.errors import DataError
from fusion.virtual import calibrate
from fusion.virtual.anatomy import Points, points_of, unit_of, upwards
from fusion.virtual.bvh import Array, Bvh
from fusion.virtual.calibrate import from_motion, from_pose, with_elbows
from fusion.virtual.names import Parts, parts_of


@dataclasses.dataclass(frozen=True)
class Rig:
    """A kind of file.

    Attributes:
        name: of the kind.
        nodes: names that only such files have together.
        reference: ``first row`` (which is then no motion), ``rest`` (all channels zero) or ``axes`` (its
        own). elbows_deg: how far elbows are turned in the reference, see :mod:`fusion.virtual.calibrate`.
    """

    name: str
    nodes: frozenset[str]
    reference: str
    elbows_deg: float = 0.0


RIGS: tuple[Rig, ...] = (
    Rig("Bandai-Namco", frozenset({"joint_Root", "UpperLeg_L", "LowerArm_R"}), "axes"),
    Rig(
        "CMU for MotionBuilder",
        frozenset({"LHipJoint", "LowerBack", "LeftUpLeg", "LeftFingerBase"}),
        "first row",
        calibrate.ELBOWS_TURNED_DEG,
    ),
    Rig(
        "CMU for DAZ and Poser",
        frozenset({"lButtock", "lShldr", "lCollar", "abdomen"}),
        "rest",
        calibrate.ELBOWS_TURNED_DEG,
    ),
)
"""Kinds that are known. Any other file is taken by its rest pose, its first row, or its motion, as they are
fit."""


@dataclasses.dataclass(frozen=True)
class Read:
    """A file's body.

    Attributes:
        points: its places and frames.
        parts: which node is what.
        rig: the kind of file, empty for one that is not known.
        reference: what gave the frames: ``first row``, ``rest``, ``axes`` or ``motion``.
        unit: of length, and in m.
    """

    points: Points
    parts: Parts
    rig: str
    reference: str
    unit: str
    unit_m: float


def rig_of(names: tuple[str, ...]) -> Rig | None:
    """Return the kind of a file with such nodes, None for one that is not known."""
    return next((rig for rig in RIGS if rig.nodes <= {*names}), None)


def body_of(bvh: Bvh, file: str = "the file", unit_m: float | None = None) -> Read:
    """Find the body in a file.

    Args:
        bvh: the file's contents.
        file: for errors.
        unit_m: the file's unit of length, m; found from the length of the legs by default.

    Raises:
        DataError: parts are missing, the size is no person's, or nothing tells how the frames lie.
    """
    parts = parts_of(bvh.names, bvh.parents, file)
    rig = rig_of(bvh.names)
    if not len(bvh):
        raise DataError(f"{file} holds no frames", mend="Export it again with its motion")
    reference, axes, up = _frames(bvh, parts, rig, file)
    if reference == "first row":
        if len(bvh) < 2:
            raise DataError(f"{file} holds a T-pose and no motion", mend="Leave the file out")
        bvh = dataclasses.replace(bvh, values=bvh.values[1:])
    name, scale = ("given", unit_m) if unit_m is not None else unit_of(_leg(bvh, parts), file)
    points = points_of(bvh, parts, axes, up, scale)
    return Read(points, parts, rig.name if rig else "", reference, name, scale)


def _frames(bvh: Bvh, parts: Parts, rig: Rig | None, file: str) -> tuple[str, dict[str, Array], Array]:
    """Return what gave the frames, each segment's frame in its node's axes, and the vertical (3,)."""
    rotations, positions = bvh.world
    up = upwards(bvh, parts, positions)
    if rig is not None and rig.reference == "axes":
        return "axes", calibrate.bandai(), up
    poses = {"rest": bvh.rest, "first row": (rotations[0], positions[0])}
    if rig is not None:
        poses = {rig.reference: poses[rig.reference]}
    for name, (turned, placed) in poses.items():
        standing = upwards(bvh, parts, placed)
        axes = from_pose(bvh, parts, turned, placed, standing)
        if axes is not None and (name == "rest" or rig is not None or _raised(parts, placed, standing)):
            elbows = rig.elbows_deg if rig is not None else 0.0
            vertical = standing if name == "first row" else up
            return name, with_elbows(axes, elbows), vertical
    if rig is not None:
        raise DataError(f"{file}: its {rig.reference} is no T-pose", mend="Leave the file out")
    try:
        return "motion", from_motion(bvh, parts, up), up
    except DataError as error:
        raise DataError(f"{file}: {error.what}", mend=error.mend) from None


def _raised(parts: Parts, positions: Array, up: Array) -> bool:
    """Return whether the arms are raised to the sides: no pose that motion begins with by chance."""
    arms = [
        positions[parts.limbs[f"{side}_hand"]] - positions[parts.limbs[f"{side}_upper_arm"]]
        for side in ("left", "right")
    ]
    return all(abs(float(calibrate.unit(arm) @ up)) < 0.5 for arm in arms)


def _leg(bvh: Bvh, parts: Parts) -> float:
    names = ("left_shin", "right_shin", "left_foot", "right_foot")
    return float(np.mean([np.linalg.norm(bvh.offsets[parts.limbs[name]]) for name in names])) * 2.0
