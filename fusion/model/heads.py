"""Hidden state of a tick -> 2D key points, 3D joints, foot contact and action, with variances."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fusion.model.encoders import LockedDropout

NEVER_S = 2.0
"""Age given to a joint that was never measured, and the largest age anywhere. s."""


class Held(NamedTuple):
    """The newest measurement of each joint.

    Attributes:
        value: (..., 20, 4) x, y box-normalised; depth m; depth_known, 2 where two cameras measured it.
        sd: (..., 20) standard deviation of x, y, box-normalised.
        age: (..., 20) s since it was captured.
    """

    value: Tensor
    sd: Tensor
    age: Tensor


def corrected(held: Held, residual: Tensor) -> Tensor:
    """Return key points (..., 20, 2): the newest, moved within bounds by a residual (..., 20, 2).

    The bound: a fiftieth of the person's box and its measured spread while it is fresh, and half a box per
    second of its age, so that with good vision the result stays on the person and without it the network
    may move it.
    """
    limit = 0.02 + (2.0 * held.sd).clamp(max=0.2) + 0.5 * held.age
    return held.value[..., :2] + limit[..., None] * torch.tanh(residual)


class KeypointHead(nn.Module):
    """2D key points as corrections of what was measured last."""

    def __init__(self, width: int, joints: int) -> None:
        super().__init__()
        self.joints = joints
        self.out = nn.Linear(width, joints * 3)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def forward(self, hidden: Tensor, held: Held) -> dict[str, Tensor]:
        """Map hidden (..., D) to ``keypoints2d`` (..., 20, 2) and ``keypoints2d_logvar`` (..., 20)."""
        residual, logvar = self.out(hidden).float().unflatten(-1, (self.joints, 3)).split([2, 1], dim=-1)
        return {
            "keypoints2d": corrected(held, residual),
            "keypoints2d_logvar": logvar[..., 0].clamp(-6.0, 6.0) - 6.0,
        }


class PoseHead(nn.Module):
    """2D and 3D pose as corrections of what was measured last (form 1 of the network).

    The 3D joints begin from the measured 2D
    ones, scaled to metres by a learned scale, and the measured depth.
    """

    def __init__(self, width: int, joints: int) -> None:
        super().__init__()
        self.joints = joints
        self.out = nn.Linear(width, joints * 7 + 1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def forward(self, hidden: Tensor, held: Held) -> dict[str, Tensor]:
        """Map hidden (..., D) to the pose outputs of :class:`fusion.model.net.FusionNet`."""
        raw = self.out(hidden)
        scale = 1.9 * torch.exp(raw[..., -1].clamp(-2.0, 2.0))[..., None, None]
        residual2d, residual3d, logvar = (
            raw[..., :-1].unflatten(-1, (self.joints, 7)).split([2, 3, 2], dim=-1)
        )
        keypoints = corrected(held, residual2d)
        measured = held.value[..., :2]
        flat = (measured - measured[..., :1, :]) * scale
        start = torch.cat([flat, held.value[..., 2:3] * held.value[..., 3:4].clamp(max=1.0)], dim=-1)
        joints3d = start + residual3d
        joints3d = joints3d - joints3d[..., :1, :]
        return {
            "keypoints2d": keypoints,
            "keypoints2d_logvar": logvar[..., 0].clamp(-6.0, 6.0) - 6.0,
            "joints3d": joints3d,
            "joints3d_logvar": logvar[..., 1].clamp(-6.0, 6.0) - 4.0,
        }


class LabelHead(nn.Module):
    """Logits of foot contact (left, right) and of the actions.

    Args:
        width: channels of the hidden state.
        actions: how many there are.
        dropout: probability, in training.
        weighed: also tell how much each tick's vote for an action counts.
    """

    def __init__(self, width: int, actions: int, dropout: float, weighed: bool = False) -> None:
        super().__init__()
        self.vote = nn.Linear(width, 1) if weighed else None
        self.contact = nn.Linear(width, 2)
        self.action = nn.Sequential(LockedDropout(dropout), nn.Linear(width, actions))

    def forward(self, hidden: Tensor) -> dict[str, Tensor]:
        """Map hidden (..., D) to ``contact`` (..., 2), ``action`` (..., A) and perhaps ``vote`` (...)."""
        labels = {"contact": self.contact(hidden), "action": self.action(hidden)}
        if self.vote is not None:
            labels["vote"] = self.vote(hidden)[..., 0]
        return labels
