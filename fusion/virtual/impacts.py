"""When feet strike the ground and hands meet, and how hard: what microphones hear and sensors feel."""

from __future__ import annotations

import torch
from torch import Tensor

from fusion.skeletons import BODY20
from fusion.virtual.smooth import derivatives

KINDS: tuple[str, ...] = ("left_step", "right_step", "clap")

_SPEED = 0.6
"""m/s at which a sole that comes down strikes with strength one: a brisk step."""
_LOOK_BACK_S = 0.06
_TOGETHER_M = 0.14
"""Middles of two hands that touch are nearer than this."""
_CLAP_SPEED = 3.0
"""m/s at which hands that close clap with strength one."""
_LOWEST = 0.08
"""Weaker impacts are neither heard nor felt."""
_HARDEST = 3.0

_FEET = [[BODY20.index(f"{side}_{joint}") for joint in ("ankle", "foot")] for side in ("left", "right")]
_HANDS = [BODY20.index(f"{side}_hand") for side in ("left", "right")]


def impacts(joints: Tensor, contacts: Tensor, rate_hz: float) -> Tensor:
    """Return the strength (N, T, 3) of the impact of each of :data:`KINDS` that begins at each tick, else 0.

    A step's strength is the largest speed downward of ankle and toes within 0.06 s before the contact begins;
    a clap's the speed at which the hands closed. One is a brisk step, or a common clap.

    Args:
        joints: (N, T, 20, 3) m, world frame, z up.
        contacts: (N, T, 2) whether the left and the right foot is on the ground.
        rate_hz: ticks per second.
    """
    _, speed, _ = derivatives(joints, rate_hz)
    strengths = []
    for foot, ankle_and_toes in enumerate(_FEET):
        down = (-speed[:, :, ankle_and_toes, 2]).clamp(min=0.0).amax(dim=2)
        on = contacts[:, :, foot] > 0.5
        begins = on & ~on.roll(1, dims=1)
        begins[:, 0] = False
        strengths.append(torch.where(begins, _recent_maximum(down, rate_hz) / _SPEED, torch.zeros_like(down)))
    between = joints[:, :, _HANDS[0]] - joints[:, :, _HANDS[1]]
    distance = between.norm(dim=-1)
    relative = speed[:, :, _HANDS[0]] - speed[:, :, _HANDS[1]]
    closing = -(between * relative).sum(dim=-1) / distance.clamp(min=1e-3)
    # The hands met where their distance is least; the tick after it knows.
    met = (distance <= distance.roll(1, dims=1)) & (distance < distance.roll(-1, dims=1))
    met &= distance < _TOGETHER_M
    met[:, [0, -1]] = False
    hard = _recent_maximum(closing.clamp(min=0.0), rate_hz) / _CLAP_SPEED
    strengths.append(torch.where(met & (hard > 0.3), hard, torch.zeros_like(hard)))
    out = torch.stack(strengths, dim=-1).clamp(max=_HARDEST)
    return torch.where(out >= _LOWEST, out, torch.zeros_like(out))


def _recent_maximum(x: Tensor, rate_hz: float) -> Tensor:
    """Return the largest x (N, T) within the last 0.06 s."""
    span = max(1, round(_LOOK_BACK_S * rate_hz))
    padded = torch.nn.functional.pad(x, (span, 0))
    return torch.nn.functional.max_pool1d(padded[:, None], span + 1, stride=1)[:, 0]
