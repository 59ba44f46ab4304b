"""Where joints are: metres in, millimetres out.

MPJPE: mean distance of joints after both poses are put on their pelvis. PA-MPJPE: after the best similarity
transform per pose (Procrustes; Schönemann 1966, Umeyama 1991). PCK: share of points within a radius.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fusion.evaluate.means import Mean


class MPJPE(Mean):
    """Mean per-joint position error, mm. Points are relative to the pelvis already."""

    def update(self, joints: Tensor, target: Tensor, known: Tensor) -> None:
        """Add joints (..., J, 3) m against target (..., J, 3) m where known (..., J)."""
        self.add((joints - target).norm(dim=-1) * 1000.0, known)


class PAMPJPE(Mean):
    """MPJPE after the best similarity transform of each pose, mm.

    Poses with fewer than 4 known joints are left out.
    """

    def update(self, joints: Tensor, target: Tensor, known: Tensor) -> None:
        """Add joints (..., J, 3) m against target (..., J, 3) m where known (..., J)."""
        joints, target = joints.reshape(-1, *joints.shape[-2:]), target.reshape(-1, *target.shape[-2:])
        known = known.reshape(-1, known.shape[-1])
        enough = (known > 0.5).sum(dim=-1) >= 4
        joints, target, known = joints[enough], target[enough], known[enough]
        if len(joints):
            target = torch.where((known > 0.5)[..., None], target, torch.zeros_like(target))
            self.add((procrustes(joints, target, known) - target).norm(dim=-1) * 1000.0, known)


class PCK(Mean):
    """Share of key points within ``radius`` of the truth, in the unit of the points."""

    def __init__(self, radius: float = 0.05) -> None:
        super().__init__()
        self.radius = radius

    def update(self, points: Tensor, target: Tensor, known: Tensor) -> None:
        """Add points (..., J, D) against target (..., J, D) where known (..., J)."""
        self.add(((points - target).norm(dim=-1) <= self.radius).float(), known)


def procrustes(points: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Move points (N, J, 3) onto target (N, J, 3) by the best rotation, scale and shift over known (N, J)."""
    points, target = points.double(), target.double()
    weight = (known > 0.5).double()[..., None]
    weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1.0)
    centre, goal = (points * weight).sum(1, keepdim=True), (target * weight).sum(1, keepdim=True)
    a, b = points - centre, target - goal
    u, s, vh = torch.linalg.svd((a * weight).transpose(1, 2) @ b)
    sign = torch.ones_like(s)
    sign[:, 2] = torch.det(u @ vh).sign()
    rotation = (u * sign[:, None]) @ vh
    scale = (s * sign).sum(-1) / (a.square() * weight).sum((1, 2)).clamp(min=1e-12)
    return (scale[:, None, None] * (a @ rotation) + goal).float()
