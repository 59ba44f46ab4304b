"""Whether actions begin and end where they do: segmental F1.

C. Lea et al., "Temporal Convolutional Networks for Action Segmentation and Detection", CVPR 2017: a segment
is right if it overlaps a true one of its class by at least a share of their union; each true one counts once.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchmetrics import Metric

OVERLAPS: tuple[float, ...] = (0.10, 0.25, 0.50)


def segments(labels: list[int]) -> list[tuple[int, int, int]]:
    """Return (class, start, stop) of each run of one class; runs of -1 are none."""
    found, start = [], 0
    for at in range(1, len(labels) + 1):
        if at == len(labels) or labels[at] != labels[start]:
            if labels[start] >= 0:
                found.append((labels[start], start, at))
            start = at
    return found


def count_matches(named: list[int], true: list[int], overlap: float) -> tuple[int, int, int]:
    """Return true positives, false positives and false negatives of one sequence of ticks."""
    said, there = segments(named), segments(true)
    taken = [False] * len(there)
    right = 0
    for kind, start, stop in said:
        best, share = -1, 0.0
        for number, (other, first, last) in enumerate(there):
            shared = min(stop, last) - max(start, first)
            if other == kind and shared > 0:
                union = max(stop, last) - min(start, first)
                if shared / union > share:
                    best, share = number, shared / union
        if best >= 0 and share >= overlap and not taken[best]:
            taken[best] = True
            right += 1
    return right, len(said) - right, len(there) - right


class SegmentalF1(Metric):
    """F1@{10, 25, 50} over all sequences; ticks whose true action is unknown are in no segment."""

    full_state_update = False
    counts: Tensor

    def __init__(self, overlaps: tuple[float, ...] = OVERLAPS) -> None:
        super().__init__()
        self.overlaps = overlaps
        zeros = torch.zeros(len(overlaps), 3, dtype=torch.float64)
        self.add_state("counts", zeros, dist_reduce_fx="sum")

    def update(self, named: Tensor, target: Tensor) -> None:
        """Add what was named (B, T) against target (B, T), both int64; -1 is unknown."""
        for row, true in zip(named.masked_fill(target < 0, -1).tolist(), target.tolist(), strict=True):
            for at, overlap in enumerate(self.overlaps):
                self.counts[at] += torch.tensor(count_matches(row, true, overlap))

    def compute(self) -> dict[str, float]:
        """Return ``f1@10`` and so on, 0 to 1; NaN where there is no segment."""
        out = {}
        for overlap, (right, wrong, missed) in zip(self.overlaps, self.counts.tolist(), strict=True):
            whole = 2.0 * right + wrong + missed
            out[f"f1@{round(overlap * 100)}"] = 2.0 * right / whole if whole else math.nan
        return out
