"""The body that was guessed, projected, set beside the key points: what is left over, to guess again with.

::

    first guess of the body --> perspective of a camera --> scale and place that fit best --> left over
    key points (newest of each joint) ------------------------------^

A network that reads key points alone never sees whether its body lies where they do: an error of a sensor's
fit or of the camera's tilt stays as long as the window. What is left over shows it. The way back from
projected errors to a better guess is learned, as in J. Song et al., "Human Body Model Fitting by Learned
Gradient Descent", ECCV 2020, and H. Zhang et al., "PyMAF", ICCV 2021.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fusion.model.heads import NEVER_S, Held
from fusion.skeletons import BODY20

FRESH_S = 0.1
"""Time constant with which the weight of a key point that was not measured again fades."""
SPREAD = 0.03
"""Key points that scatter by so much of the box weigh half."""
_LIMIT_M = 0.5
_JOINTS = len(BODY20)
_TOLD = 5 * _JOINTS + 8


class LeftOver(NamedTuple):
    """What key points say beyond a body that is projected.

    Attributes:
        error: (..., 20, 3) m, camera axes: how far to the right, down and away a joint was measured from
            where the body has it, its depth only where the front end tells one; 0 where nothing was measured.
        weight: (..., 20) of the key point, 0 to 1.
        depth: (..., 20) whether depth is known: 1 as a front end guesses it, 2 as several cameras measured.
        scale: (...) box sizes per metre at the pelvis.
        near: (...) 1 / distance of the pelvis, 1 / m.
        slope: (..., 2) of the line of sight to the box's centre, to the right and down.
    """

    error: Tensor
    weight: Tensor
    depth: Tensor
    scale: Tensor
    near: Tensor
    slope: Tensor


def left_over(joints: Tensor, held: Held, box: Tensor, focal: Tensor, aspect: Tensor) -> LeftOver:
    """Return what is left over of the newest key points.

    Scale and place of the body in the picture are those that fit best (weighted least squares); the distance
    follows from the scale and the focal length.

    Args:
        joints: (..., 20, 3) m from the pelvis, camera axes.
        held: newest key points.
        box: (..., 3) the person's, as of :data:`fusion.features.spec.SHAPES`.
        focal: (...) focal length in picture widths.
        aspect: (...) height of the picture over its width.
    """
    measured = (held.age < NEVER_S).to(joints.dtype)
    weight = measured * torch.exp(-held.age / FRESH_S) / (1.0 + (held.sd / SPREAD).square())
    slope = torch.stack([box[..., 0], box[..., 1] * aspect], dim=-1) / focal[..., None]
    flat = joints[..., :2] - slope[..., None, :] * joints[..., 2:]
    seen = held.value[..., :2]
    w = weight[..., None]
    share = w / w.sum(dim=-2, keepdim=True).clamp(min=1e-3)
    there = seen - (share * seen).sum(dim=-2, keepdim=True)

    def fitted(place: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scale (..., 1, 1) and key points (..., 20, 2), m, shifted onto places (..., 20, 2)."""
        middle = (share * place).sum(dim=-2, keepdim=True)
        near = place - middle
        weighed = w * near
        top = (weighed * there).sum(dim=(-1, -2), keepdim=True)
        bottom = (weighed * near).sum(dim=(-1, -2), keepdim=True)
        scale = ((top + 0.005 * 0.55) / (bottom + 0.005)).clamp(0.2, 4.0)  # 1 / 1.8 m where nothing is known
        return scale, there / scale + middle

    scale, _ = fitted(flat)
    size = box[..., 2].clamp(0.02, 2.0)[..., None, None]
    near = (scale * size / focal[..., None, None]).clamp(0.05, 1.0)
    place = flat / (1.0 + near * joints[..., 2:]).clamp(min=0.3)
    scale, shown = fitted(place)
    depth = held.value[..., 3] * measured
    away = (held.value[..., 2] - joints[..., 2]) * depth.clamp(max=1.0)
    error = torch.cat([shown - place, away[..., None]], dim=-1)
    error = _LIMIT_M * torch.tanh(error / _LIMIT_M) * (w > 1e-4)
    return LeftOver(error, weight, depth, scale[..., 0, 0], near[..., 0, 0], slope)


class Reprojection(nn.Module):
    """A body and key points -> what the hidden state learns of how they differ.

    Args:
        width: channels of the hidden state.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lens = nn.Linear(width, 2)  # logarithms of focal length and aspect
        nn.init.zeros_(self.lens.weight)
        self.lens.bias = nn.Parameter(torch.tensor([0.0, -0.3]))
        self.told = nn.Sequential(nn.Linear(_TOLD, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor, body: dict[str, Tensor], faces: Tensor, held: Held, box: Tensor) -> Tensor:
        """Return (..., D), to be added to the hidden state.

        Args:
            x: (..., D) hidden state.
            body: joints3d and view of the first guess; they learn nothing from here.
            faces: (..., 3, 3) where the wearer faces.
            held: newest key points.
            box: (..., 3) the person's.
        """
        focal, aspect = torch.exp(self.lens(x).float().clamp(-1.0, 1.0)).unbind(-1)
        with torch.autocast(x.device.type, enabled=False):
            view = body["view"].detach()
            left = left_over(body["joints3d"].detach().float(), held, box.float(), focal, aspect)
            sight = torch.cat([left.slope, torch.ones_like(left.slope[..., :1])], dim=-1)
            away = torch.cat([10.0 * left.error, sight[..., None, :]], dim=-2)
            away = away @ (view @ faces)  # levelled, and seen from where the wearer faces
        parts = [
            away[..., :-1, :].flatten(-2), left.weight, left.depth, away[..., -1, :], 4.0 * left.slope,
            torch.log(left.scale)[..., None], 4.0 * left.near[..., None],
            left.weight.sum(dim=-1, keepdim=True) / _JOINTS,
        ]  # fmt: skip
        return self.told(torch.cat(parts, dim=-1))
