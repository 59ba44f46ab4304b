"""What needs no network: the mean pose, the last one seen, and that one through a One-Euro filter.

All take batches of features alone; the mean pose stands where nothing has been seen yet.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drivers.simulator.anatomy import BodyShape
from fusion.data.batches import Batch
from fusion.segments import JOINT
from fusion.skeletons import BODY20
from fusion.virtual.motion import Skeleton

_ENDS = [
    (JOINT[f"{side}_{a}"], JOINT[f"{side}_{b}"])
    for side in ("left", "right")
    for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
] + [(JOINT["pelvis"], JOINT["spine"]), (JOINT["spine"], JOINT["neck"])]
_LENGTHS = torch.stack([Skeleton.of_shape(BodyShape()).offsets[to].norm() for _, to in _ENDS])
MIN_CUTOFF_HZ, BETA, D_CUTOFF_HZ = 1.5, 5.0, 1.0
"""Of the One-Euro filter: at rest it passes 1.5 Hz, at 1 m/s 6.5 Hz."""


def mean_pose(batches: list[Batch]) -> Tensor:
    """Return the mean (20, 3) of the true poses, m from the pelvis; 0 for joints that are never known.

    Of the very data that is evaluated: no constant pose does much better.
    """
    total, count = torch.zeros(len(BODY20), 3), torch.zeros(len(BODY20), 1)
    for batch in batches:
        known = (batch["targets"]["joints3d_known"] * batch["valid"][..., None] > 0.5)[..., None]
        total += torch.where(known, batch["targets"]["joints3d"], 0.0).sum(dim=(0, 1))
        count += known.sum(dim=(0, 1))
    return total / count.clamp(min=1.0)


def held(batch: Batch, mean: Tensor) -> Tensor:
    """Return (B, T, 20, 3) m from the pelvis: each joint where it was last seen.

    Key points become metres by the scale at which the bones of the limbs and the trunk add up to those of a
    body 1.75 m tall, given the depth that was told.
    """
    features = batch["features"]
    present = features["vision_present"] > 0.5
    ticks = torch.arange(present.shape[1])[None, :, None]
    newest = torch.where(present, ticks, -1).cummax(dim=1).values
    ever, at = newest >= 0, newest.clamp(min=0)[..., None]
    vision = torch.where(present[..., None], features["vision"], torch.zeros_like(features["vision"]))
    columns = torch.cat([vision[..., :2], vision[..., 7:8] * vision[..., 8:9].clamp(max=1.0)], dim=-1)
    columns = columns.gather(1, at.expand_as(columns))
    scale = _scale(columns, ever)
    joints = torch.cat([columns[..., :2] * scale[..., None, None], columns[..., 2:]], dim=-1)
    joints = joints - joints[..., :1, :]
    seen = ever & ever[..., :1]
    return torch.where(seen[..., None], joints, mean.expand_as(joints))


def _scale(columns: Tensor, ever: Tensor) -> Tensor:
    """Return metres per box (B, T), by bisection: lengths grow with the scale."""
    one, two = [a for a, _ in _ENDS], [b for _, b in _ENDS]
    bone = columns[..., two, :] - columns[..., one, :]
    both = (ever[..., one] & ever[..., two]).float()
    wanted = (both * _LENGTHS).sum(dim=-1)
    flat, deep = bone[..., :2].square().sum(dim=-1), bone[..., 2].square()
    low, high = torch.full_like(wanted, 0.2), torch.full_like(wanted, 8.0)
    for _ in range(20):
        middle = 0.5 * (low + high)
        length = ((middle[..., None].square() * flat + deep).sqrt() * both).sum(dim=-1)
        high = torch.where(length > wanted, middle, high)
        low = torch.where(length > wanted, low, middle)
    return 0.5 * (low + high)


def one_euro(joints: Tensor, rate_hz: float) -> Tensor:
    """Return joints (B, T, 20, 3) through the filter of Casiez, Roussel and Vogel (CHI 2012), causally."""

    def gain(cutoff_hz: Tensor | float) -> Tensor:
        tau = 1.0 / (2.0 * math.pi * torch.as_tensor(cutoff_hz))
        return 1.0 / (1.0 + tau * rate_hz)

    value, speed = joints[:, 0], torch.zeros_like(joints[:, 0])
    out = [value]
    for tick in range(1, joints.shape[1]):
        now = joints[:, tick]
        speed = speed + gain(D_CUTOFF_HZ) * ((now - value) * rate_hz - speed)
        value = value + gain(MIN_CUTOFF_HZ + BETA * speed.abs()) * (now - value)
        out.append(value)
    return torch.stack(out, dim=1)
