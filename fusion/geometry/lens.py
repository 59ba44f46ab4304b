"""Points of the world to pixels, and pixels back to rays, by a camera's model."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.camera.model import CameraModel

_ITERATIONS = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 60, 1e-10)
"""Of undoing distortion: to a 1e-7 px where it can be undone at all."""


def project(model: CameraModel, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return pixels (..., 2) of points (..., 3) of the world, m; NaN for those behind the camera.

    Without a pose the world is the camera's own frame.
    """
    points = np.asarray(points, np.float64)
    seen = to_camera(model, points).reshape(-1, 3)
    pixels = np.full((len(seen), 2), np.nan)
    ahead = seen[:, 2] > 1e-6
    if ahead.any():
        pixels[ahead] = _bend(model, seen[ahead])
    return pixels.reshape(*points.shape[:-1], 2)


def to_camera(model: CameraModel, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return points (..., 3) of the world in the camera's frame, m."""
    points = np.asarray(points, np.float64)
    if model.pose is None:
        return points
    return points @ model.pose.rotation.T + model.pose.translation


def normalised(model: CameraModel, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return where rays of pixels (..., 2) meet the plane at depth 1 of the camera's frame (..., 2)."""
    pixels = np.asarray(pixels, np.float64)
    flat = np.nan_to_num(pixels.reshape(-1, 1, 2))
    if not flat.size:
        return np.empty(pixels.shape)
    if model.lens == "fisheye":
        out = cv2.fisheye.undistortPoints(flat, model.matrix, model.distortion)
    else:
        out = cv2.undistortPoints(flat, model.matrix, model.distortion, criteria=_ITERATIONS)
    straight = np.asarray(out, np.float64).reshape(pixels.shape)
    return np.where(np.isfinite(pixels), straight, np.nan)


def slopes(
    model: CameraModel, seen: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return pixels of points in the camera's frame, and how they move with the points and with the lens.

    Args:
        model: the camera; its pose is not used.
        seen: (N, 3) m, ahead of the camera.

    Returns:
        Pixels (N, 2); px per m (N, 2, 3); px per unit of [fx, fy, cx, cy, *distortion] (N, 2, 4 + D).
    """
    seen, zero = np.asarray(seen, np.float64), np.zeros(3)
    count = len(model.distortion)
    if not len(seen):
        return np.empty((0, 2)), np.empty((0, 2, 3)), np.empty((0, 2, 4 + count))
    if model.lens == "fisheye":  # its columns: focal lengths, middle, distortion, turn, shift, skew
        pixels, all_slopes = cv2.fisheye.projectPoints(
            seen[:, None], zero, zero, model.matrix, model.distortion
        )
        order = [*range(4 + count)]
        moved = slice(7 + count, 10 + count)
    else:  # turn, shift, focal lengths, middle, distortion
        pixels, all_slopes = cv2.projectPoints(seen[:, None], zero, zero, model.matrix, model.distortion)
        order = [*range(6, 10 + count)]
        moved = slice(3, 6)
    table = np.asarray(all_slopes, np.float64).reshape(len(seen), 2, -1)
    return np.asarray(pixels, np.float64).reshape(-1, 2), table[:, :, moved], table[:, :, order]


def _bend(model: CameraModel, seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return pixels (N, 2) of points (N, 3) in the camera's frame."""
    zero = np.zeros(3)
    if model.lens == "fisheye":
        pixels, _ = cv2.fisheye.projectPoints(seen[:, None], zero, zero, model.matrix, model.distortion)
    else:
        pixels, _ = cv2.projectPoints(seen[:, None], zero, zero, model.matrix, model.distortion)
    return np.asarray(pixels, np.float64).reshape(-1, 2)
