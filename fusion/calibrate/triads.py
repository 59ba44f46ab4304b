"""Biases, scales and cross-axis terms of accelerometer, magnetometer and gyroscope, from rests in several
positions.

At rest the accelerometer reads gravity, of one size in every position: nine numbers (three biases, three
scales,
three angles between the axes) are fitted so that it does (Levenberg-Marquardt). After Tedaldi, Pretto and
Menegatti, "A robust and easy to implement method for IMU calibration without external equipments", ICRA
2014; of
theirs, rests by a threshold on the scatter, the triangular model and the cost are used. The magnetometer's
ellipsoid is
fitted in the same way, over all rows. The gyroscope's scales follow from turns between rests, if there are
enough.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from drivers.imu.calibration import Triad
from fusion.calibrate.rest import Rest

Array = NDArray[np.float64]

GRAVITY = 9.80665

AXES: tuple[tuple[int, int], ...] = tuple((axis, sign) for axis in range(3) for sign in (1, -1))
"""The six positions: which axis points up, and which way."""

NEAR_DEG = 35.0
"""A rest within this of an axis counts as that position."""


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A triad and how well it is known.

    Attributes:
        triad: the correction.
        bias_sigma: (3,) standard deviation of the bias, in its unit.
        residual: root mean square of what is left of the size, in its unit.
        worst: largest of what is left.
    """

    triad: Triad
    bias_sigma: Array
    residual: float
    worst: float


def positions(rests: Sequence[Rest]) -> dict[tuple[int, int], list[Rest]]:
    """Return the rests by the axis that points up in them; those of no axis are left out."""
    out: dict[tuple[int, int], list[Rest]] = {}
    for rest in rests:
        size = np.linalg.norm(rest.force)
        if size < 1e-6:
            continue
        axis = int(np.argmax(np.abs(rest.force)))
        if abs(rest.force[axis]) / size > np.cos(np.radians(NEAR_DEG)):
            out.setdefault((axis, int(np.sign(rest.force[axis]))), []).append(rest)
    return out


def missing(rests: Sequence[Rest]) -> list[str]:
    """Return the positions of the six that no rest shows, as ``x up`` or ``x down``."""
    there = positions(rests)
    return [
        f"{'xyz'[axis]} {'up' if sign > 0 else 'down'}" for axis, sign in AXES if (axis, sign) not in there
    ]


def fit_size(rows: Array, size: float, weights: Array | None = None) -> Fitted:
    """Fit a triad so that all rows (N, 3) have one size.

    The matrix is upper triangular: x keeps its direction, y stays in the plane of x and y.

    Args:
        rows: measured.
        size: theirs in truth.
        weights: (N,), or None for equal ones.
    """
    weights = np.ones(len(rows)) if weights is None else weights
    root = np.sqrt(weights / weights.sum())
    middle = (rows.max(axis=0) + rows.min(axis=0)) / 2
    spread = np.maximum((rows.max(axis=0) - rows.min(axis=0)) / 2, 1e-9)
    start = np.concatenate([middle, np.clip(size / spread, 1e-6, 1e6), np.zeros(3)])
    unit = float(np.median(spread))

    def parts(p: Array) -> tuple[Array, Array]:
        matrix = np.diag(p[3:6])
        matrix[0, 1], matrix[0, 2], matrix[1, 2] = p[6:9]
        return p[:3], matrix

    def error(p: Array) -> Array:
        bias, matrix = parts(p)
        return root * (np.linalg.norm((rows - bias) @ matrix.T, axis=1) - size)

    fit = least_squares(error, start, method="lm" if len(rows) >= 9 else "trf", x_scale=_scale(unit, size))
    bias, matrix = parts(fit.x)
    left = np.linalg.norm((rows - bias) @ matrix.T, axis=1) - size
    spare = max(1, len(rows) - 9)
    try:
        covariance = np.linalg.inv(fit.jac.T @ fit.jac) * float(fit.fun @ fit.fun) / spare * 1.0
        sigma = np.sqrt(np.maximum(np.diag(covariance)[:3], 0))
    except np.linalg.LinAlgError:
        sigma = np.full(3, np.inf)
    return Fitted(Triad(bias, matrix), sigma, float(np.sqrt(np.mean(left**2))), float(np.abs(left).max()))


def _scale(unit: float, size: float) -> Array:
    return np.array([unit] * 3 + [size / unit] * 6)


def fit_six(rests: Sequence[Rest]) -> Fitted:
    """Fit biases and scales to rests that show too few directions for the cross-axis terms.

    Six positions by hand fix three biases and three scales; the angles between the axes stay as built.
    """
    rows = np.array([rest.force for rest in rests])

    def error(p: Array) -> Array:
        return np.linalg.norm((rows - p[:3]) * p[3:], axis=1) - GRAVITY

    fit = least_squares(error, np.array([0.0, 0, 0, 1, 1, 1]), x_scale=[1.0] * 3 + [0.1] * 3)
    left = error(fit.x)
    spare = max(1, len(rows) - 6)
    covariance = np.linalg.pinv(fit.jac.T @ fit.jac) * float(left @ left) / spare
    return Fitted(
        Triad(fit.x[:3], np.diag(fit.x[3:])),
        np.sqrt(np.maximum(np.diag(covariance)[:3], 0)),
        float(np.sqrt(np.mean(left**2))),
        float(np.abs(left).max()),
    )


def coverage(directions: Array) -> float:
    """Return the share of the sphere that directions (N, 3) come near to, 0 to 1.

    Forty-two directions, the corners and edges of an icosahedron, each within 25 degrees.
    """
    golden = (1 + 5**0.5) / 2
    corners = np.array(
        [[0, a, b * golden] for a in (-1, 1) for b in (-1, 1)]
        + [[a, b * golden, 0] for a in (-1, 1) for b in (-1, 1)]
        + [[a * golden, 0, b] for a in (-1, 1) for b in (-1, 1)]
    )
    edges = [
        corners[i] + corners[j]
        for i in range(12)
        for j in range(i)
        if np.linalg.norm(corners[i] - corners[j]) < 2.1
    ]
    sphere = np.vstack([corners, edges])
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    unit = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    near = (unit @ sphere.T).max(axis=0) > np.cos(np.radians(25))
    return float(near.mean())
