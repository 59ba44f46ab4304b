"""From the outputs of top-down networks to joints in cells: heatmaps and SimCC.

* ``quarter``: Newell et al., "Stacked Hourglass Networks for Human Pose Estimation", 2016.
* ``dark``: Zhang et al., "Distribution-Aware Coordinate Representation for Human Pose Estimation", 2020:
  a Newton step on the logarithm of the smoothed map, exact for a Gaussian.
* SimCC: Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation", 2022.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.vision import heatmaps

_FLOOR = 1e-3
"""Evidence below this has no meaningful logarithm."""
MEAN_CELLS = 5
"""Width of the window of decode ``mean``, cells."""


class Joints(NamedTuple):
    """Attributes: points (J, 2) float64 x, y in cells; peak (J,) float64, the value there."""

    points: NDArray[np.float64]
    peak: NDArray[np.float64]


def highest(values: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (J, 2) int x, y of the highest cell of each of (J, h, w) maps, and (J,) its value."""
    joints, _, width = values.shape
    flat = values.reshape(joints, -1)
    cell = flat.argmax(1)
    return np.stack([cell % width, cell // width], 1), flat[np.arange(joints), cell].astype(np.float64)


def quarter(values: NDArray[np.float32]) -> Joints:
    """Return the highest cells, moved by a quarter cell towards the higher neighbour on each axis."""
    cell, peak = highest(values)
    points = cell.astype(np.float64)
    _, height, width = values.shape
    for j, (x, y) in enumerate(cell):
        if 0 < x < width - 1:
            points[j, 0] += 0.25 * np.sign(values[j, y, x + 1] - values[j, y, x - 1])
        if 0 < y < height - 1:
            points[j, 1] += 0.25 * np.sign(values[j, y + 1, x] - values[j, y - 1, x])
    return Joints(points, peak)


def dark(values: NDArray[np.float32], blur: int = 11) -> Joints:
    """Return the tops of Gaussians through the highest cells.

    Args:
        values: (J, h, w) evidence.
        blur: width of the smoothing filter, cells, odd; 1: none.
    """
    cell, peak = highest(values)
    points = cell.astype(np.float64)
    _, height, width = values.shape
    for j, (x, y) in enumerate(cell):
        if not (2 <= x < width - 2 and 2 <= y < height - 2):
            continue
        smooth = values[j] if blur == 1 else _blurred(values[j], blur)
        log = np.log(
            np.maximum(smooth[y - 2 : y + 3, x - 2 : x + 3].astype(np.float64), _FLOOR * peak[j] + 1e-12)
        )
        dx, dy = (log[2, 3] - log[2, 1]) / 2, (log[3, 2] - log[1, 2]) / 2
        dxx = (log[2, 4] - 2 * log[2, 2] + log[2, 0]) / 4
        dyy = (log[4, 2] - 2 * log[2, 2] + log[0, 2]) / 4
        dxy = (log[3, 3] - log[3, 1] - log[1, 3] + log[1, 1]) / 4
        determinant = dxx * dyy - dxy * dxy
        if dxx < 0 and determinant > 0:  # a maximum
            step = np.array([dxy * dy - dyy * dx, dxy * dx - dxx * dy]) / determinant
            points[j] += np.clip(step, -1, 1)
    return Joints(points, peak)


def _blurred(one: NDArray[np.float32], blur: int) -> NDArray[np.float32]:
    return cv2.GaussianBlur(one, (blur, blur), 0, borderType=cv2.BORDER_CONSTANT)  # pyright: ignore[reportReturnType]


def mean(values: NDArray[np.float32]) -> Joints:
    """Return the weighted means of the cells around the highest ones."""
    found = heatmaps.statistics(np.maximum(values, 0), kernel=MEAN_CELLS, confident=0.0)
    return Joints(found.points, found.peak)


def of_heatmaps(values: NDArray[np.float32], how: str, blur: int = 11) -> Joints:
    """Return the joints of (J, h, w) heatmaps; ``how`` is as in :class:`NetworkDescription`."""
    if how == "dark":
        return dark(values, blur)
    if how == "quarter":
        return quarter(values)
    if how == "mean":
        return mean(values)
    cell, peak = highest(values)
    return Joints(cell.astype(np.float64), peak)


def vertex(
    before: NDArray[np.floating], at: NDArray[np.floating], after: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return how far from the middle one the tops of parabolas through three cells beside one another lie.

    Args:
        before, at, after: (N,) values of the cells; logarithms, for the top of a Gaussian.

    Returns:
        (N,) cells, half a cell at most; 0 where the three curve upwards.
    """
    curve = before - 2 * at + after
    return np.where(curve < 0, 0.5 * (before - after) / np.minimum(curve, -1e-9), 0).clip(-0.5, 0.5)


def of_simcc(x: NDArray[np.float32], y: NDArray[np.float32], how: str) -> Joints:
    """Return the joints of SimCC.

    Args:
        x: (J, bins) distribution over x.
        y: (J, bins) distribution over y.
        how: as in :class:`NetworkDescription`; whatever is not ``argmax`` refines by a parabola through the
            logarithms of three bins, exact for a Gaussian.

    Returns:
        points in bins; the value of a joint is the lower one of its two peaks, as MMPose has it.
    """
    points, peaks = zip(*(_peaks(one, how != "argmax") for one in (x, y)), strict=True)
    return Joints(np.stack(points, 1), np.minimum(*peaks))


def _peaks(values: NDArray[np.float32], refine: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = np.arange(len(values))
    bins = values.argmax(1)
    peak = values[rows, bins].astype(np.float64)
    place = bins.astype(np.float64)
    inner = (bins > 0) & (bins < values.shape[1] - 1)
    if refine and inner.any():
        row, at = rows[inner], bins[inner]
        three = np.stack([values[row, at + k] for k in (-1, 0, 1)]).astype(np.float64)
        place[inner] += vertex(*np.log(np.maximum(three, _FLOOR * np.abs(three[1]) + 1e-12)))
    return place, peak


def maps_of_simcc(x: NDArray[np.float32], y: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """Return (J, h, w) heatmaps that two distributions stand for.

    Args:
        x, y: (J, bins) distributions, evidence in [0, 1].
        bins: of a cell; the highest of them counts.
    """
    small = []
    for one in (x, y):
        count = one.shape[1] // bins
        small.append(one[:, : count * bins].reshape(len(one), count, bins).max(2))
    return np.sqrt(small[1][:, :, None] * small[0][:, None, :]).astype(np.float32)
