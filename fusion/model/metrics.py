"""Metrics of pose as torchmetrics classes; errors in metres in, millimetres out.

MPJPE: mean distance of joints after both poses are put on their pelvis. PA-MPJPE: after the best similarity
transform per pose (Procrustes; Schönemann 1966, Umeyama 1991). PCK: share of key points within a radius.
Interval: Wilson's for a proportion (1927).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchmetrics import Metric


class _Mean(Metric):
    """Mean over everything seen."""

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def _add(self, values: Tensor, known: Tensor) -> None:
        keep = known > 0.5
        self.total += torch.where(keep, values, torch.zeros_like(values)).double().sum()
        self.count += keep.sum()

    def compute(self) -> Tensor:
        """Return the mean, NaN if nothing was known."""
        return (self.total / self.count if self.count > 0 else self.total.new_tensor(math.nan)).float()


class MPJPE(_Mean):
    """Mean per-joint position error, mm. Points are relative to the pelvis already."""

    def update(self, joints: Tensor, target: Tensor, known: Tensor) -> None:
        """Add joints (..., J, 3) m against target (..., J, 3) m where known (..., J)."""
        self._add((joints - target).norm(dim=-1) * 1000.0, known)


class PAMPJPE(_Mean):
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
            self._add((procrustes(joints, target, known) - target).norm(dim=-1) * 1000.0, known)


class PCK(_Mean):
    """Share of key points within ``radius`` of the truth, in the unit of the points."""

    def __init__(self, radius: float = 0.05) -> None:
        super().__init__()
        self.radius = radius

    def update(self, keypoints: Tensor, target: Tensor, known: Tensor) -> None:
        """Add keypoints (..., J, 2) against target (..., J, 2) where known (..., J)."""
        self._add(((keypoints - target).norm(dim=-1) <= self.radius).float(), known)


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


def wilson_interval(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of a proportion of ``hits`` in ``count``."""
    if count == 0:
        return 0.0, 1.0
    p = hits / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)
