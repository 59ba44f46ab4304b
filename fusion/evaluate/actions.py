"""Which action it is: counts of what was named what, and what follows from them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchmetrics import Metric


class ActionScores(Metric):
    """Top-1, mean class accuracy and macro F1; classes that are never true do not count in the means.

    Args:
        classes: number of actions.
    """

    full_state_update = False
    confusion: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.add_state("confusion", torch.zeros(classes, classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, named: Tensor, target: Tensor) -> None:
        """Add what was named (...) against target (...), both int64; a target of -1 is unknown."""
        known = target >= 0
        named, target = named[known], target[known]
        self.confusion.index_put_((target, named), torch.ones_like(target), accumulate=True)

    @property
    def count(self) -> int:
        """What was tested."""
        return int(self.confusion.sum())

    @property
    def hits(self) -> int:
        """What was named rightly."""
        return int(self.confusion.diagonal().sum())

    def compute(self) -> dict[str, float]:
        """Return ``top1``, ``mean_class`` and ``macro_f1``, 0 to 1; NaN where nothing was tested."""
        if not self.count:
            return dict.fromkeys(("top1", "mean_class", "macro_f1"), math.nan)
        right = self.confusion.diagonal().double()
        true, named = self.confusion.sum(dim=1).double(), self.confusion.sum(dim=0).double()
        there = true > 0
        f1 = 2.0 * right / (true + named).clamp(min=1.0)
        return {
            "top1": self.hits / self.count,
            "mean_class": float((right[there] / true[there]).mean()),
            "macro_f1": float(f1[there].mean()),
        }
