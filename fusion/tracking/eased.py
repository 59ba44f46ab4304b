"""A pose that glides where the sensors behind it come or go, instead of jumping.

At that tick the difference is taken between the pose as it would have been and as it is; it is added to the
poses from then on, and fades.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fusion.tracking.pose import Pose

FADE_S = 0.25
"""Time constant."""
OVER_S = 1.5
"""After so long nothing is left of the difference that one could see."""

Array = NDArray[np.float64]


class Easing:
    """Fades one difference out.

    Args:
        before: the pose as it would have been.
        after: the pose of the same tick as it is.
    """

    def __init__(self, before: Pose, after: Pose) -> None:
        self._time = after.time
        self._joints = before.joints.astype(np.float64) - after.joints
        apart = before.keypoints.astype(np.float64) - after.keypoints
        self._keypoints = np.where(np.isfinite(apart), apart, 0.0)
        self._up = before.up.astype(np.float64) - after.up
        self._turns: Array | None = None
        if before.rotations is not None and after.rotations is not None:
            turned = before.rotations.astype(np.float64) @ np.swapaxes(after.rotations, -1, -2)
            self._turns = Rotation.from_matrix(turned).as_rotvec()

    def over(self, time: int) -> bool:
        """Return whether it has faded at a session time, ns."""
        return time - self._time > OVER_S * 1e9

    def __call__(self, pose: Pose) -> Pose:
        """Return a later pose with what is left of the difference, which makes it less sure."""
        left = math.exp(-(pose.time - self._time) / 1e9 / FADE_S)
        joints, keypoints, up = left * self._joints, left * self._keypoints, pose.up + left * self._up
        rotations = pose.rotations
        if rotations is not None and self._turns is not None:
            rotations = (Rotation.from_rotvec(left * self._turns).as_matrix() @ rotations).astype(np.float32)
        return dataclasses.replace(
            pose,
            joints=(pose.joints + joints).astype(np.float32),
            joints_var=(pose.joints_var + (joints**2).mean(axis=-1)).astype(np.float32),
            keypoints=(pose.keypoints + keypoints).astype(np.float32),
            keypoints_var=(pose.keypoints_var + (keypoints**2).mean(axis=-1)).astype(np.float32),
            up=(up / np.linalg.norm(up)).astype(np.float32),
            rotations=rotations,
        )
