"""Where the whole body went: drift of the root, of its velocity alone."""

from __future__ import annotations

import torch
from torch import Tensor

from fusion.evaluate.means import Mean


class RootDrift(Mean):
    """Mean distance, at the end of a window, between the path that velocities add up to and the true one, mm.

    Args:
        rate_hz: ticks per second.
        after_s: the end is so long after the window's beginning; shorter windows are left out.
    """

    def __init__(self, rate_hz: float, after_s: float = 2.0) -> None:
        super().__init__()
        self.rate_hz, self.ticks = rate_hz, max(1, round(after_s * rate_hz))

    def update(self, velocity: Tensor, target: Tensor, known: Tensor) -> None:
        """Add velocity (B, T, 3) m/s against target (B, T, 3) m/s where known (B, T) all the way."""
        if velocity.shape[1] < self.ticks:
            return
        error = (velocity - target)[:, : self.ticks]
        whole = (known[:, : self.ticks] > 0.5).all(dim=1)
        end = torch.where(whole[:, None], error.sum(dim=1) / self.rate_hz, 0.0)
        self.add(end.norm(dim=-1) * 1000.0, whole.float())
