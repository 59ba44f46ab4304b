"""Corners of a chessboard to a fraction of a pixel, from all of the edges that meet there.

OpenCV looks at a small square about each corner, as large as the markers leave room. The edges between
squares run on, straight, along the whole side: a cross of them tells more, above all where the board is seen
aslant, dim and noisy. In the cross every gradient is at right angles to the line to the corner (Förstner and
Gülch, "A fast operator for detection and precise location of distinct points, corners and centres of circular
features", 1987).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SMOOTH_PX = 1.0
"""Of the picture before its slopes are taken."""
LONG = 0.42
"""Arms of the cross, in sides of a square: their ends stay clear of the next corner."""
WIDEST_PX = 5.0
"""Half of an arm's width at most; else what the markers leave, or a little less."""
NARROWEST_PX = 1.5
FURTHEST_PX = 2.0
"""A corner that would go farther is left where it was."""
STILL_PX = 0.002
ROUNDS = 20

Floats = NDArray[np.float64]


def refined(grey: NDArray[np.uint8], pixels: Floats, places: Floats, side: float, margin: float) -> Floats:
    """Return corners (n, 2) px where the edges meet.

    Args:
        grey: (H, W) the picture.
        pixels: (n, 2) px, where corners were found.
        places: (n, 2) of the same on the board, in any unit.
        side: of a square, in that unit.
        margin: from a square's edge to the marker within, in that unit.
    """
    smooth = cv2.GaussianBlur(np.asarray(grey, np.float32), (0, 0), SMOOTH_PX)
    slope_x = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1), np.float32)
    slope_y = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=1), np.float32)
    # How the board lies in the picture near a corner: by its neighbours, so that a bent lens does no harm.
    out = pixels.copy()
    for k, (pixel, place) in enumerate(zip(pixels, places, strict=True)):
        near = np.linalg.norm(places - place, axis=1) < 2.3 * side
        axes = _axes(places[near] - place, pixels[near])
        if axes is not None:
            out[k] = _one(slope_x, slope_y, pixel, axes * side, margin / side)
    return out


def _axes(places: Floats, pixels: Floats) -> Floats | None:
    """Return (2, 2) px per unit along the board's axes at its corner, or None where too little is known."""
    if len(places) < 4:
        return None
    terms = np.column_stack([np.ones(len(places)), places])
    if len(places) >= 6:
        terms = np.column_stack([terms, places**2, places[:, :1] * places[:, 1:]])
    found, _, rank, _ = np.linalg.lstsq(terms, pixels, rcond=1e-6)
    return np.asarray(found[1:3].T, np.float64) if rank == terms.shape[1] else None


def _one(
    slope_x: NDArray[np.float32], slope_y: NDArray[np.float32], pixel: Floats, axes: Floats, margin: float
) -> Floats:
    """Return one corner. axes: (2, 2) px per side of a square; margin: in sides."""
    height, width = slope_x.shape
    reach = LONG * np.abs(axes).sum(1) + FURTHEST_PX
    low = np.maximum(np.floor(pixel - reach), 0).astype(int)
    high = np.minimum(np.ceil(pixel + reach) + 1, [width, height]).astype(int)
    area = abs(np.linalg.det(axes))
    if (high - low < 4).any() or area < 1.0:
        return pixel
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    gx, gy = slope_x[window].astype(float), slope_y[window].astype(float)
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(float)
    back = np.linalg.inv(axes)
    # How far a point is from a line along one axis: its other coordinate times the square's height.
    heights = area / np.linalg.norm(axes, axis=0)
    at = pixel
    for _ in range(ROUNDS):
        u = back[0, 0] * (x - at[0]) + back[0, 1] * (y - at[1])
        v = back[1, 0] * (x - at[0]) + back[1, 1] * (y - at[1])
        weight = np.maximum(_arm(u, v, heights[0], margin), _arm(v, u, heights[1], margin))
        xx, xy, yy = (weight * gx * gx).sum(), (weight * gx * gy).sum(), (weight * gy * gy).sum()
        normal = np.array([[xx, xy], [xy, yy]])
        if np.linalg.cond(normal) > 100:
            return pixel
        right = [
            (weight * (gx * gx * x + gx * gy * y)).sum(),
            (weight * (gx * gy * x + gy * gy * y)).sum(),
        ]
        new = np.linalg.solve(normal, right)
        moved = float(np.linalg.norm(new - at))
        at = new
        if np.linalg.norm(at - pixel) > FURTHEST_PX:
            return pixel
        if moved < STILL_PX:
            break
    return at


def _arm(along: Floats, across: Floats, height: float, margin: float) -> Floats:
    """Return weights of the arm along one axis, smooth at its rims."""
    half = np.clip(height * margin - SMOOTH_PX, NARROWEST_PX, WIDEST_PX)
    wide = np.clip(1 - (across * height / half) ** 2, 0, None)
    long = np.clip(1 - (along / LONG) ** 2, 0, None)
    return wide * np.sqrt(long)
