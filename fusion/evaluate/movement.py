"""How a pose moves: acceleration, jitter and lag. Windows have (B, T) in front, one tick after another."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchmetrics import Metric

from fusion.evaluate.means import Mean


def _run(known: Tensor, length: int) -> Tensor:
    """Return (B, T - length + 1, J): whether so many ticks in a row are known."""
    return (known > 0.5).unfold(1, length, 1).all(dim=-1).float()


class AccelerationError(Mean):
    """Mean norm of the difference of second derivatives, m/s².

    Args:
        rate_hz: ticks per second.
    """

    def __init__(self, rate_hz: float) -> None:
        super().__init__()
        self.rate_hz = rate_hz

    def update(self, joints: Tensor, target: Tensor, known: Tensor) -> None:
        """Add joints (B, T, J, 3) m against target (B, T, J, 3) m where known (B, T, J)."""
        if joints.shape[1] >= 3:
            second = (joints - target).diff(n=2, dim=1) * self.rate_hz**2
            self.add(second.norm(dim=-1), _run(known, 3))


class Jitter(Mean):
    """Mean norm of the third derivative (jerk), m/s³: of a pose, or of the truth to set beside it.

    As X. Yi et al., "TransPose", SIGGRAPH 2021.

    Args:
        rate_hz: ticks per second.
    """

    def __init__(self, rate_hz: float) -> None:
        super().__init__()
        self.rate_hz = rate_hz

    def update(self, joints: Tensor, known: Tensor) -> None:
        """Add joints (B, T, J, 3) m where known (B, T, J)."""
        if joints.shape[1] >= 4:
            third = joints.diff(n=3, dim=1) * self.rate_hz**3
            self.add(third.norm(dim=-1), _run(known, 4))


class Lag(Metric):
    """By how many ticks a pose comes after the truth: the shift at which their velocities correlate best.

    Positive is late. Between ticks the peak is that of a parabola; NaN where either stood still.

    Args:
        most: largest shift that is tried, ticks, either way.
        warm: ticks at the beginning of a window that do not count: a cold start is no lag.
    """

    full_state_update = False
    shared: Tensor
    energy: Tensor
    true: Tensor

    def __init__(self, most: int = 12, warm: int = 30) -> None:
        super().__init__()
        self.most, self.warm = most, warm
        for name in ("shared", "energy"):
            zeros = torch.zeros(2 * most + 1, dtype=torch.float64)
            self.add_state(name, zeros, dist_reduce_fx="sum")
        self.add_state("true", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, joints: Tensor, target: Tensor, known: Tensor) -> None:
        """Add joints (B, T, J, 3) against target (B, T, J, 3) where known (B, T, J)."""
        warm = min(self.warm, joints.shape[1] // 4)
        most = self.most
        speed = joints.diff(dim=1)[:, warm:].double()
        ticks = speed.shape[1]
        if ticks < 2 * most + 1:
            return
        # Every shift is judged by the same ticks of the truth, all of whose partners exist.
        keep = _run(known[:, warm:], 2 * most + 2)[..., None] > 0.5
        true = torch.where(keep, target.diff(dim=1)[:, warm + most : warm + ticks - most].double(), 0.0)
        for shift in range(2 * most + 1):
            moved = torch.where(keep, speed[:, shift : shift + true.shape[1]], 0.0)
            self.shared[shift] += (moved * true).sum()
            self.energy[shift] += moved.square().sum()
        self.true += true.square().sum()

    def compute(self) -> Tensor:
        """Return the lag in ticks."""
        if not (bool(self.true > 0) and bool((self.energy > 0).all())):
            return self.shared.new_tensor(math.nan).float()
        alike = self.shared / self.energy.sqrt()
        best = int(alike.argmax())
        at = float(best)
        if 0 < best < 2 * self.most:
            before, most, after = alike[best - 1 : best + 2].tolist()
            bend = 2.0 * most - before - after
            at += 0.5 * (after - before) / bend if bend > 0 else 0.0
        return self.shared.new_tensor(at - self.most).float()
