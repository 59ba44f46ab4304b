"""What a training batch is, and how windows of unequal length become one.

A batch is a dict of dicts of tensors with (B, T) in front::

    features   the features contract, see fusion.model.net.FEATURES
    targets    see TARGETS; where the value ``NAME_known`` is 0 the value NAME means nothing
    valid      (B, T) 1 where the tick exists, 0 where it pads
    segment    (B,) int64 action of the whole window, -1 where the window is not one action
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor

from drivers.places import PLACES
from fusion.features.spec import MAX_AGE_S
from fusion.model.contract import FEATURES, OTHERS
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
    "rotations": (len(PLACES) - 1, 3, 3),
    "rotations_known": (),
    "offsets": (len(BODY20), 3),
    "offsets_known": (),
    "root_velocity": (3,),
    "root_velocity_known": (),
    "heading": (len(PLACES),),
    "heading_known": (len(PLACES),),
    "view": (3, 3),
    "view_known": (),
    "contact": (2,),
    "contact_known": (),
    "action": (),
}
"""Names and shapes of the targets of one tick; all float32 but ``action``, int64 with -1 unknown.

Camera axes are x right, y down, z forward.

=================  ==============================================================================
``joints3d``       m from the pelvis, camera axes
``joints2d``       true places in the picture from the box's centre, in box sizes
``rotations``      segment (:data:`fusion.virtual.kinematics.SEGMENTS`) to camera axes
``offsets``        m, the body: what hangs where in which segment (:data:`fusion.virtual.kinematics.HANGS`);
                   their lengths are the bones'. ``forward(rotations, offsets, root)`` gives the joints, but
                   for what shoulders slide
``root_velocity``  of the pelvis, m/s, camera axes
``heading``        deg in [-180, 180): by how much the orientation that a sensor tells is turned about the
                   vertical, counter-clockwise from above, against the levelled world whose x points towards
                   the camera (:mod:`fusion.virtual.imu`)
``view``           that levelled world to camera axes
``contact``        left and right foot on the ground
=================  ==============================================================================
"""


def empty_features(batch: int, ticks: int, rate_hz: float) -> dict[str, Tensor]:
    """Return features in which nothing is present."""
    features = {name: torch.zeros(batch, ticks, *shape) for name, shape in FEATURES.items() if name != "time"}
    time = (torch.arange(ticks, dtype=torch.float64) * (1e9 / rate_hz)).round().long()
    return {"time": time.expand(batch, ticks).clone(), **features}


def with_others(features: Sequence[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """Return features (T, ...) of several windows, all with as many further cameras; those see nobody."""
    most = max((f["others_age"].shape[1] for f in features if "others" in f), default=0)
    names = [*FEATURES, *(OTHERS if most else ())]
    out = []
    for f in features:
        ticks = len(f["time"])
        have = f["others_age"].shape[1] if "others" in f else 0
        made = dict(f)
        for name, shape in OTHERS.items() if have < most else ():
            fill = MAX_AGE_S if name == "others_age" else 0.0
            more = torch.full((ticks, most - have, *shape), fill)
            made[name] = torch.cat([f[name], more], dim=1) if have else more
        out.append({name: made[name] for name in names})
    return out


def unknown_targets(batch: int, ticks: int) -> dict[str, Tensor]:
    """Return targets in which nothing is known."""
    targets = {name: torch.zeros(batch, ticks, *shape) for name, shape in TARGETS.items() if name != "action"}
    return {**targets, "action": torch.full((batch, ticks), -1, dtype=torch.int64)}


def joined(batches: Sequence[Batch]) -> Batch:
    """Return batches of windows of the same length as one."""
    if len(batches) == 1:
        return batches[0]
    features = {n: torch.cat([b["features"][n] for b in batches]) for n in batches[0]["features"]}
    targets = {n: torch.cat([b["targets"][n] for b in batches]) for n in batches[0]["targets"]}
    valid, segment = (torch.cat([b[n] for b in batches]) for n in ("valid", "segment"))
    return {"features": features, "targets": targets, "valid": valid, "segment": segment}


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
