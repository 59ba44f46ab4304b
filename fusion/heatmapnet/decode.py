"""From heatmaps to points, batched in torch; :mod:`fusion.vision.heatmaps` does more for one picture."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

REACH = 3
"""Cells beside the highest one that place a point."""


class Decoded(NamedTuple):
    """Points in cells.

    Attributes:
        points: (B, J, 2) x = column, y = row.
        peak: (B, J) evidence of the highest cell, [0, 1].
    """

    points: Tensor
    peak: Tensor


def decoded(heatmaps: Tensor) -> Decoded:
    """Return where the joints are: the mean of the evidence around the highest cell.

    Args:
        heatmaps: (B, J, h, w) evidence in [0, 1].
    """
    height, width = heatmaps.shape[-2:]
    peak, at = heatmaps.flatten(-2).max(dim=-1)
    row, column = at // width, at % width
    rows, columns = torch.arange(height, device=at.device), torch.arange(width, device=at.device)
    near_row = ((rows - row[..., None]).abs() <= REACH).to(heatmaps.dtype)
    near_column = ((columns - column[..., None]).abs() <= REACH).to(heatmaps.dtype)
    evidence = heatmaps * near_row[..., :, None] * near_column[..., None, :]
    total = evidence.sum(dim=(-2, -1)).clamp(min=1e-12)
    x = (evidence.sum(dim=-2) * columns).sum(dim=-1) / total
    y = (evidence.sum(dim=-1) * rows).sum(dim=-1) / total
    return Decoded(torch.stack([x, y], dim=-1), peak)
