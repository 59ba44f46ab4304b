"""From a file's nodes to the one body: joints at their anatomical places, frames of one meaning.

Files disagree about what a joint is: one "Hips" node lies in the belly, another's neck is half way up the
head. Here joints are taken where files agree, and derived from those: the pelvis is the middle of the hip
centres, the neck the middle of the shoulders, the spine a point between them. What files lack comes from
proportions of the stature H, which the legs tell:

* middle of the skull: 0.048 H above and 0.010 H before the skull's node, which lies at its base (the ear's
opening
  is 0.936 H high, the shoulder 0.818 H; Winter, fig. 4.1, and Drillis and Contini 1966); with it the head's
  middle lies 0.11 to 0.12 H above the shoulders in every source at hand;
* middle of the hand: 0.054 H beyond the wrist (a hand is 0.108 H long);
* middle of the toes: 0.021 H beyond their base, or 0.093 H before and 0.029 H below an ankle without toes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from drivers.errors import DataError
from fusion.segments import JOINT, SEGMENT, SEGMENTS
from fusion.skeletons import BODY20
from fusion.virtual.bvh import Array, Bvh
from fusion.virtual.calibrate import about_z, node_of, shortest, toes_of, twist
from fusion.virtual.contacts import contacts, ground
from fusion.virtual.motion import LEG_OF_STATURE, Label, Motion, Skeleton
from fusion.virtual.names import Parts

SKULL, HAND, TOES, NO_TOES = (0.010, 0.0, 0.048), (0.0, 0.0, -0.054), (0.021, 0.0, 0.0), (0.093, 0.0, -0.029)
"""Of stature, each in its segment's frame."""

UNITS_M: dict[str, float] = {
    "m": 1.0,
    "dm": 0.1,
    "cm": 0.01,
    "mm": 0.001,
    "inch": 0.0254,
    "ft": 0.3048,
    "inch/0.45": 0.0254 / 0.45,  # CMU's
}
"""Units of length that files are written in, m. The inch over 0.45 is that of CMU's ASF files and their
heirs."""

_TYPICAL_M, _SMALLEST_M, _TALLEST_M = 1.68, 1.25, 2.3
_RIDGE = 0.2  # of the number of rows: how much the usual split of trunk and neck counts against the data
_BEND, _MIDDLE_OF_NECK = 0.35, 0.5
_SYMMETRIC = np.array([1.0, 0.0, 1.0])  # trunk and head lie in the plane of symmetry


@dataclasses.dataclass(frozen=True)
class Points:
    """A body's places and frames as a source gives them, world z up, m.

    Attributes:
        frames: (T, 15, 3, 3) of the segments, to the world.
        shoulder, elbow, wrist, hip, knee, ankle: (T, 2, 3), left and right.
        skull: (T, 3) base of the skull.
        toes: (T, 2, 3) base of the toes, None where there is none.
    """

    frames: Array
    shoulder: Array
    elbow: Array
    wrist: Array
    hip: Array
    knee: Array
    ankle: Array
    skull: Array
    toes: Array | None

    def changed(self, places: Callable[[Array], Array], frames: Callable[[Array], Array]) -> Points:
        """Return the points with all places and the frames changed by functions of (T, ...) arrays."""
        return Points(
            frames=frames(self.frames),
            shoulder=places(self.shoulder),
            elbow=places(self.elbow),
            wrist=places(self.wrist),
            hip=places(self.hip),
            knee=places(self.knee),
            ankle=places(self.ankle),
            skull=places(self.skull),
            toes=None if self.toes is None else places(self.toes),
        )


def unit_of(leg: float, file: str = "the file") -> tuple[str, float]:
    """Return the unit in which a leg (thigh and shin) of this length makes the most usual body, and it in m.

    Raises:
        DataError: no unit makes it a body between 1.25 and 2.3 m.
    """
    tall = leg / LEG_OF_STATURE
    name = min(UNITS_M, key=lambda unit: abs(np.log(max(tall, 1e-9) * UNITS_M[unit] / _TYPICAL_M)))
    if not _SMALLEST_M < tall * UNITS_M[name] < _TALLEST_M:
        raise DataError(f"{file}: legs of {leg:.4g} are no person's in any unit", mend="Name the unit in m")
    return name, UNITS_M[name]


