"""What a network is told of the body that wears the sensors: nothing, how tall it is, or all of its bones.

A single camera sees no size and inertial sensors hardly feel one, so that what a tape measure says is worth
as much as a sensor.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from fusion.virtual.motion import stature_of


@dataclasses.dataclass(frozen=True)
class WearerRanges:
    """How much is told of a wearer. Probabilities are per window; what they leave is told all bones.

    Attributes:
        unknown: probability that nothing is told.
        stature: probability that only the stature is told.
        stature_sd: standard deviation of an error of the stature, m: shoes, hair, habit.
        bone_sd: standard deviation of an error of each bone along each axis, m.
    """

    unknown: float = 0.3
    stature: float = 0.3
    stature_sd: float = 0.015
    bone_sd: float = 0.005


def told(offsets: Tensor, ranges: WearerRanges, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return what is told of wearers.

    Args:
        offsets: (N, 20, 3) m, the bodies.
        ranges: how much is told.
        generator: of all that is random.

    Returns:
        stature (N,) m and bones (N, 20, 3) m as offsets are, 0 where they are not told.
    """
    count = len(offsets)
    kind = torch.rand(count, generator=generator)
    stature = stature_of(offsets) + ranges.stature_sd * torch.randn(count, generator=generator)
    there = (offsets != 0.0).any(dim=-1, keepdim=True) & (kind >= ranges.unknown + ranges.stature)[
        :, None, None
    ]
    bones = offsets + ranges.bone_sd * torch.randn(offsets.shape, generator=generator)
    return stature * (kind >= ranges.unknown), bones * there
