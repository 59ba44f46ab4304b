"""What a training batch is, and how windows of unequal length become one.

A batch is a dict of dicts of tensors with (B, T) in front::

    features   the features contract, see fusion.model.net.FEATURES
    targets    joints3d (20, 3) m, joints3d_known (20), joints2d (20, 2) box-normalised, joints2d_known (20),
               contact (2), contact_known (), action () int64, -1 unknown
    valid      (B, T) 1 where the tick exists, 0 where it pads
    segment    (B,) int64 action of the whole window, -1 where the window is not one action
"""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor

from fusion.model.net import FEATURES
from fusion.skeletons import BODY20


class Batch(TypedDict):
    """See the module."""

    features: dict[str, Tensor]
    targets: dict[str, Tensor]
    valid: Tensor
    segment: Tensor


TARGETS: dict[str, tuple[int, ...]] = {
    "joints3d": (len(BODY20), 3),
    "joints3d_known": (len(BODY20),),
    "joints2d": (len(BODY20), 2),
    "joints2d_known": (len(BODY20),),
    "contact": (2,),
    "contact_known": (),
    "action": (),
}


def empty_features(batch: int, ticks: int, rate_hz: float) -> dict[str, Tensor]:
    """Return features in which nothing is present."""
    features = {name: torch.zeros(batch, ticks, *shape) for name, shape in FEATURES.items() if name != "time"}
    time = (torch.arange(ticks, dtype=torch.float64) * (1e9 / rate_hz)).round().long()
    return {"time": time.expand(batch, ticks).clone(), **features}


def unknown_targets(batch: int, ticks: int) -> dict[str, Tensor]:
    """Return targets in which nothing is known."""
    targets = {name: torch.zeros(batch, ticks, *shape) for name, shape in TARGETS.items() if name != "action"}
    return {**targets, "action": torch.full((batch, ticks), -1, dtype=torch.int64)}


def project(joints: Tensor, focal_px: Tensor | float, centre_px: tuple[float, float]) -> Tensor:
    """Pin-hole projection of joints (..., 3; camera frame) to px (..., 2)."""
    depth = joints[..., 2:].clamp(min=0.1)
    return joints[..., :2] / depth * focal_px + torch.tensor(centre_px, dtype=joints.dtype)


def person_boxes(keypoints: Tensor, rate_hz: float, centre_s: float = 0.1, size_s: float = 0.4) -> Tensor:
    """Return boxes (B, T, 3; centre x, y, size in px) around key points (B, T, 20, 2), smoothed causally.

    The same box as of :mod:`fusion.features.box`, with its time constants: size is the longer side.
    """
    low, high = keypoints.amin(dim=2), keypoints.amax(dim=2)
    raw = torch.cat([(low + high) / 2, (high - low).amax(dim=-1, keepdim=True)], dim=-1)
    gain = 1.0 - torch.exp(-1.0 / (rate_hz * torch.tensor([centre_s, centre_s, size_s])))
    box = raw[:, 0]
    out = [box]
    for tick in range(1, raw.shape[1]):
        box = box + gain * (raw[:, tick] - box)
        out.append(box)
    return torch.stack(out, dim=1)
