"""How each segment's anatomical frame sits in its node: what a file's own axes mean.

A file turns nodes whose axes are arbitrary. With a *reference pose*, in which the body stands upright with
legs straight and its arms hanging or raised to the sides (T or A pose, palms down), the anatomical frames are
known:

* pelvis, chest and head look where the hips' line says, upright;
* a limb's frame is the trunk's, turned by the shortest way onto the bone, so that a raised arm is an abducted
one; * the next segment's frame is that of the one before, turned by the shortest way onto its own bone; *
feet stand flat and look from ankle to toes.

Rigs without such a pose (Bandai-Namco, LaFAN1) have nodes whose axes lie along bones and hinges: there the
way in which the nodes stand on average tells which axis is which.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DataError
from fusion.virtual.bvh import Array, Bvh
from fusion.virtual.names import Parts

LIMBS: tuple[tuple[str, str, str], ...] = (
    ("upper_arm", "forearm", "chest"),
    ("forearm", "hand", "upper_arm"),
    ("hand", "", "forearm"),
    ("thigh", "shin", "pelvis"),
    ("shin", "foot", "thigh"),
)
"""Segment, the part at its far end, and the segment that its frame is derived from."""

_STRAIGHT = 0.85  # cosine: how far a reference pose may be off


ELBOWS_TURNED_DEG = 30.0
"""In the T-pose of CMU's skeletons elbows bend forward and 30 degrees up: the axis of every elbow in every
file."""


def bandai() -> dict[str, Array]:
    """Return the frames of Bandai-Namco's rig, whose nodes' axes lie along bones and hinges.

    Which axis is which was read with :func:`from_motion` from 34 files; they all agree. The feet's pitch is
    that of feet on the ground, the same in both data sets to 0.1 degrees.
    """
    x, y, z = np.eye(3)
    made = {"pelvis": (z, -y, x), "chest": (y, z, x), "head": (y, z, x)}
    for side, way in (("left", 1.0), ("right", -1.0)):
        limb = (way * z, y, -way * x)
        for name in ("upper_arm", "forearm", "hand", "thigh", "shin"):
            made[f"{side}_{name}"] = limb
        down = np.radians(39.6)
        ahead = way * (np.cos(down) * x + np.sin(down) * z)
        made[f"{side}_foot"] = (ahead, y, np.asarray(np.cross(ahead, y), np.float64))
    return {name: np.stack(axes, axis=-1) for name, axes in made.items()}


def about_z(angle: Array | float) -> Array:
    """Return (..., 3, 3), turns about z by angles (...,) in rad."""
    angle = np.asarray(angle, np.float64)
    out = np.zeros((*angle.shape, 3, 3))
    out[..., 0, 0] = out[..., 1, 1] = np.cos(angle)
    out[..., 1, 0] = np.sin(angle)
    out[..., 0, 1] = -out[..., 1, 0]
    out[..., 2, 2] = 1.0
    return out


def with_elbows(axes: dict[str, Array], degrees: float) -> dict[str, Array]:
    """Return frames whose upper arms are turned so that elbows bend straight forward."""
    turned = dict(axes)
    for side, way in (("left", 1.0), ("right", -1.0)):
        turned[f"{side}_upper_arm"] = axes[f"{side}_upper_arm"] @ about_z(np.radians(way * degrees))
    return turned


def twist(turns: Array) -> Array:
    """Return (...,) rad, the part about z of turns (..., 3, 3)."""
    sine = turns[..., 1, 0] - turns[..., 0, 1]
    return 2.0 * np.arctan2(sine, 1.0 + np.trace(turns, axis1=-2, axis2=-1))


def unit(v: Array) -> Array:
    """Return vectors (..., 3) at length 1."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def shortest(a: Array, b: Array) -> Array:
    """Return (..., 3, 3), the shortest turns that take unit vectors a (..., 3) onto b."""
    axis = np.cross(a, b)
    cosine = np.sum(a * b, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(axis, -1, 0)
    zero = np.zeros_like(x)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    return np.eye(3) + skew + skew @ skew / np.maximum(1.0 + cosine, 1e-9)


def node_of(parts: Parts, segment: str) -> int:
    """Return the number of the node that carries a segment."""
    trunk = {"pelvis": parts.pelvis, "chest": parts.chest, "head": parts.head}
    return trunk[segment] if segment in trunk else parts.limbs[segment]


def toes_of(bvh: Bvh, parts: Parts, side: str) -> int:
    """Return the node of the toes, or the farthest child of the foot; -1 where there is neither."""
    foot = parts.limbs[f"{side}_foot"]
    children = [n for n, p in enumerate(bvh.parents) if p == foot]
    at = parts.limbs.get(f"{side}_toes", max(children, key=lambda n: _long(bvh, n), default=-1))
    return at if at >= 0 and _long(bvh, at) > 0 else -1


def _long(bvh: Bvh, node: int) -> float:
    return float(np.linalg.norm(bvh.offsets[node]))


def from_pose(
    bvh: Bvh, parts: Parts, rotations: Array, positions: Array, up: Array
) -> dict[str, Array] | None:
    """Return each segment's frame (3, 3) in its node's axes, from a reference pose; None if it is none.

    Args:
        bvh: the file.
        parts: its nodes.
        rotations: (J, 3, 3) of the nodes to the file's world, in the pose.
        positions: (J, 3) of the nodes.
        up: (3,) the file's vertical.
    """
    limbs = parts.limbs
    left = positions[limbs["left_thigh"]] - positions[limbs["right_thigh"]]
    left = unit(left - (left @ up) * up)
    body = np.stack([np.cross(left, up), left, up], axis=-1)
    frames = {"pelvis": body, "chest": body, "head": body}
    for side, way in (("left", 1.0), ("right", -1.0)):
        for segment, far, before in LIMBS:
            name = f"{side}_{segment}"
            parent = before if before in ("chest", "pelvis") else f"{side}_{before}"
            along = frames[parent][:, 2]
            if far:
                along = unit(positions[limbs[name]] - positions[limbs[f"{side}_{far}"]])
            allowed = up if before == "pelvis" or segment == "shin" else unit(up - way * left)
            spread = 0.6 if "arm" in segment else _STRAIGHT
            if far and along @ allowed < spread:
                return None
            frames[name] = shortest(frames[parent][:, 2], along) @ frames[parent]
        toes = toes_of(bvh, parts, side)
        ahead = body[:, 0] if toes < 0 else positions[toes] - positions[limbs[f"{side}_foot"]]
        ahead = unit(ahead - (ahead @ up) * up)
        if ahead @ body[:, 0] < 0.5:
            return None
        frames[f"{side}_foot"] = np.stack([ahead, np.cross(up, ahead), up], axis=-1)
    return {name: rotations[node_of(parts, name)].T @ frame for name, frame in frames.items()}


def from_motion(bvh: Bvh, parts: Parts, up: Array) -> dict[str, Array]:
    """Return each segment's frame (3, 3) in its node's axes, from how the nodes stand on average.

    Bones give their own directions; which of a node's axes points left is read from the mean over the rows in
    which the trunk is upright, and taken to be exactly that axis, since such rigs are made along their axes.

    Raises:
        DataError: the body is upright in too few rows to tell.
    """
    rotations, positions = bvh.world
    limbs = parts.limbs
    trunk = unit(positions[:, parts.head] - positions[:, parts.pelvis])
    rows = np.flatnonzero(trunk @ up > 0.85)
    if len(rows) < 10:
        raise DataError(
            "no reference pose, and too few rows in which the body stands upright",
            mend="Let the file's first frame be a T-pose",
        )
    rotations, positions = rotations[rows], positions[rows]
    left = positions[:, limbs["left_thigh"]] - positions[:, limbs["right_thigh"]]
    left = unit(left - (left @ up)[:, None] * up)

    def mean(node: int, direction: Array) -> Array:
        return np.einsum("tji,tj->i", rotations[:, node], np.broadcast_to(direction, (len(rows), 3)))

    frames: dict[str, Array] = {}
    for name in ("pelvis", "chest", "head"):
        node = node_of(parts, name)
        z, y = _axis(mean(node, up)), mean(node, left)
        y = _axis(y - (y @ z) * z)
        frames[name] = np.stack([np.cross(y, z), y, z], axis=-1)
    for side in ("left", "right"):
        for segment, far, before in LIMBS:
            name = f"{side}_{segment}"
            node = limbs[name]
            if far:
                z = -unit(bvh.offsets[limbs[f"{side}_{far}"]])
            else:
                z = frames[f"{side}_{before}"][:, 2]
            # The lower bone's axes are the upper one's where both lie alike: a straight limb has no turn.
            y = mean(node, left) if before in ("chest", "pelvis") else frames[f"{side}_{before}"][:, 1]
            y = _axis(y - (y @ z) * z)
            y = unit(y - (y @ z) * z)
            frames[name] = np.stack([np.cross(y, z), y, z], axis=-1)
        frames[f"{side}_foot"] = _foot(bvh, parts, side, mean(limbs[f"{side}_foot"], left), rows, up)
    return frames


def _foot(bvh: Bvh, parts: Parts, side: str, left: Array, rows: NDArray[np.intp], up: Array) -> Array:
    """Return a foot's frame from how it stands when it is at rest and low: flat on the ground."""
    node = parts.limbs[f"{side}_foot"]
    rotations, positions = bvh.world
    toes = toes_of(bvh, parts, side)
    height = positions[:, toes if toes >= 0 else node] @ up
    speed = np.linalg.norm(np.gradient(positions[:, node], axis=0), axis=-1)
    order = np.argsort(_rank(height[rows]) + _rank(speed[rows]))
    still = rows[order[: max(5, len(rows) // 10)]]
    z = unit(np.median(np.einsum("tji,j->ti", rotations[still, node], up), axis=0))
    y = _axis(left)
    y = unit(y - (y @ z) * z)
    return np.stack([np.cross(y, z), y, z], axis=-1)


def _rank(values: Array) -> Array:
    return np.argsort(np.argsort(values)).astype(np.float64)


def _axis(direction: Array) -> Array:
    """Return the coordinate axis, with its sign, that is nearest to a direction (3,)."""
    out = np.zeros(3)
    nearest = int(np.argmax(np.abs(direction)))
    out[nearest] = np.sign(direction[nearest])
    return out
