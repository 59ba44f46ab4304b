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

from fusion.model.geometry import from_six_d, times
from fusion.segments import SEGMENTS

MOUNTING = 6 * len(SEGMENTS)
"""Channels of the sums of :class:`Mounting`."""
_NONE = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])


class Mounting(nn.Module):
    """Evidence for how sensors sit, to be summed up over time, and orientations with that taken off.

    The mean of turns is taken of their matrices and made a rotation again, so that scatter shortens it but
    does not bend it aside; it begins from the belief that sensors sit straight.

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
        """Return a tick's evidence (..., 90): two columns of the turn from own to told, times a weight.

        Args:
            hidden: (..., C) hidden state.
            own: (..., 15, 3, 3) rotations that the network tells without the sensors.
            told: (..., 15, 3, 3) orientations that sensors tell, both to the same world.
            present: (..., 15).
        """
        turn = times(told[..., :2].transpose(-1, -2), own)  # columns of told, in the axes of own
        weight = nn.functional.softplus(self.sure(hidden).float()) * (present > 0.5)
        return (turn.flatten(-2) * weight[..., None]).flatten(-2)

    def taken_off(self, total: Tensor, told: Tensor) -> Tensor:
        """Return orientations of segments (..., 15, 6), first two columns.

        Args:
            total: (..., 90) summed evidence.
            told: (..., 15, 3, 3) orientations that sensors tell.
        """
        turns = total.unflatten(-1, (len(SEGMENTS), 6)) + torch.exp(self.prior) * _NONE.to(total)
        fit = from_six_d(turns)
        return times(fit[..., :2, :], told.transpose(-1, -2)).flatten(-2)
