"""Human3.6M in the layout of 3d-pose-baseline, as windows to evaluate on: key points, no inertial sensor.

See :mod:`recordings.importers.human36m`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drivers.joints import MPII16
from fusion.data.batches import Batch, empty_features, person_boxes, unknown_targets
from fusion.skeletons import HUMAN36M17, to_body20
from recordings.importers.human36m import (
    FRAME_RATE_HZ,
    SIZE_PX,
    TEST_SUBJECTS,
    Sequence,
    View,
    read,
    sequences,
)

__all__ = ["TEST_SUBJECTS", "Sequence", "View", "read", "sequences", "window", "windows"]

_DETECTED_PX, _TRUE_PX = 8.0, 1.0
"""Spread told for each key point: of Stacked Hourglass, and of projected truth."""


def window(sequence: Sequence, start_s: float, ticks: int, rate_hz: float) -> Batch:
    """Return one window (1, ticks) of a sequence; what is after its end is not valid.

    Args:
        sequence: of a subject and a camera.
        start_s: of the window, s since the sequence's beginning.
        ticks: length.
        rate_hz: ticks per second.
    """
    joints, poses = read(sequence)
    times = start_s + np.arange(ticks) / rate_hz
    last = len(joints) - 1
    frame = np.minimum(np.floor(times * FRAME_RATE_HZ + 1e-6), last).astype(int)
    valid = torch.from_numpy((times * FRAME_RATE_HZ <= last + 1).astype(np.float32))[None]
    body = to_body20(HUMAN36M17)
    true = _at(body.points(joints), times * FRAME_RATE_HZ)
    if poses is None:
        front, pixels, spread = body, body.points(sequence.view.project(joints))[frame], _TRUE_PX
    else:
        front, spread = to_body20(MPII16), _DETECTED_PX
        pixels = front.points(poses)[frame]
    seen = torch.from_numpy(front.known.astype(np.float32))
    boxes = person_boxes(torch.from_numpy(pixels[None][:, :, front.known]), rate_hz)
    centre, size = boxes[:, :, None, :2], boxes[:, :, None, 2:].clamp(min=1.0)
    features, targets = empty_features(1, ticks, rate_hz), unknown_targets(1, ticks)
    present = valid[..., None] * seen
    vision = torch.zeros_like(features["vision"])
    vision[..., :2] = (torch.from_numpy(pixels)[None] - centre) / size
    vision[..., 2] = vision[..., 6] = 1.0
    vision[..., 3] = vision[..., 5] = (spread / size[..., 0]) ** 2
    features["vision"] = vision * (present > 0.5)[..., None]
    features["vision_present"] = present
    age = torch.from_numpy((times - frame / FRAME_RATE_HZ).astype(np.float32))
    features["vision_age"] = age.clamp(0.0, 2.0)[None]
    features["box"] = (boxes - torch.tensor([SIZE_PX / 2, SIZE_PX / 2, 0.0])) / SIZE_PX
    known = valid[..., None] * torch.from_numpy(body.known.astype(np.float32))
    targets["joints3d"] = torch.from_numpy(true - true[:, :1])[None]
    targets["joints3d_known"] = known
    placed = body.points(sequence.view.project(_at(joints, times * FRAME_RATE_HZ).astype(np.float64)))
    targets["joints2d"] = (torch.from_numpy(placed)[None] - centre) / size
    targets["joints2d_known"] = known
    return {"features": features, "targets": targets, "valid": valid, "segment": torch.full((1,), -1)}


def _at(values: NDArray[np.floating], rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return values (N, ...) at fractions of rows, linearly."""
    rows = rows.clip(0, len(values) - 1)
    low = np.floor(rows).astype(int).clip(0, max(0, len(values) - 2))
    share = (rows - low).reshape(-1, *([1] * (values.ndim - 1)))
    return (values[low] * (1.0 - share) + values[low + 1] * share).astype(np.float32)


def windows(
    root: Path, subjects: tuple[int, ...], count: int, window_s: float, rate_hz: float, seed: int
) -> tuple[list[Batch], dict[str, object]]:
    """Return windows at random places of random sequences, as batches of one, and what is to be said of them.

    Raises:
        DataError: files are missing or malformed.
    """
    every, g = sequences(root, subjects), torch.Generator().manual_seed(seed)
    ticks = round(window_s * rate_hz)
    batches = []
    chosen: Tensor = torch.randint(len(every), (count,), generator=g)
    for number in chosen.tolist():
        frames = len(read(every[number])[0])
        room = max(0.0, frames / FRAME_RATE_HZ - window_s)
        batches.append(window(every[number], float(torch.rand((), generator=g)) * room, ticks, rate_hz))
    detected = sum(every[number].detections is not None for number in chosen.tolist())
    facts: dict[str, object] = {
        "sensors": f"Stacked Hourglass key points in {detected} windows, projected truth in the others",
        "split": f"subjects {', '.join(map(str, subjects))}",
        "sequences": len(every),
        "windows": count,
        "window_s": window_s,
        "seed": seed,
    }
    return batches, facts
