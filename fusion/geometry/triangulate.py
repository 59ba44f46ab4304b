"""Points of the world from what several cameras see of them.

Each camera says where it sees a point, how sure it is (a score) and how widely (a covariance, px²). For each
point:

1. rays: lens distortion is undone (:func:`fusion.geometry.lens.normalised`);
2. start: the linear solution (DLT; Hartley and Sturm, "Triangulation", 1997) of every pair of cameras, and of
   those the one that all cameras together believe most, by the smallest sum of capped squared errors: a
   camera that sees another thing doesn't pull it;
3. Gauss-Newton on the distances in the pictures, each weighted by its covariance and score, and by Geman and
   McClure's function, which lets a camera that disagrees go instead of meeting it halfway;
4. cameras farther than ``cutoff_px`` from the result are rejected, and the rest settles once more.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.camera.model import CameraModel
from drivers.errors import ConfigError
from fusion.geometry.lens import normalised

STEPS = 10
"""Of Gauss and Newton; three are enough where the cameras agree."""
MOST_CAMERAS = 64
"""More cameras make more than two thousand pairs."""

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Weights:
    """How far each camera is believed.

    Attributes:
        floor_px: error of a key point beyond its heatmap's width, px: labels of networks are not sharper.
        spread: by how much the width of a heatmap counts as error; its mean is surer than its width.
        least_score: a camera that is less sure of a point is not asked.
        cutoff_px: a camera farther from the result is rejected, px.
    """

    floor_px: float = 2.0
    spread: float = 0.5
    least_score: float = 0.3
    cutoff_px: float = 20.0

    def __post_init__(self) -> None:
        if not (self.floor_px > 0 and self.spread >= 0 and self.cutoff_px > 0 and 0 <= self.least_score <= 1):
            raise ConfigError(
                "the weights of triangulation make no sense",
                mend="Give floor_px and cutoff_px above 0, spread not below it, and a score between 0 and 1",
            )


@dataclasses.dataclass(frozen=True)
class Points:
    """N points, seen by C cameras.

    Attributes:
        places: (N, 3) m, world; NaN where fewer than two cameras agree.
        used: (C, N) bool, cameras that the point rests on.
        error_px: (N,) root mean square distance from what those saw, px.
        covariance: (N, 3, 3) m², of the place, by what cameras said of their own errors.
        residual_px: (C, N) distance from what each camera saw, px; NaN where it was not asked.
    """

    places: Floats
    used: NDArray[np.bool_]
    error_px: Floats
    covariance: Floats
    residual_px: Floats


def triangulate(
    cameras: Sequence[CameraModel],
    pixels: NDArray[np.floating],
    score: NDArray[np.floating] | None = None,
    variance: NDArray[np.floating] | None = None,
    weights: Weights | None = None,
) -> Points:
    """Return points from what cameras see.

    Args:
        cameras: C of them, each with a pose.
        pixels: (C, N, 2) px; NaN where a camera sees nothing.
        score: (C, N) in [0, 1]; None: 1 everywhere.
        variance: (C, N, 3) px²: var_x, cov_xy, var_y; None: as sharp as the floor.
        weights: how far cameras are believed.

    Raises:
        ConfigError: fewer than two cameras, or one without a pose.
    """
    weights = weights or Weights()
    pixels = np.asarray(pixels, np.float64)
    check(cameras)
    score = np.ones(pixels.shape[:2]) if score is None else np.asarray(score, np.float64)
    asked = np.isfinite(pixels).all(-1) & (score >= weights.least_score)
    rays, metric, halves = _observed(cameras, pixels, score, variance, weights)
    asked &= np.isfinite(rays).all(-1)
    turns = np.stack([camera.pose.rotation for camera in cameras if camera.pose])
    shifts = np.stack([camera.pose.translation for camera in cameras if camera.pose])
    places = _start(turns, shifts, rays, metric, asked, weights)
    for _ in range(STEPS):
        places = _step(turns, shifts, rays, halves, places, asked, cutoff=_relative(metric, weights))
    distance = _distances(turns, shifts, rays, metric, places)
    used = asked & (distance <= weights.cutoff_px)
    enough = used.sum(0) >= 2
    used &= enough
    for _ in range(STEPS):
        places = _step(turns, shifts, rays, halves, places, used, cutoff=None)
    places[~enough] = np.nan
    distance = np.where(asked, _distances(turns, shifts, rays, metric, places), np.nan)
    count = np.maximum(used.sum(0), 1)
    error = np.sqrt((np.where(used, distance, 0.0) ** 2).sum(0) / count)
    information = _normal(turns, shifts, rays, halves, places, used)[0]
    return Points(
        places,
        used,
        np.where(enough, error, np.nan),
        np.where(enough[:, None, None], _inverse(information), np.nan),
        distance,
    )


def check(cameras: Sequence[CameraModel]) -> None:
    """Refuse cameras that no point can be found with.

    Raises:
        ConfigError: fewer than two, too many, or one without a pose.
    """
    if not 2 <= len(cameras) <= MOST_CAMERAS:
        raise ConfigError(
            f"{len(cameras)} calibrated cameras cannot triangulate",
            mend=f"It takes 2 to {MOST_CAMERAS} that see the same; calibrate them together",
        )
    for camera in cameras:
        if camera.pose is None:
            raise ConfigError(
                f"where camera {camera.name or '?'} stands is unknown",
                mend="Find out with chorus calibrate extrinsics",
            )


def _observed(
    cameras: Sequence[CameraModel],
    pixels: Floats,
    score: Floats,
    variance: NDArray[np.floating] | None,
    weights: Weights,
) -> tuple[Floats, Floats, Floats]:
    """Return what cameras see as rays.

    Returns:
        rays: (C, N, 2), on the plane at depth 1.
        metric: (C, N, 2, 2), from differences of rays to px.
        halves: (C, N, 2, 2), from differences of rays to standard deviations of what was seen.
    """
    rays = np.stack([normalised(camera, seen) for camera, seen in zip(cameras, pixels, strict=True)])
    metric = np.empty((*pixels.shape, 2))
    for number, camera in enumerate(cameras):
        # How a ray moves with its pixel, by difference: the lens differs from place to place.
        moved = [
            normalised(camera, pixels[number] + step) - normalised(camera, pixels[number] - step)
            for step in (np.array([0.5, 0.0]), np.array([0.0, 0.5]))
        ]
        metric[number] = _inverse(np.stack(moved, -1))
    covariance = np.zeros((*pixels.shape, 2))
    if variance is not None:
        spread = np.nan_to_num(np.asarray(variance, np.float64)) * weights.spread**2
        covariance[..., 0, 0], covariance[..., 1, 1] = spread[..., 0], spread[..., 2]
        covariance[..., 0, 1] = covariance[..., 1, 0] = spread[..., 1]
    covariance += np.eye(2) * weights.floor_px**2
    # Key points seen with a score of 0.5 err by about twice as much as sure ones, with 0.25 by four times.
    covariance /= np.clip(score, 0.05, 1.0)[..., None, None] ** 2
    halves = np.linalg.cholesky(np.linalg.inv(covariance)).swapaxes(-1, -2) @ np.nan_to_num(metric)
    return rays, metric, halves


def _start(
    turns: Floats, shifts: Floats, rays: Floats, metric: Floats, asked: NDArray[np.bool_], weights: Weights
) -> Floats:
    """Return (N, 3): of the linear solutions of all pairs of cameras the one that most agree with."""
    best = np.full((rays.shape[1], 3), np.nan)
    least = np.full(rays.shape[1], np.inf)
    for a, b in itertools.combinations(range(len(rays)), 2):
        both = np.flatnonzero(asked[a] & asked[b])
        if not len(both):
            continue
        pair = np.array([a, b])
        places = _linear(turns[pair], shifts[pair], rays[pair][:, both])
        distance = _distances(turns, shifts, rays[:, both], metric[:, both], places)
        capped = np.minimum(np.nan_to_num(distance, nan=np.inf), weights.cutoff_px) ** 2
        cost = np.where(asked[:, both], capped, 0.0).sum(0)
        better = cost < least[both]
        best[both[better]], least[both[better]] = places[better], cost[better]
    return best


def _linear(turns: Floats, shifts: Floats, rays: Floats) -> Floats:
    """Return (N, 3), the least squares of ``x z = X, y z = Y`` over cameras."""
    # Rows of P: (x r3 - r1) X = t1 - x t3.
    rows = rays[..., None] * turns[:, None, None, 2] - turns[:, None, :2]
    right = shifts[:, None, :2] - rays * shifts[:, None, None, 2]
    normal = np.einsum("cnki,cnkj->nij", rows, rows)
    moment = np.einsum("cnki,cnk->ni", rows, right)
    return np.einsum("nij,nj->ni", _inverse(normal), moment)


def _seen(turns: Floats, shifts: Floats, places: Floats) -> Floats:
    """Return (C, N, 3), places in the frames of all cameras."""
    return np.einsum("cij,nj->cni", turns, places) + shifts[:, None]


def _distances(turns: Floats, shifts: Floats, rays: Floats, metric: Floats, places: Floats) -> Floats:
    """Return (C, N) px; infinite behind the camera."""
    seen = _seen(turns, shifts, places)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.einsum("cnij,cnj->cni", metric, seen[..., :2] / seen[..., 2:] - rays)
    distance = np.sqrt((off**2).sum(-1))
    return np.where(seen[..., 2] > 0, distance, np.where(np.isfinite(places).all(-1), np.inf, np.nan))


def _normal(
    turns: Floats,
    shifts: Floats,
    rays: Floats,
    halves: Floats,
    places: Floats,
    used: NDArray[np.bool_],
    cutoff: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Return the normal equations (N, 3, 3) and (N, 3) of the weighted errors."""
    seen = _seen(turns, shifts, places)
    depth = np.where(np.abs(seen[..., 2]) > 1e-9, seen[..., 2], np.nan)
    at = seen[..., :2] / depth[..., None]
    slope = (turns[:, None, :2] - at[..., None] * turns[:, None, None, 2]) / depth[..., None, None]
    jacobian = np.einsum("cnij,cnjk->cnik", halves, slope)
    off = np.einsum("cnij,cnj->cni", halves, at - rays)
    weight = np.where(used & np.isfinite(off).all(-1), 1.0, 0.0)
    if cutoff is not None:
        weight = weight / (1.0 + np.nan_to_num((off**2).sum(-1)) / cutoff**2) ** 2
    jacobian, off = np.nan_to_num(jacobian), np.nan_to_num(off)
    normal = np.einsum("cnki,cnkj,cn->nij", jacobian, jacobian, weight)
    moment = np.einsum("cnki,cnk,cn->ni", jacobian, off, weight)
    return normal, moment


