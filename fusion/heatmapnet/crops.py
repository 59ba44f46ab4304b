"""From pictures and depth maps to crops that the network takes, and from its cells back to the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.heatmapnet.net import STRIDE
from fusion.vision.region import Region

REACH_M = 1.2
"""Depth beyond this from the person's counts as unknown, m."""


def crop_affine(place: Region, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return (2, 3): picture px of a pixel of a crop, both (0, 0) at the centre of the first pixel.

    Args:
        place: of the crop; its side is the crop's height.
        size: width and height of the crop, px.
    """
    scale = place.side / size[1]
    cos, sin = np.cos(place.angle) * scale, np.sin(place.angle) * scale
    turn = np.array([[cos, -sin], [sin, cos]])
    middle = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])
    return np.column_stack([turn, np.array([place.x, place.y]) - turn @ middle])


def cell_affine(place: Region, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return (2, 3): picture px of the centre of a cell (column, row) of the heatmaps of a crop."""
    crop = crop_affine(place, size)
    offset = crop[:, :2] @ np.full(2, (STRIDE - 1) / 2) + crop[:, 2]
    return np.column_stack([crop[:, :2] * STRIDE, offset])


def cut(picture: NDArray, place: Region, size: tuple[int, int]) -> NDArray:
    """Return a part of a picture (H, W, ...) as a crop; 0 beyond its edges. Depth is not interpolated."""
    nearest = picture.ndim == 2
    return cv2.warpAffine(
        picture,
        crop_affine(place, size),
        size,
        flags=(cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP,
    )


def of_depth(depth_mm: NDArray[np.uint16], middle_m: float) -> NDArray[np.float32]:
    """Return (2, h, w): depth from the person's, in units of :data:`REACH_M`, and whether it is known.

    Args:
        depth_mm: (h, w), 0 where unknown.
        middle_m: depth of the person.
    """
    away = (depth_mm.astype(np.float32) * 1e-3 - middle_m) / REACH_M
    known = ((depth_mm > 0) & (np.abs(away) < 1.0)).astype(np.float32)
    return np.stack([away * known, known])


def of_colour(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (3, h, w) in [-1, 1] of a BGR picture."""
    return picture.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1.0


def around_points(points: NDArray[np.floating], margin: float, aspect: float = 1.0) -> Region:
    """Return the upright region around key points (J, 2) px.

    Args:
        points: at least one.
        margin: height of the region over that of the points' box, or width where that asks for more.
        aspect: width of a crop over its height.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    width, height = high - low
    middle = (low + high) / 2
    return Region(float(middle[0]), float(middle[1]), float(max(height, width / aspect, 8.0) * margin))


def heat(points: NDArray[np.floating], size: tuple[int, int], sigma: float) -> NDArray[np.float32]:
    """Return heatmaps (J, h, w) of points (J, 2) in cells: Gaussians of height 1; 0 if not finite."""
    columns, rows = np.arange(size[0]), np.arange(size[1])
    x = np.exp(-((columns - points[:, :1]) ** 2) / (2.0 * sigma**2))
    y = np.exp(-((rows - points[:, 1:]) ** 2) / (2.0 * sigma**2))
    return np.nan_to_num(y[:, :, None] * x[:, None, :]).astype(np.float32)
