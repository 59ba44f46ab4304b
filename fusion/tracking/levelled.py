"""A pose in a world whose z points up: where the camera's axes have no say in what points down.

The pelvis moves by its told velocity, which drifts, and stands as high as the lower foot allows: who jumps is
not seen to leave the ground.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from fusion.posture.frames import trunk
from fusion.skeletons import BODY20
from fusion.tracking.pose import Pose

Array = NDArray[np.float64]

_FEET = [BODY20.index(f"{side}_{part}") for side in ("left", "right") for part in ("ankle", "foot")]
_SOLE_M = 0.03
"""The joints of the feet lie so high above the ground at least."""


def world_of(up: NDArray[np.floating]) -> Array:
    """Return (3, 3), camera axes to the world: z up, x towards the camera, y to the right of the picture.

    Args:
        up: (3,) the vertical in camera axes.
    """
    z = np.asarray(up, np.float64)
    z = z / np.linalg.norm(z)
    back = np.array([0.0, 0.0, -1.0])
    x = back - (back @ z) * z
    if np.linalg.norm(x) < 1e-3:  # the camera looks straight down or up
        x = np.array([0.0, -1.0, 0.0]) - (np.array([0.0, -1.0, 0.0]) @ z) * z
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


@dataclasses.dataclass(frozen=True)
class Levelled:
    """A pose in the world.

    Attributes:
        time: session time, ns.
        joints: (20, 3) m.
        rotations: (15, 3, 3) segments to the world, or None.
        offsets: (20, 3) m of the body, or None.
    """

    time: int
    joints: Array
    rotations: Array | None
    offsets: Array | None


class Leveller:
    """Turns poses, one after the other, into the world in which the first one faces x."""

    def __init__(self) -> None:
        self._heading: Array | None = None
        self._at = np.zeros(2)
        self._time: int | None = None

    def __call__(self, pose: Pose) -> Levelled:
        """Return the pose in the world; the first stands at the origin."""
        turn = world_of(pose.up)
        if self._heading is None:
            forward = turn @ trunk(pose.joints)[:, 0]
            length = float(np.hypot(forward[0], forward[1]))
            cos, sin = (forward[0] / length, forward[1] / length) if length > 1e-3 else (1.0, 0.0)
            self._heading = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        turn = self._heading @ turn
        if pose.velocity is not None and self._time is not None:
            dt = min(0.1, max(0.0, (pose.time - self._time) / 1e9))
            self._at = self._at + dt * (turn @ pose.velocity)[:2]
        self._time = pose.time
        joints = pose.joints.astype(np.float64) @ turn.T
        height = _SOLE_M - float(joints[_FEET, 2].min())
        joints = joints + np.array([*self._at, height])
        rotations = None if pose.rotations is None else turn @ pose.rotations.astype(np.float64)
        offsets = None if pose.offsets is None else pose.offsets.astype(np.float64)
        return Levelled(pose.time, joints, rotations, offsets)
