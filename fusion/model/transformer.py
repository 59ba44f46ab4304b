"""Causal, banded transformer: one cost per tick, whether streamed or run over a full window.

Each layer of a tick attends to itself and to the ``window - 1`` ticks before it. Positions are rotary
(Su et al., RoFormer, 2021) and only ever relative, so that the angles stay small and exact however long
the stream runs: the buffers keep keys *before* rotation. A short depthwise causal convolution in front of
the attention gives each layer local differences (as in Primer, So et al., 2021).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fusion.model.encoders import LockedDropout


class LayerState(NamedTuple):
    """What one layer remembers; a rolling buffer, oldest first.

    Attributes:
        keys: (B, H, W - 1, D / H), unrotated.
        values: (B, H, W - 1, D / H).
        taps: (B, K - 1, D), the newest inputs of the convolution.
    """

    keys: Tensor
    values: Tensor
    taps: Tensor


def rotary_table(length: int, width: int, base: float = 1000.0) -> Tensor:
    """Return cosines and sines (2, length, width / 2) of the rotary angles of positions 0 .. length - 1."""
    rate = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * rate
    return torch.stack([angle.cos(), angle.sin()]).float()


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Rotate the halves of the last axis of x (..., T, D) by ``table`` (2, T, D / 2)."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = table[0], table[1]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class CausalBlock(nn.Module):
    """Pre-norm layer: causal convolution, banded attention, feed-forward; each added to its input.

    Args:
        width: channels D.
        heads: attention heads H, a divisor of ``width``.
        window: ticks W that a tick attends to, itself included.
        expansion: feed-forward channels as a multiple of ``width``.
        taps: length K of the convolution.
        dropout: probability, in training only.
    """

    table: Tensor
    ages: Tensor

    def __init__(
        self, width: int, heads: int, window: int, expansion: float = 3.0, taps: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.conv_norm = nn.LayerNorm(width)
        self.conv = nn.Parameter(torch.randn(taps, width) * 0.1)
        self.attention_norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)
        hidden = int(width * expansion)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), LockedDropout(dropout), nn.Linear(hidden, width)
        )
        self.drop = LockedDropout(dropout)
        self.scale = (width // heads) ** -0.5
        table = rotary_table(2 * window, width // heads)
        self.register_buffer("table", table, persistent=False)
        before = table[:, :window].flip(1) * torch.tensor([1.0, -1.0])[:, None, None]
        self.register_buffer("ages", before, persistent=False)  # from W - 1 ticks before to now

    def init_state(self, batch: int) -> LayerState:
        """Return the state before the first tick."""
        width = self.conv.shape[1]
        like = self.conv
        buffer = like.new_zeros(batch, self.heads, self.window - 1, width // self.heads)
        return LayerState(buffer, buffer, like.new_zeros(batch, self.conv.shape[0] - 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """Run over a window x (B, T, D) that begins at the stream's first tick; returns (B, T, D)."""
        taps = self.conv.shape[0]
        padded = nn.functional.pad(self.conv_norm(x), (0, 0, taps - 1, 0))
        length = x.shape[1]
        x = x + sum(self.conv[i] * padded[:, i : i + length] for i in range(taps))
        q, k, v = self._split(self.to_qkv(self.attention_norm(x)))
        x = x + self.drop(self.to_out(self._merge(self._banded(q, k, v))))
        return x + self.drop(self.feed(self.feed_norm(x)))

    def step(self, x: Tensor, state: LayerState, seen: Tensor) -> tuple[Tensor, LayerState]:
        """Run one tick.

        Args:
            x: (B, D).
            state: of the ticks before.
            seen: () or (B,) int64, number of ticks before this one.

        Returns:
            (B, D) and the state after the tick; the old state stays valid.
        """
        line = torch.cat([state.taps, self.conv_norm(x)[:, None]], dim=1)
        x = x + (self.conv * line).sum(dim=1)
        qkv = self.to_qkv(self.attention_norm(x)).chunk(3, dim=-1)
        q, k, v = (each.unflatten(-1, (self.heads, 1, -1)) for each in qkv)
        keys = torch.cat([state.keys, k], dim=2)
        values = torch.cat([state.values, v], dim=2)
        scores = q @ rotate(keys, self.ages).transpose(-1, -2) * self.scale
        unfilled = torch.arange(self.window, device=x.device) < self.window - 1 - seen.reshape(-1, 1, 1, 1)
        weights = scores.masked_fill(unfilled, float("-inf")).softmax(dim=-1)
        x = x + self.to_out((weights @ values).flatten(1))
        x = x + self.feed(self.feed_norm(x))
        return x, LayerState(keys[:, :, 1:], values[:, :, 1:], line[:, 1:])

    def _split(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, length, _ = qkv.shape
        q, k, v = qkv.reshape(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return q, k, v

    @staticmethod
    def _merge(x: Tensor) -> Tensor:
        batch, heads, length, width = x.shape
        return x.transpose(1, 2).reshape(batch, length, heads * width)

    def _banded(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention (B, H, T, D / H) inside the band; memory grows with T * W, not with T * T."""
        length, window = q.shape[2], self.window
        if length <= 2 * window:
            return self._attend(q, k, v, torch.arange(length, device=q.device), 0)
        blocks = -(-length // window)
        q, k, v = (nn.functional.pad(z, (0, 0, 0, blocks * window - length)) for z in (q, k, v))
        q = q.unflatten(2, (blocks, window))
        k, v = (self._with_previous(z.unflatten(2, (blocks, window))) for z in (k, v))
        rows = torch.arange(window, device=q.device) + window
        first = self._attend(q[:, :, :1], k[:, :, :1], v[:, :, :1], rows, window)
        rest = self._attend(q[:, :, 1:], k[:, :, 1:], v[:, :, 1:], rows, 0)
        return torch.cat([first, rest], dim=2).flatten(2, 3)[:, :, :length]

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, rows: Tensor, start: int) -> Tensor:
        columns = torch.arange(k.shape[-2], device=q.device)
        age = rows[:, None] - columns
        outside = (age < 0) | (age >= self.window) | (columns < start)
        scores = rotate(q, self.table[:, rows]) @ rotate(k, self.table[:, columns]).transpose(-1, -2)
        return (scores * self.scale).masked_fill(outside, float("-inf")).softmax(dim=-1) @ v

    @staticmethod
    def _with_previous(z: Tensor) -> Tensor:
        previous = nn.functional.pad(z[:, :, :-1], (0, 0, 0, 0, 1, 0))
        return torch.cat([previous, z], dim=3)
