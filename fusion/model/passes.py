"""What a network remembers, over a window at once or from tick to tick: the same lines run over either.

Blocks, sums that forget and smoothed values over (B, T, ...), or over (B, ...) after a state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fusion.model.geometry import leaky_step, leaky_sum
from fusion.model.transformer import CausalBlock, LayerState

if TYPE_CHECKING:
    from fusion.model.net import FusionNet, NetState

TAPS = 6
"""Ticks that a smoothed rotation is the mean of."""


class Window:
    """Time as a whole window: blocks and sums over (B, T, ...)."""

    def __init__(self, net: FusionNet) -> None:
        self.net = net

    def block(self, number: int, x: Tensor) -> Tensor:
        """Run a block."""
        return self.net.blocks[number](x)

    def sum(self, number: int, x: Tensor) -> Tensor:
        """Sum up."""
        return leaky_sum(x, self.net.config.memory)

    def smooth(self, number: int, x: Tensor) -> Tensor:
        """Return the weighted mean (B, T, ...) of each tick and the ones before."""
        taps, length = self.net.fading, x.shape[1]
        padded = torch.cat([x[:, :1].expand(-1, len(taps) - 1, *x.shape[2:]), x], dim=1)
        parts = [taps[i] * padded[:, i : i + length] for i in range(len(taps))]
        return torch.stack(parts).sum(dim=0)


class Tick:
    """Time as one tick after a state: blocks and sums over (B, ...), which leave their new states behind."""

    def __init__(self, net: FusionNet, state: NetState) -> None:
        self.net, self.state = net, state
        self.layers: list[LayerState] = []
        self.sums: dict[int, Tensor] = {}

    def block(self, number: int, x: Tensor) -> Tensor:
        """Step a block."""
        block = self.net.blocks[number]
        assert isinstance(block, CausalBlock)
        x, after = block.step(x, self.state.layers[number], self.state.seen)
        self.layers.append(after)
        return x

    def sum(self, number: int, x: Tensor) -> Tensor:
        """Add."""
        self.sums[number] = leaky_step(self.state.sums[number], x, self.net.config.memory)
        return self.sums[number]

    def smooth(self, number: int, x: Tensor) -> Tensor:
        """Return the weighted mean (B, ...) of this tick and the ones before."""
        taps, now = self.net.fading, x.flatten(1)[:, None]
        before = self.state.sums[number].unflatten(-1, (len(taps) - 1, -1))
        first = (self.state.seen == 0).reshape(-1, 1, 1)
        line = torch.cat([torch.where(first, now, before), now], dim=1)
        self.sums[number] = line[:, 1:].flatten(1)
        return (taps[:, None] * line).sum(dim=1).unflatten(-1, x.shape[1:])
