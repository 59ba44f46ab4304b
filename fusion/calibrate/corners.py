"""Corners of a chessboard to a fraction of a pixel, from the edges that meet there.

OpenCV looks at a small square about each corner, as large as the markers leave room. The edges between
squares run on along the whole side: two lines fitted to them, and crossed, tell more. What is fitted is where
the picture is steepest across an edge. Where slopes of all directions are made to meet in a point (Förstner
and Gülch, "A fast operator for detection and precise location of distinct points, corners and centres of
circular features", 1987) light that falls off along an edge pulls the point aside, farther on longer edges.
Lenses bend edges: by how much is told by where the neighbouring corners lie.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SMOOTH_PX = 1.0
"""Of the picture before its slopes are taken."""
LONG = 0.42
"""An edge is followed so far to both sides, in sides of a square: short of the next corner."""
WIDEST_PX = 5.0
"""What is looked at to both sides of an edge, at most; else what the markers leave, or a little less."""
NARROWEST_PX = 1.5
CLEAR_PX = 3.0
"""Nearer to the other edge its own slopes interfere, and count less."""
STEEPEST = 0.2
"""An edge that lies so far askew of what the neighbours say is none; a tangent."""
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
    out = pixels
    for _ in range(2):  # once more with finer neighbours
        before, out = out, pixels.copy()
        for k, place in enumerate(places):
            near = np.linalg.norm(places - place, axis=1) < 2.3 * side
            known = _axes((places[near] - place) / side, before[near] - before[k])
            if known is not None:
                out[k] = _one(slope_x, slope_y, pixels[k], *known, margin / side)
    return out


def _axes(places: Floats, pixels: Floats) -> tuple[Floats, Floats] | None:
    """Return how the board lies about its corner at (0, 0), or None where too little is known.

    The axes (2, 2), a column each, px a side; and by how much the lens bends lines along them, (2,) px a px
    squared.
    """
    if len(places) < 4:
        return None
    terms = np.column_stack([np.ones(len(places)), places])
    if len(places) >= 6:
        terms = np.column_stack([terms, places**2, places[:, :1] * places[:, 1:]])
    found, _, rank, _ = np.linalg.lstsq(terms, pixels, rcond=1e-6)
    if rank < terms.shape[1]:
        return None
    axes, bends = np.array(found[1:3].T, np.float64), np.zeros(2)
    for k in (0, 1):
        row = pixels[np.abs(places[:, 1 - k]) < 0.1]
        if len(row) >= 3:  # a straight line stays one in perspective: only lenses bend it
            way = axes[:, k] / np.linalg.norm(axes[:, k])
            bends[k] = np.polyfit(row @ way, row @ [-way[1], way[0]], 2)[0]
    return axes, bends


def _one(
    slope_x: NDArray[np.float32],
    slope_y: NDArray[np.float32],
    pixel: Floats,
    axes: Floats,
    bends: Floats,
    margin: float,
) -> Floats:
    """Return one corner. axes: (2, 2) px a side; bends: (2,) px a px squared; margin: in sides."""
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
    sides = np.linalg.norm(axes, axis=0)
    # From one edge of a square to the other is its height, of which the markers leave a part.
    halves = np.clip(area / sides * margin - SMOOTH_PX, NARROWEST_PX, WIDEST_PX)
    ways, at = axes / sides, pixel
    for _ in range(ROUNDS):
        normals = np.stack([-ways[1], ways[0]], axis=1)  # a row each edge
        across = [(x - at[0]) * n[0] + (y - at[1]) * n[1] for n in normals]
        lines = []
        for k, (way, normal) in enumerate(zip(ways.T, normals, strict=True)):
            along = (x - at[0]) * way[0] + (y - at[1]) * way[1]
            off = across[k] - bends[k] * along**2
            slope = gx * normal[0] + gy * normal[1]
            part = (
                np.clip(1 - (off / halves[k]) ** 2, 0, None)
                * np.sqrt(np.clip(1 - (along / (LONG * sides[k])) ** 2, 0, None))
                * np.clip(np.abs(across[1 - k]) / CLEAR_PX, 0, 1)
            )
            sign = [(part * slope)[half].sum() for half in (along < 0, along > 0)]
            if sign[0] * sign[1] > 0:  # black and white don't change sides: no corner of a chessboard
                return pixel
            line = _line(along, off, part * slope**2)
            if line is None:
                return pixel
            lines.append(line)
        shift, tilt = np.array(lines).T
        meet = normals - tilt[:, None] * ways.T
        if abs(np.linalg.det(meet)) < 0.1:
            return pixel
        step = np.linalg.solve(meet, shift)
        at = at + step
        if np.linalg.norm(at - pixel) > FURTHEST_PX:
            return pixel
        if np.linalg.norm(step) < STILL_PX:
            break
        turned = ways + tilt * normals.T
        ways = turned / np.linalg.norm(turned, axis=0)
    return at


def _line(along: Floats, off: Floats, weight: Floats) -> tuple[float, float] | None:
    """Return shift (px) and tilt of the line ``off = shift + tilt along`` that fits best, or None."""
    total = weight.sum()
    if total <= 0:
        return None
    middle, height = (weight * along).sum() / total, (weight * off).sum() / total
    spread = (weight * (along - middle) ** 2).sum() / total
    if spread < 1.0:  # px squared: a dot
        return None
    tilt = float((weight * (along - middle) * off).sum() / total / spread)
    return (float(height - tilt * middle), tilt) if abs(tilt) <= STEEPEST else None
