"""When a camera's frames are taken and come in, and the person's box from frame to frame."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from fusion.features.box import CENTRE_S, JUMP, SIZE_S, STALE_S


@dataclasses.dataclass(frozen=True)
class FrameRanges:
    """How frames come. Probabilities are per window unless said otherwise.

    Attributes:
        rates: frames per second that a camera may have.
        delay_s: largest time a frame takes beyond what a tick waits for; small ones more often.
        lag_s: error of time that no stamp shows, uniform to both sides.
        missed: probability per frame that it never comes.
        blackout: probability of a stretch without a picture of the person.
        blackout_s: shortest and longest.
        covered: share of blackouts in which frames go on coming but show nobody.
    """

    rates: tuple[float, ...] = (15.0, 25.0, 30.0, 30.0, 30.0, 50.0, 60.0)
    delay_s: float = 0.2
    lag_s: float = 0.02
    missed: float = 0.02
    blackout: float = 0.25
    blackout_s: tuple[float, float] = (0.2, 4.0)
    covered: float = 0.5


@dataclasses.dataclass(frozen=True)
class Frames:
    """The frames of N windows, F of each; not all need be kept.

    Attributes:
        at: (N, F) tick, fractional, whose motion the frame shows.
        dt: (N, F) s since the frame before.
        kept: (N, F) bool, whether the frame comes.
        covered: (N, F) bool, whether it shows nobody.
        newest: (N, T) int64, the newest frame that has come at each tick, -1 before the first.
        age: (N, T) s since it was taken by its stamp.
    """

    at: Tensor
    dt: Tensor
    kept: Tensor
    covered: Tensor
    newest: Tensor
    age: Tensor


def draw_frames(
    batch: int, ticks: int, rate_hz: float, ranges: FrameRanges, generator: torch.Generator
) -> Frames:
    """Return random frames.

    Args:
        batch: N windows.
        ticks: T of each.
        rate_hz: ticks per second.
        ranges: how frames come.
        generator: of all that is random.
    """
    g = generator
    rates = torch.tensor(ranges.rates)
    rate = rates[torch.randint(len(rates), (batch, 1), generator=g)]
    phase = torch.rand(batch, 1, generator=g)
    count = math.ceil(ticks / rate_hz * max(ranges.rates)) + 1
    number = torch.arange(count)[None].expand(batch, -1)
    taken = (number + phase) / rate  # s from the first tick
    delay = ranges.delay_s * torch.rand(batch, 1, generator=g) ** 3
    lag = ranges.lag_s * (2 * torch.rand(batch, 1, generator=g) - 1)
    low, high = ranges.blackout_s
    length = low * (high / low) ** torch.rand(batch, 1, generator=g)
    begin = torch.rand(batch, 1, generator=g) * (ticks / rate_hz + length) - length
    dark = (torch.rand(batch, 1, generator=g) < ranges.blackout) & (taken >= begin) & (taken < begin + length)
    lens = torch.rand(batch, 1, generator=g) < ranges.covered
    kept = (torch.rand(batch, count, generator=g) >= ranges.missed) & ~(dark & ~lens)
    last = torch.where(kept, number, -1).cummax(dim=1).values
    time = torch.arange(ticks)[None] / rate_hz
    due = ((time - delay) * rate - phase).floor().long()
    newest = torch.where(due >= 0, last.gather(1, due.clamp(0, count - 1)), -1)
    age = time - taken.gather(1, newest.clamp(min=0))
    dt = torch.full_like(taken, 1.0) / rate
    return Frames((taken + lag) * rate_hz, dt, kept, dark & lens, newest, age)


def smooth_boxes(raw: Tensor, there: Tensor, dt: Tensor) -> Tensor:
    """Return the boxes (N, F, 3) that :class:`fusion.features.box.BoxFilter` gives, frame by frame.

    Args:
        raw: (N, F, 3) centre x, centre y and size of each frame's joints.
        there: (N, F) bool, whether the person was found in the frame; else the box stays as it was.
        dt: (N, F) s since the frame before.

    Returns:
        Zeros before the first frame with a person.
    """
    tau = torch.tensor([CENTRE_S, CENTRE_S, SIZE_S])
    raw = torch.cat([raw[..., :2], raw[..., 2:].clamp(min=1e-6)], dim=-1)
    box = torch.zeros_like(raw[:, 0])
    since = torch.full_like(dt[:, 0], torch.inf)
    out = []
    for frame in range(raw.shape[1]):
        new, here = raw[:, frame], there[:, frame, None]
        since = since + dt[:, frame]
        largest, smallest = torch.maximum(box[:, 2], new[:, 2]), torch.minimum(box[:, 2], new[:, 2])
        moved = (new[:, :2] - box[:, :2]).norm(dim=-1) > JUMP * largest
        fresh = moved | (largest > (1 + JUMP) * smallest) | (since > STALE_S)
        gain = 1.0 - torch.exp(-since[:, None].clamp(max=10.0) / tau)
        gain = torch.where(fresh[:, None], torch.ones_like(gain), gain)
        box = torch.where(here, box + gain * (new - box), box)
        since = torch.where(here[:, 0], torch.zeros_like(since), since)
        out.append(box)
    return torch.stack(out, dim=1)
