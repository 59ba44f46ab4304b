"""What clothes look like: colours of trunk and thighs, so that people are told apart when they cross."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.vision.base import Person

_BINS = (6, 6, 6)  # of L, a, b
_LOW, _HIGH = (0.0, 96.0, 96.0), (256.0, 160.0, 160.0)
_SIDE = 24
"""Cells of the part of the picture that is looked at, each way."""
_TRUNK = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")

Array = NDArray[np.float64]


def clothes(
    image: NDArray[np.uint8], person: Person, skeleton: tuple[str, ...] | None = None
) -> Array | None:
    """Return the colours (2 * 216,) of trunk and thighs, or None where they are not in the picture.

    Colours are counted in CIE Lab: 6 steps each of lightness, a and b, square roots of shares, so that the
    product of two is their Bhattacharyya coefficient.

    Args:
        image: (H, W, 3) BGR.
        person: found in it.
        skeleton: joint names of the front end; by default BlazePose's.
    """
    from fusion.skeletons import BLAZEPOSE33

    names = skeleton or BLAZEPOSE33
    if not set(_TRUNK) <= set(names) or len(person.keypoints) != len(names):
        return None
    at = {name: person.keypoints[names.index(name)].astype(np.float64) for name in _TRUNK}
    trunk = _patch(image, np.stack([at[name] for name in _TRUNK]))
    down = at["left_hip"] + at["right_hip"] - at["left_shoulder"] - at["right_shoulder"]
    hips = np.stack([at["right_hip"], at["left_hip"]])
    legs = _patch(image, np.concatenate([hips[::-1], hips + 0.3 * down]))
    if trunk is None or legs is None:
        return None
    return np.concatenate([_histogram(trunk), _histogram(legs)])


def likeness(a: Array, b: Array) -> float:
    """Return how alike two appearances are, 0 to 1: the mean Bhattacharyya coefficient of their parts."""
    half = len(a) // 2
    parts = [float(a[s] @ b[s]) for s in (slice(0, half), slice(half, None))]
    norms = [float(np.linalg.norm(a[s]) * np.linalg.norm(b[s])) for s in (slice(0, half), slice(half, None))]
    return float(np.mean([part / norm if norm > 0 else 0.0 for part, norm in zip(parts, norms, strict=True)]))


def _patch(image: NDArray[np.uint8], corners: Array) -> NDArray[np.uint8] | None:
    """Return the quadrilateral (4, 2) px of a picture as (24, 24, 3), a little narrower than it is."""
    if not np.isfinite(corners).all():
        return None
    middle = corners.mean(axis=0)
    corners = middle + 0.8 * (corners - middle)
    low, high = corners.min(axis=0), corners.max(axis=0)
    height, width = image.shape[:2]
    if high[0] < 0 or high[1] < 0 or low[0] >= width or low[1] >= height or np.any(high - low < 2):
        return None
    square = np.array([[0, 0], [_SIDE, 0], [_SIDE, _SIDE], [0, _SIDE]], np.float32)
    turn = cv2.getPerspectiveTransform(corners.astype(np.float32), square)
    if not np.isfinite(turn).all() or abs(np.linalg.det(turn)) < 1e-9:
        return None
    return cv2.warpPerspective(image, turn, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE)  # pyright: ignore[reportReturnType]


def _histogram(patch: NDArray[np.uint8]) -> Array:
    lab = cv2.cvtColor(patch, cv2.COLOR_BGR2LAB).reshape(-1, 3).astype(np.float64)
    low, high = np.array(_LOW), np.array(_HIGH)
    cells = np.clip((lab - low) / (high - low) * _BINS, 0, np.array(_BINS) - 1).astype(int)
    number = (cells[:, 0] * _BINS[1] + cells[:, 1]) * _BINS[2] + cells[:, 2]
    counts = np.bincount(number, minlength=int(np.prod(_BINS))).astype(np.float64)
    return np.sqrt(counts / counts.sum())
