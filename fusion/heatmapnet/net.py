"""The network: three resolutions side by side, each told of the others, as in HRNet but narrow.

::

    crop (B, C, H, W) --> stem --> 1/4 --+--> 1/4 --+--> 1/4 --> heatmaps (B, J, H/4, W/4)
                                         +--> 1/8 --+--> 1/8 ----^
                                                    +--> 1/16 ---^

K. Sun, B. Xiao, D. Liu, J. Wang, "Deep High-Resolution Representation Learning for Human Pose Estimation",
CVPR 2019.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import torch
from torch import Tensor, nn

STRIDE = 4
"""Pixels of the crop in a cell of a heatmap, each way."""
CHANNELS = {"colour": 3, "depth": 2}
"""Channels of the input: blue, green and red; or depth and whether it is known."""


@dataclasses.dataclass(frozen=True)
class HeatmapConfig:
    """Sizes of a HeatmapNet.

    Attributes:
        joints: names of the joints, in the order of the heatmaps.
        input: what the crops show.
        height: of a crop, px, a multiple of 16.
        width: likewise.
        channels: of the finest resolution; each coarser one has twice as many.
        blocks: residual blocks of each resolution in each stage.
        stages: how often the resolutions are told of each other.
    """

    joints: tuple[str, ...]
    input: Literal["colour", "depth"] = "colour"
    height: int = 128
    width: int = 128
    channels: int = 24
    blocks: int = 2
    stages: int = 3

    def __post_init__(self) -> None:
        if self.height % 16 or self.width % 16 or min(self.height, self.width) < 32:
            raise ValueError(f"crops of {self.width} x {self.height} px: give multiples of 16, at least 32")
        if min(self.channels, self.blocks, self.stages, len(self.joints)) < 1:
            raise ValueError("channels, blocks, stages and joints must be at least 1")


def _convolution(inside: int, outside: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    conv = nn.Conv2d(inside, outside, size, stride, size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside))


class Residual(nn.Module):
    """Two convolutions beside what comes in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = _convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class Exchange(nn.Module):
    """Each resolution becomes the sum of all, brought to its own size and channels.

    Args:
        channels: of the resolutions that come, finest first.
        more: whether a coarser one begins.
    """

    def __init__(self, channels: list[int], more: bool) -> None:
        super().__init__()
        self.goals = len(channels) + more
        sizes = [*channels, *([2 * channels[-1]] if more else [])]
        self.paths = nn.ModuleList(
            nn.ModuleList(self._path(start, goal, sizes) for start in range(len(channels)))
            for goal in range(self.goals)
        )

    @staticmethod
    def _path(start: int, goal: int, sizes: list[int]) -> nn.Module:
        if start == goal:
            return nn.Identity()
        if start > goal:
            up = nn.Upsample(scale_factor=2 ** (start - goal), mode="nearest")
            return nn.Sequential(*_convolution(sizes[start], sizes[goal], size=1), up)
        steps: list[nn.Module] = []
        for at in range(start, goal):
            last = at == goal - 1
            steps.append(_convolution(sizes[start], sizes[goal] if last else sizes[start], stride=2))
            if not last:
                steps.append(nn.ReLU())
        return nn.Sequential(*steps)

    def forward(self, parts: list[Tensor]) -> list[Tensor]:
        """Map the resolutions to as many, or one more."""
        out = []
        for paths in self.paths:
            assert isinstance(paths, nn.ModuleList)
            total = paths[0](parts[0])
            for path, part in zip(list(paths)[1:], parts[1:], strict=True):
                total = total + path(part)
            out.append(torch.relu(total))
        return out


class HeatmapNet(nn.Module):
    """Crops to heatmaps.

    Args:
        config: sizes.
    """

    def __init__(self, config: HeatmapConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        self.stem = nn.Sequential(
            _convolution(CHANNELS[config.input], width, stride=2),
            nn.ReLU(),
            _convolution(width, width, stride=2),
            nn.ReLU(),
        )
        self.stages, self.exchanges = nn.ModuleList(), nn.ModuleList()
        sizes = [width]
        for _ in range(config.stages):
            self.stages.append(
                nn.ModuleList(nn.Sequential(*(Residual(c) for _ in range(config.blocks))) for c in sizes)
            )
            more = len(sizes) < 3
            self.exchanges.append(Exchange(sizes, more))
            sizes = [*sizes, 2 * sizes[-1]] if more else sizes
        self.head = nn.Conv2d(sum(sizes), len(config.joints), 1)
        nn.init.normal_(self.head.weight, std=0.01)
        # A joint is at one place and not at a thousand others.
        self.head.bias = nn.Parameter(torch.full((len(config.joints),), -4.0))

    @property
    def parameter_count(self) -> int:
        """Number of trained values."""
        return sum(p.numel() for p in self.parameters())

    def forward(self, crops: Tensor) -> Tensor:
        """Return logits (B, J, H / 4, W / 4) for crops (B, C, H, W).

        The evidence that a joint is at a cell is the logit's sigmoid; cell (row, column) lies at pixel
        (4 row + 1.5, 4 column + 1.5) of the crop.
        """
        parts = [self.stem(crops)]
        for stage, exchange in zip(self.stages, self.exchanges, strict=True):
            assert isinstance(stage, nn.ModuleList)
            parts = exchange([blocks(part) for blocks, part in zip(stage, parts, strict=True)])
        size = parts[0].shape[-2:]
        finest = [nn.functional.interpolate(part, size=size, mode="bilinear") for part in parts[1:]]
        return self.head(torch.cat([parts[0], *finest], dim=1))
