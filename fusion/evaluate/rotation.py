"""How segments are turned: degrees."""

from __future__ import annotations

import torch
from torch import Tensor

from fusion.evaluate.means import Mean
from fusion.skeletons import BODY20

_BONES: tuple[tuple[str, str], ...] = (
    *(("pelvis", "spine"), ("spine", "neck"), ("neck", "head")),
    *(
        (f"{side}_{a}", f"{side}_{b}")
        for side in ("left", "right")
        for a, b in (
            *(("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand")),
            *(("hip", "knee"), ("knee", "ankle"), ("ankle", "foot")),
        )
    ),
)
_FROM = [BODY20.index(a) for a, _ in _BONES]
_TO = [BODY20.index(b) for _, b in _BONES]


def geodesic_deg(a: Tensor, b: Tensor) -> Tensor:
    """Return the angle (...) in degrees of the rotation between matrices (..., 3, 3).

    Of sine and cosine together, so that it is exact near 0 and near 180 degrees.
    """
    between = a.transpose(-1, -2).double() @ b.double()
    cosine = (between.diagonal(dim1=-2, dim2=-1).sum(dim=-1) - 1.0) / 2.0
    skew = torch.stack(
        [
            between[..., 2, 1] - between[..., 1, 2],
            between[..., 0, 2] - between[..., 2, 0],
            between[..., 1, 0] - between[..., 0, 1],
        ],
        dim=-1,
    )
    return torch.atan2(skew.norm(dim=-1) / 2.0, cosine).rad2deg().float()


class RotationError(Mean):
    """Mean angle between the rotations of segments and the true ones, degrees."""

    def update(self, rotations: Tensor, target: Tensor, known: Tensor) -> None:
        """Add rotations (..., S, 3, 3) against target (..., S, 3, 3) where known (...)."""
        angles = geodesic_deg(rotations, target)
        self.add(angles, known[..., None].expand_as(angles))


class BoneAngleError(Mean):
    """Mean angle between the directions of bones and the true ones, degrees; for what has joints alone."""

    def update(self, joints: Tensor, target: Tensor, known: Tensor) -> None:
        """Add joints (..., 20, 3) against target (..., 20, 3) where both ends are known (..., 20)."""
        bone, true = joints[..., _TO, :] - joints[..., _FROM, :], target[..., _TO, :] - target[..., _FROM, :]
        angle = torch.atan2(torch.linalg.cross(bone, true).norm(dim=-1), (bone * true).sum(dim=-1)).rad2deg()
        self.add(angle, known[..., _TO] * known[..., _FROM] * (true.norm(dim=-1) > 1e-3))


class HeadingError(Mean):
    """Mean angle between the heading error of a sensor and what was told of it, degrees."""

    def update(self, heading: Tensor, target: Tensor, known: Tensor) -> None:
        """Add heading (..., 16, 2), along cosine and sine, against target (..., 16) degrees where known."""
        told = torch.atan2(heading[..., 1], heading[..., 0]).rad2deg()
        self.add((torch.remainder(told - target + 180.0, 360.0) - 180.0).abs(), known)
