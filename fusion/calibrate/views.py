"""Which views of the board tell most, and what they leave untold."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.calibrate.board import Board, View

CELLS = (8, 6)
"""The picture is divided into so many cells, across and down, to see what the board has covered."""


def varied(views: Sequence[View], board: Board, size: tuple[int, int], most: int) -> list[View]:
    """Return up to ``most`` views that differ as much as can be, in their first order.

    Each next one is the farthest from all chosen (Gonzalez, "Clustering to minimize the maximum intercluster
    distance", 1985), by place, size and tilt in the picture.
    """
    if len(views) <= most:
        return list(views)
    marks = np.stack([_mark(view, board, size) for view in views])
    chosen = [int(np.argmax([len(view) for view in views]))]
    distance = np.full(len(views), np.inf)
    while len(chosen) < most:
        distance = np.minimum(distance, np.linalg.norm(marks - marks[chosen[-1]], axis=1))
        distance[chosen] = -1.0
        chosen.append(int(np.argmax(distance)))
    return [views[i] for i in sorted(chosen)]


def _mark(view: View, board: Board, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return place, size and tilt of a view as numbers of about the same importance."""
    homography, _ = cv2.findHomography(board.corners[view.ids, :2], view.pixels)
    if homography is None:
        return np.zeros(5)
    board_size = np.array(board.size_mm) / 1000
    outline = np.array([[0, 0], [board_size[0], 0], board_size, [0, board_size[1]]])
    homography = np.asarray(homography, np.float64)
    middle = _through(homography, board_size[None] / 2)[0]
    edges = _through(homography, outline)
    lengths = np.linalg.norm(edges - np.roll(edges, 1, axis=0), axis=1)
    lengths = np.log(np.maximum(lengths, 1.0))
    return np.array(
        [
            *(middle / size * 2),
            0.5 * lengths.mean() / np.log(2.0) * 0.5,
            2.0 * (lengths[0] - lengths[2]),  # tilted to one side: opposite edges differ
            2.0 * (lengths[1] - lengths[3]),
        ]
    )


def _through(homography: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.float64]:
    lifted = np.column_stack([points, np.ones(len(points))]) @ homography.T
    return lifted[:, :2] / lifted[:, 2:]


def covered(views: Sequence[View], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which cells (rows, columns) of the picture lie within the board of some view."""
    across, down = CELLS
    canvas = np.zeros((down * 8, across * 8), np.uint8)
    scale = np.array([across * 8 / size[0], down * 8 / size[1]])
    for view in views:
        hull = cv2.convexHull(np.round((view.pixels + 0.5) * scale - 0.5).astype(np.int32))
        cv2.fillConvexPoly(canvas, hull, 1)
    return canvas.reshape(down, 8, across, 8).mean(axis=(1, 3)) > 0.25


def uncovered(cells: NDArray[np.bool_]) -> list[str]:
    """Name the parts of the picture that the board was hardly in."""
    rows, columns = cells.shape
    third = {
        "upper left corner": cells[: rows // 3, : columns // 3],
        "upper right corner": cells[: rows // 3, -(columns // 3) :],
        "lower left corner": cells[-(rows // 3) :, : columns // 3],
        "lower right corner": cells[-(rows // 3) :, -(columns // 3) :],
    }
    return [name for name, part in third.items() if part.mean() < 0.25]