def upwards(bvh: Bvh, parts: Parts, positions: Array) -> Array:
    """Return (3,), the axis of the file's world that points up, from positions (..., J, 3) of a standing
    body."""
    feet = positions[..., [parts.limbs["left_foot"], parts.limbs["right_foot"]], :].mean(axis=-2)
    rise = (positions[..., parts.head, :] - feet).reshape(-1, 3).mean(axis=0)
    out = np.zeros(3)
    at = int(np.argmax(np.abs(rise)))
    out[at] = np.sign(rise[at])
    return out


def to_z_up(up: Array) -> Array:
    """Return (3, 3), the turn of a file's world into one with z up; y up as (x, y, z) to (z, x, y)."""
    at = int(np.argmax(up))
    if up[at] < 0.5:
        return shortest(up, np.array([0.0, 0.0, 1.0]))
    return np.roll(np.eye(3), at - 2, axis=1) if at != 2 else np.eye(3)


def points_of(bvh: Bvh, parts: Parts, axes: dict[str, Array], up: Array, scale: float) -> Points:
    """Return places and frames of a file's body.

    Args:
        bvh: the file.
        parts: its nodes.
        axes: each segment's frame (3, 3) in its node's axes, see :mod:`fusion.virtual.calibrate`.
        up: (3,) the file's vertical.
        scale: of its unit, m.
    """
    world, limbs = to_z_up(up), parts.limbs
    rotations, positions = bvh.world
    positions = positions @ world.T * scale
    frames = np.stack([world @ rotations[:, node_of(parts, s)] @ axes[s] for s in SEGMENTS], axis=1)

    # A wrist can't turn about the forearm: what looks so is the forearm's turn.
    for side in ("left", "right"):
        forearm, hand = SEGMENT[f"{side}_forearm"], SEGMENT[f"{side}_hand"]
        about = twist(np.swapaxes(frames[:, forearm], -1, -2) @ frames[:, hand])
        frames[:, forearm] = frames[:, forearm] @ about_z(about)

    def both(part: str) -> Array:
        return positions[:, [limbs[f"left_{part}"], limbs[f"right_{part}"]]]

    toes = [toes_of(bvh, parts, side) for side in ("left", "right")]
    return Points(
        frames=frames,
        shoulder=both("upper_arm"),
        elbow=both("forearm"),
        wrist=both("hand"),
        hip=both("thigh"),
        knee=both("shin"),
        ankle=both("foot"),
        skull=positions[:, parts.head],
        toes=positions[:, toes] if min(toes) >= 0 else None,
    )


def _back(frames: Array, vectors: Array) -> Array:
    """Return vectors (T, 3) of the world in frames (T, 3, 3)."""
    return np.einsum("tji,tj->ti", frames, vectors)


def _turned(frames: Array, vector: Array) -> Array:
    return np.einsum("tij,j->ti", frames, vector)


def _two_links(first: Array, second: Array, target: Array, prior: Array) -> tuple[Array, Array]:
    """Return offsets a, b (3,) of two links with frames (T, 3, 3): first a + second b is nearest to target
    (T, 3).

    Least squares, drawn towards ``prior`` (2, 3) where the two frames hardly turn against each other.
    """
    rows = len(target)
    cross = np.einsum("tji,tjk->ik", first, second)
    normal = np.block([[rows * np.eye(3), cross], [cross.T, rows * np.eye(3)]])
    right = np.concatenate([_back(first, target).sum(axis=0), _back(second, target).sum(axis=0)])
    weight = _RIDGE * rows
    both = normal + weight * np.eye(6)
    solved = np.asarray(np.linalg.solve(both, right + weight * prior.reshape(6)), np.float64)
    return solved[:3], solved[3:]


