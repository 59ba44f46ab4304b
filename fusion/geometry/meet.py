"""Where the rays of a few cameras meet, for many moments at once: small enough for every tick of a live run.

The steps are those of :mod:`fusion.geometry.triangulate`, on rays instead of pixels and with any leading
axes: start from the pair of cameras that most agree with, Gauss-Newton with Geman and McClure's weights,
reject who disagrees, settle. Symmetric 3 x 3 matrices are inverted by their adjugates, which numpy does for
all at once.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = 3
"""Of Gauss and Newton; where cameras agree one is enough."""
CUTOFF = 3.0
"""A camera so many standard deviations from the result is another thing's."""


class Met(NamedTuple):
    """J points.

    Attributes:
        places: (..., J, 3) m, world; 0 where fewer than two cameras agree.
        covariance: (..., J, 3, 3) m², as far as cameras know their own errors.
        known: (..., J) bool.
        used: (..., C, J) bool, cameras that the point rests on.
    """

    places: Floats
    covariance: Floats
    known: NDArray[np.bool_]
    used: NDArray[np.bool_]


def meet(turns: Floats, shifts: Floats, rays: Floats, deviation: Floats, asked: NDArray[np.bool_]) -> Met:
    """Return where rays meet.

    Args:
        turns: (..., C, 3, 3) world to camera.
        shifts: (..., C, 3) m; ``x_camera = turns @ X + shifts``.
        rays: (..., C, J, 2) where they meet the plane at depth 1 of the camera's frame.
        deviation: (..., C, J) standard deviation of each coordinate there, above 0.
        asked: (..., C, J) who sees the point.
    """
    rays = np.where(asked[..., None], rays, 0.0)
    places, started = _start(turns, shifts, rays, deviation, asked)
    weight = asked & started[..., None, :]
    for _ in range(STEPS):
        error = _errors(turns, shifts, rays, deviation, places)
        trust = weight / (1.0 + error / CUTOFF**2) ** 2
        places = _step(turns, shifts, rays, deviation, places, trust)
    used = weight & (_errors(turns, shifts, rays, deviation, places) <= CUTOFF**2)
    known = used.sum(axis=-2) >= 2
    used &= known[..., None, :]
    places = _step(turns, shifts, rays, deviation, places, used.astype(np.float64))
    _, normal, _ = _normal(turns, shifts, rays, deviation, places, used.astype(np.float64))
    covariance = inverse(normal)
    known &= np.isfinite(places).all(axis=-1) & (np.trace(covariance, axis1=-2, axis2=-1) > 0.0)
    return Met(
        np.where(known[..., None], places, 0.0),
        np.where(known[..., None, None], covariance, 0.0),
        known,
        used & known[..., None, :],
    )


def seen_by(turns: Floats, shifts: Floats, places: Floats) -> Floats:
    """Return places (..., J, 3) in the axes of cameras (..., C, J, 3), m."""
    return places[..., None, :, :] @ np.swapaxes(turns, -1, -2) + shifts[..., None, :]


def inverse(matrices: Floats) -> Floats:
    """Return the inverses of symmetric matrices (..., 3, 3); zeros where there is none."""
    a, b, c = matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 0, 2]
    d, e, f = matrices[..., 1, 1], matrices[..., 1, 2], matrices[..., 2, 2]
    top, side, corner = d * f - e * e, c * e - b * f, b * e - c * d
    determinant = a * top + b * side + c * corner
    good = determinant > 1e-12 * np.maximum(a, np.maximum(d, f)) ** 3
    scale = np.where(good, 1.0, 0.0) / np.where(good, determinant, 1.0)
    rows = [top, side, corner, side, a * f - c * c, b * c - a * e, corner, b * c - a * e, a * d - b * b]
    return (np.stack(rows, axis=-1) * scale[..., None]).reshape(matrices.shape)


def _start(
    turns: Floats, shifts: Floats, rays: Floats, deviation: Floats, asked: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return (..., J, 3) of the best pair of cameras each, and whether there is one (..., J)."""
    shape = (*asked.shape[:-2], asked.shape[-1])
    best, least = np.zeros((*shape, 3)), np.full(shape, np.inf)
    for pair in itertools.combinations(range(asked.shape[-2]), 2):
        two = list(pair)
        both = asked[..., two, :].all(axis=-2)
        if not both.any():
            continue
        places = _linear(turns[..., two, :, :], shifts[..., two, :], rays[..., two, :, :])
        error = np.minimum(_errors(turns, shifts, rays, deviation, places), CUTOFF**2)
        cost = np.where(asked, error, 0.0).sum(axis=-2)
        better = both & (cost < least)
        best, least = np.where(better[..., None], places, best), np.where(better, cost, least)
    return best, np.isfinite(least)


def _linear(turns: Floats, shifts: Floats, rays: Floats) -> Floats:
    """Return (..., J, 3), the least squares of ``x z = X, y z = Y`` over cameras."""
    rows = rays[..., None] * turns[..., None, 2:, :] - turns[..., None, :2, :]  # (..., C, J, 2, 3)
    right = shifts[..., None, :2] - rays * shifts[..., None, 2:]
    normal = (np.swapaxes(rows, -1, -2) @ rows).sum(axis=-4)
    moment = (np.swapaxes(rows, -1, -2) @ right[..., None])[..., 0].sum(axis=-3)
    return (inverse(normal) @ moment[..., None])[..., 0]


def _normal(
    turns: Floats, shifts: Floats, rays: Floats, deviation: Floats, places: Floats, trust: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return squared errors (..., C, J) in standard deviations and the normal equations of a step."""
    seen = seen_by(turns, shifts, places)
    depth = np.where(seen[..., 2] > 0.05, seen[..., 2], np.inf)
    at = seen[..., :2] / depth[..., None]
    off = (at - rays) / deviation[..., None]
    error = np.where(np.isfinite(depth), (off**2).sum(axis=-1), np.inf)
    slope = turns[..., None, :2, :] - at[..., None] * turns[..., None, 2:, :]  # (..., C, J, 2, 3)
    slope = slope / (depth * deviation)[..., None, None]
    weight = np.where(np.isfinite(error), trust, 0.0)
    weighted = slope * weight[..., None, None]
    normal = (np.swapaxes(weighted, -1, -2) @ slope).sum(axis=-4)
    moment = (np.swapaxes(weighted, -1, -2) @ off[..., None])[..., 0].sum(axis=-3)
    return error, normal, moment


def _errors(turns: Floats, shifts: Floats, rays: Floats, deviation: Floats, places: Floats) -> Floats:
    seen = seen_by(turns, shifts, places)
    ahead = seen[..., 2] > 0.05
    off = seen[..., :2] / np.where(ahead, seen[..., 2], 1.0)[..., None] - rays
    return np.where(ahead, ((off / deviation[..., None]) ** 2).sum(axis=-1), np.inf)


def _step(
    turns: Floats, shifts: Floats, rays: Floats, deviation: Floats, places: Floats, trust: Floats
) -> Floats:
    _, normal, moment = _normal(turns, shifts, rays, deviation, places, trust)
    step = (inverse(normal) @ moment[..., None])[..., 0]
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    return places - step * np.minimum(1.0, 0.5 / np.maximum(length, 1e-12))  # half a metre at most
