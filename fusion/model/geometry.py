"""Rotations, headings and sums that forget: the small mathematics of the heads.

All in float32 at least; none of it is learned.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def from_six_d(x: Tensor) -> Tensor:
    """Return rotations (..., 3, 3) of their first two columns (..., 6), which need not be orthonormal.

    Zhou et al., "On the Continuity of Rotation Representations in Neural Networks", CVPR 2019.
    """
    first = F.normalize(x[..., :3], dim=-1)
    second = x[..., 3:]
    second = F.normalize(second - (first * second).sum(dim=-1, keepdim=True) * first, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def to_six_d(rotations: Tensor) -> Tensor:
    """Return the first two columns (..., 6) of rotations (..., 3, 3)."""
    return rotations[..., :2].transpose(-1, -2).flatten(-2)


def turn_back(six_d: Tensor, heading: Tensor) -> Tensor:
    """Turn orientations (..., 6) about the world's vertical, clockwise from above, by a heading.

    Args:
        six_d: sensor to world, first two columns.
        heading: (..., 2) its cosine and sine.
    """
    x, y = six_d[..., 0::3], six_d[..., 1::3]
    cos, sin = heading[..., :1], heading[..., 1:]
    columns = [cos * x + sin * y, cos * y - sin * x, six_d[..., 2::3]]
    return torch.stack(columns, dim=-1).flatten(-2)


def heading_between(told: Tensor, true: Tensor) -> Tensor:
    """Return the angle about the vertical from rotations ``true`` (..., 6) to ``told`` (..., 6).

    Returns:
        (..., 2) cosine and sine of the angle, counter-clockwise from above; shorter where none does well.

    With told = Rz(a) true, the entries of told trueᵀ that lie in the horizontal plane are those of Rz(a).
    """
    a, b = from_six_d(told), from_six_d(true)
    plane = (a[..., :2, None, :] * b[..., None, :2, :]).sum(dim=-1)
    cos = 0.5 * (plane[..., 0, 0] + plane[..., 1, 1])
    sin = 0.5 * (plane[..., 1, 0] - plane[..., 0, 1])
    return torch.stack([cos, sin], dim=-1)


def geodesic(a: Tensor, b: Tensor) -> Tensor:
    """Return the angle (...), rad, between rotations (..., 3, 3); its gradient is finite everywhere."""
    sine = (a - b).square().sum(dim=(-1, -2)).clamp(min=1e-8).sqrt() / (2.0 * math.sqrt(2.0))
    return 2.0 * torch.asin(sine.clamp(max=1.0 - 1e-4))


def leaky_sum(x: Tensor, memory: float) -> Tensor:
    """Return the sum up to each tick of x (B, T, C), what is n ticks old weighing exp(-n / memory).

    Computed in float64, which is exact enough and cannot overflow below T = 700 memories.
    """
    ticks = torch.arange(x.shape[1], dtype=torch.float64, device=x.device)[:, None]
    growth = torch.exp(ticks / memory)
    return ((x.double() * growth).cumsum(dim=1) / growth).to(x.dtype)


def leaky_step(before: Tensor, x: Tensor, memory: float) -> Tensor:
    """Return :func:`leaky_sum` at a tick from the sum (B, C) at the tick before and x (B, C)."""
    return before * math.exp(-1.0 / memory) + x


def von_mises_nll(evidence: Tensor, angle: Tensor) -> Tensor:
    """Return the negative log likelihood (...) of an angle (...), rad, but for log 2 pi.

    Args:
        evidence: (..., 2) natural parameters: concentration times cosine and sine of the mean.
        angle: (...) observed.
    """
    kappa = evidence.square().sum(dim=-1).clamp(min=1e-12).sqrt()
    fit = evidence[..., 0] * torch.cos(angle) + evidence[..., 1] * torch.sin(angle)
    return kappa + torch.log(torch.special.i0e(kappa)) - fit