def build(
    points: Points,
    rate_hz: float,
    *,
    clip: str,
    source: str,
    licence: str,
    subject: str = "",
    labels: tuple[Label, ...] = (),
) -> tuple[Motion, float]:
    """Return the motion of the one body that is nearest to the points, and how far its joints are off at
    worst, m.

    The clip begins above the origin, and the ground is put at z = 0.
    """
    f = {name: points.frames[:, number] for name, number in SEGMENT.items()}
    rows = np.zeros((len(BODY20), 3))

    def length(a: Array, b: Array) -> Array:
        return np.linalg.norm(a - b, axis=-1).mean(axis=0)

    thigh, shin = length(points.hip, points.knee), length(points.knee, points.ankle)
    stature = float((thigh + shin).mean()) / LEG_OF_STATURE
    root = points.hip.mean(axis=1)
    middle = points.shoulder.mean(axis=1)
    upright = np.array([0.0, 0.0, float(length(root, middle))])
    prior = np.stack([_BEND * upright, (1 - _BEND) * upright])
    bend = _two_links(f["pelvis"], f["chest"], middle - root, prior)[0] * _SYMMETRIC
    waist = root + _turned(f["pelvis"], bend)
    skull = points.skull + _turned(f["head"], stature * np.array(SKULL))
    shoulders = [_back(f["chest"], points.shoulder[:, side] - waist) for side in (0, 1)]
    base = (shoulders[0] + shoulders[1]).mean(axis=0) / 2.0 * _SYMMETRIC
    half = np.array([0.0, float((shoulders[0] - shoulders[1])[:, 1].mean()) / 2.0, 0.0])
    above = np.array([0.0, 0.0, float(length(skull, middle))])
    prior = np.stack([base + _MIDDLE_OF_NECK * above, _MIDDLE_OF_NECK * above])
    neck, head = (link * _SYMMETRIC for link in _two_links(f["chest"], f["head"], skull - waist, prior))
    rows[JOINT["spine"]], rows[JOINT["neck"]], rows[JOINT["head"]] = bend, neck, head
    lengths = {
        "elbow": length(points.shoulder, points.elbow),
        "wrist": length(points.elbow, points.wrist),
        "knee": thigh,
        "ankle": shin,
    }
    for number, side in enumerate(("left", "right")):
        rows[JOINT[f"{side}_shoulder"]] = base + (half if number == 0 else -half)
        rows[JOINT[f"{side}_hip"]] = _back(f["pelvis"], points.hip[:, number] - root).mean(axis=0)
        rows[JOINT[f"{side}_hand"]] = stature * np.array(HAND)
        for joint, both in lengths.items():
            rows[JOINT[f"{side}_{joint}"]] = (0.0, 0.0, -both[number])
        foot = stature * np.array(NO_TOES)
        if points.toes is not None:
            ahead = _back(f[f"{side}_foot"], points.toes[:, number] - points.ankle[:, number]).mean(axis=0)
            foot = ahead + stature * np.array(TOES)
        rows[JOINT[f"{side}_foot"]] = foot
    neck_moves = _back(f["chest"], skull - waist - _turned(f["head"], head)) - neck
    girdle = np.stack([neck_moves, shoulders[0] - base - half, shoulders[1] - base + half], axis=1)
    root = root - [*root[0, :2], 0.0]
    made = Motion(
        clip=clip,
        source=source,
        licence=licence,
        subject=subject,
        rate_hz=rate_hz,
        skeleton=Skeleton(_single(rows)),
        rotations=_single(points.frames),
        root=_single(root),
        girdle=_single(girdle),
        contacts=torch.zeros(len(root), 2, dtype=torch.bool),
        labels=labels,
    )
    soles = made.soles.numpy()
    level = ground(soles, rate_hz)
    soles[..., 2] -= level
    root[:, 2] -= level
    found = contacts(soles, rate_hz)
    made = dataclasses.replace(made, root=_single(root), contacts=torch.from_numpy(found))
    return made, _worst(made, points)


def _single(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _worst(motion: Motion, points: Points) -> float:
    """Return the largest distance, m, of joints from the source's, about the pelvis."""
    about = (motion.joints - motion.root[:, None]).numpy()
    middle = points.hip.mean(axis=1)
    worst = 0.0
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        for number, side in enumerate(("left", "right")):
            there = getattr(points, joint)[:, number] - middle
            error = np.linalg.norm(about[:, JOINT[f"{side}_{joint}"]] - there, axis=-1)
            worst = max(worst, float(error.max()))
    return worst