def _step(
    turns: Floats,
    shifts: Floats,
    rays: Floats,
    halves: Floats,
    places: Floats,
    used: NDArray[np.bool_],
    cutoff: Floats | None,
) -> Floats:
    normal, moment = _normal(turns, shifts, rays, halves, places, used, cutoff)
    step = np.einsum("nij,nj->ni", _inverse(normal), moment)
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    return places - step * np.minimum(1.0, 0.5 / np.maximum(length, 1e-12))  # half a metre at most


def _relative(metric: Floats, weights: Weights) -> Floats:
    """Return (C, N): the cutoff in standard deviations of the sharpest key point."""
    return np.full(metric.shape[:2], weights.cutoff_px / weights.floor_px / 2.0)


def _inverse(matrices: Floats) -> Floats:
    """Return the inverses (..., K, K); zero where there is none."""
    good = np.asarray(np.isfinite(matrices).all((-1, -2)))
    safe = np.where(good[..., None, None], matrices, np.eye(matrices.shape[-1]))
    scale = np.abs(safe).max((-1, -2))[..., None, None]
    singular = np.asarray(np.abs(np.linalg.det(safe / np.maximum(scale, 1e-300))) < 1e-15)
    safe = np.where(singular[..., None, None], np.eye(matrices.shape[-1]), safe)
    return np.where((good & ~singular)[..., None, None], np.linalg.inv(safe), 0.0)
