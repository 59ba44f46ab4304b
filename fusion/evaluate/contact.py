"""Whether feet are on the ground."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchmetrics import Metric


class ContactF1(Metric):
    """F1 of feet on the ground: 2 TP / (2 TP + FP + FN), over both feet; NaN where there is neither."""

    full_state_update = False
    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(3, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, logits: Tensor, target: Tensor, known: Tensor) -> None:
        """Add logits (..., 2) against target (..., 2; 0 or 1) where known (...)."""
        said, true = logits > 0.0, target > 0.5
        keep = (known > 0.5)[..., None]
        self.counts += torch.stack(
            [(keep & said & true).sum(), (keep & said & ~true).sum(), (keep & ~said & true).sum()]
        )

    def compute(self) -> Tensor:
        """Return F1, 0 to 1."""
        right, wrong, missed = self.counts.tolist()
        whole = 2.0 * right + wrong + missed
        return torch.tensor(2.0 * right / whole if whole else math.nan)
