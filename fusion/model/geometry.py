"""Rotations, headings and sums that forget: the small mathematics of the heads.

All in float32 at least; none of it is learned. A streamed tick calls each of these on some tens of numbers,
so that what it costs is how many operations there are: rotations are made of their columns once, and handed
on as matrices.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_ABOUT_VERTICAL = torch.tensor([[1.0, 0, 0, 0, 1.0, 0, 0, 0, 0], [0, -1.0, 0, 1.0, 0, 0, 0, 0, 0]])
_SKEW = torch.tensor(
    [[0.0, 0, 0, 0, 0, -1, 0, 1, 0], [0, 0, 1, 0, 0, 0, -1, 0, 0], [0, -1, 0, 1, 0, 0, 0, 0, 0]]
)
_VERTICAL = torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 1.0])


def unit(x: Tensor, least: float = 1e-12) -> Tensor:
    """Return vectors (..., C) made of length 1, those shorter than ``least`` as many times longer."""
    return x / x.norm(dim=-1, keepdim=True).clamp(min=least)


def from_six_d(x: Tensor) -> Tensor:
    """Return rotations (..., 3, 3) of their first two columns (..., 6), which need not be orthonormal.

    Zhou et al., "On the Continuity of Rotation Representations in Neural Networks", CVPR 2019.
    """
    first, second = x.split(3, dim=-1)
    first = unit(first)
    second = unit(second - (first * second).sum(dim=-1, keepdim=True) * first)
    third = times(skew(first), second[..., None])[..., 0]
    columns = torch.cat([first, second, third], dim=-1)
    return columns.unflatten(-1, (3, 3)).transpose(-1, -2)


def skew(x: Tensor) -> Tensor:
    """Return matrices (..., 3, 3) that times a vector are the cross product of x (..., 3) and that vector."""
    return times(x, _SKEW.to(x)).unflatten(-1, (3, 3))


def to_six_d(rotations: Tensor) -> Tensor:
    """Return the first two columns (..., 6) of rotations (..., 3, 3)."""
    return rotations[..., :2].transpose(-1, -2).flatten(-2)


def about_vertical(heading: Tensor) -> Tensor:
    """Return rotations (..., 3, 3) about the vertical, counter-clockwise from above.

    Args:
        heading: (..., 2) cosine and sine of the angle.
    """
    with torch.autocast(heading.device.type, enabled=False):
        turn = heading @ _ABOUT_VERTICAL.to(heading) + _VERTICAL.to(heading)
    return turn.unflatten(-1, (3, 3))


def times(a: Tensor, b: Tensor) -> Tensor:
    """Return the product a @ b of matrices, in full precision even where networks run in half of it."""
    with torch.autocast(a.device.type, enabled=False):
        return a @ b


def heading_between(told: Tensor, true: Tensor) -> Tensor:
    """Return the angle about the vertical from rotations ``true`` (..., 3, 3) to ``told`` (..., 3, 3).

    Returns:
        (..., 2) cosine and sine of the angle, counter-clockwise from above; shorter where none does well.

    With told = Rz(a) true, the entries of told trueᵀ that lie in the horizontal plane are those of Rz(a).
    """
    told = told[..., :2, :]
    x, y = true[..., :2, :].split(1, dim=-2)
    both = [(told * rows).sum(dim=(-1, -2)) for rows in (true[..., :2, :], torch.cat([-y, x], dim=-2))]
    return 0.5 * torch.stack(both, dim=-1)


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
