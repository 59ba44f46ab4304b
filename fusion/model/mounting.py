"""How each sensor sits on its segment, found while it is worn.

::

    rotation that the network alone tells --+
                                            +--> what turns one into the other --> weighted mean over time
    orientation that the sensor tells ------+                                             |
    orientation of the segment <-------------------- taken off <--------------------------+

A calibration leaves some degrees between a sensor and its segment, and straps slip. That angle stays while
the wearer moves; what a network guesses wrongly in one posture it guesses otherwise in the next.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusion.model.geometry import from_six_d, to_six_d
from fusion.virtual.kinematics import SEGMENTS

MOUNTING = 4 * len(SEGMENTS)
"""Channels of the sums of :class:`Mounting`."""


class Mounting(nn.Module):
    """Evidence for how sensors sit, to be summed up over time, and orientations with that taken off.

    Args:
        hidden: channels of the hidden state.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.sure = nn.Linear(hidden, len(SEGMENTS))
        nn.init.normal_(self.sure.weight, std=0.02)
        nn.init.zeros_(self.sure.bias)
        self.prior = nn.Parameter(torch.tensor(3.4))  # log: what half a second of evidence weighs

    def evidence(self, hidden: Tensor, own: Tensor, told: Tensor, present: Tensor) -> Tensor:
        """Return a tick's evidence (..., 60): turns times their weights, and the weights.

        Args:
            hidden: (..., C) hidden state.
            own: (..., 15, 6) rotations that the network tells without the sensors.
            told: (..., 15, 6) orientations that sensors tell, both to the same world.
            present: (..., 15).
        """
        a, b = from_six_d(own), from_six_d(told)
        turn = (a[..., :, :, None] * b[..., :, None, :]).sum(dim=-3)
        trace = turn[..., 0, 0] + turn[..., 1, 1] + turn[..., 2, 2]
        near = ((trace - 1.0) / 2.0).clamp(min=0.0)  # a guess that is far off says nothing
        weight = nn.functional.softplus(self.sure(hidden).float()) * near * (present > 0.5)
        return torch.cat([_axis(turn) * weight[..., None], weight[..., None]], dim=-1).flatten(-2)

    def taken_off(self, total: Tensor, told: Tensor) -> Tensor:
        """Return orientations of segments (..., 15, 6).

        Args:
            total: (..., 60) summed evidence.
            told: (..., 15, 6) orientations that sensors tell.
        """
        turns, weight = total.unflatten(-1, (len(SEGMENTS), 4)).split([3, 1], dim=-1)
        x, y, z = (turns / (weight + torch.exp(self.prior))).unbind(-1)
        one = torch.ones_like(x)
        fit = from_six_d(torch.stack([one, z, -y, -z, one, x], dim=-1))
        back = (from_six_d(told)[..., :, None, :] * fit[..., None, :, :]).sum(dim=-1)
        return to_six_d(back)


def _axis(turn: Tensor) -> Tensor:
    """Return (..., 3) the axis of rotations (..., 3, 3) times the sine of their angle."""
    x, y, z = (
        turn[..., 2, 1] - turn[..., 1, 2],
        turn[..., 0, 2] - turn[..., 2, 0],
        turn[..., 1, 0] - turn[..., 0, 1],
    )
    return 0.5 * torch.stack([x, y, z], dim=-1)
