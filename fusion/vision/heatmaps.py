"""From heatmaps to key points with covariance.

A heatmap gives more than its peak: its second moments say how sure the network is, and in which
direction. Both are taken in a small window around a first guess, so that a second person or a
mirrored limb elsewhere in the map does not pull the joint away (soft-argmax; the refinement of a
regressed landmark is MediaPipe's ``RefineLandmarksFromHeatmap``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

KERNEL = 9
"""Cells: width of the window whose weighted mean refines a key point (the default of MediaPipe 0.10.21)."""
WINDOW = 15
"""Cells: width of the window whose second moments are the variance; wide enough for a spread of 3 cells."""
CONFIDENT = 0.5
"""Smallest peak in the kernel that may move a key point (MediaPipe's default)."""
BACKGROUND = 1e-4
"""Evidence added to every cell of the window, so that an empty map means a wide variance, not none."""


class Statistics(NamedTuple):
    """What the model needs of each heatmap, in cells; cell (row, column) has the place x = column, y = row.

    Attributes:
        points: (J, 2) float64 x, y.
        peak: (J,) float64 in [0, 1], largest evidence near the point.
        variance: (J, 3) float64 var_x, cov_xy, var_y about the point, cells².
        refined: (J,) bool, whether the heatmap was sure enough to place the point.
    """

    points: NDArray[np.float64]
    peak: NDArray[np.float64]
    variance: NDArray[np.float64]
    refined: NDArray[np.bool_]


def statistics(
    values: NDArray[np.float32],
    near: NDArray[np.floating] | None = None,
    *,
    kernel: int = KERNEL,
    window: int = WINDOW,
    confident: float = CONFIDENT,
) -> Statistics:
    """Return place, peak and covariance of the joint in each heatmap.

    Args:
        values: (J, h, w) evidence in [0, 1].
        near: (J, 2) first guess x, y in cells; None: each map's largest cell.
        kernel: odd width of the window of the mean, cells.
        window: odd width of the window of the variance, cells.
        confident: smallest peak within the kernel that may move the first guess.
    """
    joints, height, width = values.shape
    if near is None:
        cell = values.reshape(joints, -1).argmax(1)
        guess = np.stack([cell % width, cell // width], 1).astype(np.float64)
    else:
        guess = np.asarray(near, np.float64)
    inside = np.asarray(((guess >= 0) & (guess < (width, height))).all(1))
    # Truncated as MediaPipe does; a guess outside keeps its place and gets a wide variance.
    centre = np.where(inside[:, None], guess, 0).astype(np.int64)

    evidence, x, y = _windows(values, centre, kernel)
    peak = evidence.max((1, 2))
    total = np.maximum(evidence.sum((1, 2)), 1e-12)
    mean = np.stack([(evidence * x).sum((1, 2)), (evidence * y).sum((1, 2))], 1) / total[:, None]
    refined = inside & (peak >= confident)
    points = np.where(refined[:, None], mean, guess)

    evidence, x, y = _windows(values, centre, window)
    evidence = np.where(inside[:, None, None], evidence, 0) + BACKGROUND
    about = np.where(inside[:, None], points, 0)
    dx, dy = x - about[:, 0, None, None], y - about[:, 1, None, None]
    total = evidence.sum((1, 2))
    variance = np.stack(
        [
            (evidence * dx * dx).sum((1, 2)),
            (evidence * dx * dy).sum((1, 2)),
            (evidence * dy * dy).sum((1, 2)),
        ],
        axis=1,
    )
    return Statistics(points, np.where(inside, peak, 0), variance / total[:, None], refined)


def _windows(
    values: NDArray[np.float32], centre: NDArray[np.int64], size: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return (J, size, size) evidence around the cells, zero outside the map, with its x and y."""
    joints, height, width = values.shape
    reach = np.arange(size) - size // 2
    columns, rows = centre[:, 0, None] + reach, centre[:, 1, None] + reach
    known = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    cut = values[
        np.arange(joints)[:, None, None],
        rows.clip(0, height - 1)[:, :, None],
        columns.clip(0, width - 1)[:, None, :],
    ]
    return np.where(known, cut, 0).astype(np.float64), columns[:, None, :], rows[:, :, None]


def gaussians(
    shape: tuple[int, int], points: NDArray[np.floating], variance: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Return (J, h, w) heatmaps of peak 1 with given means (J, 2) and covariances (J, 3), in cells."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    dx, dy = x - points[:, 0, None, None], y - points[:, 1, None, None]
    xx, xy, yy = (variance[:, i, None, None] for i in range(3))
    determinant = xx * yy - xy * xy
    return np.exp(-(yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / (2 * determinant)).astype(np.float32)
