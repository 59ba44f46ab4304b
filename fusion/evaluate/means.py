"""What most metrics are: a mean over everything seen where the truth is known."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchmetrics import Metric


class Mean(Metric):
    """Mean over everything seen; sums of several processes add up."""

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def add(self, values: Tensor, known: Tensor) -> None:
        """Add ``values`` where ``known`` (same shape) is above a half."""
        keep = known > 0.5
        self.total += torch.where(keep, values, torch.zeros_like(values)).double().sum()
        self.count += keep.sum()

    def compute(self) -> Tensor:
        """Return the mean, NaN if nothing was known."""
        return (self.total / self.count if self.count > 0 else self.total.new_tensor(math.nan)).float()
