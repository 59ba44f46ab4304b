"""Least squares by Levenberg and Marquardt, for many residuals that each depend on few unknowns.

The normal equations are solved exactly: cameras far apart are tied to each other by long chains of boards,
and iterative solvers stop before these have settled. Errors are tamed by Huber's loss, as weights that are
found anew at each step (Triggs and others, "Bundle Adjustment: A Modern Synthesis", 1999; Marquardt 1963).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]

MOST_STEPS = 100
SETTLED = 1e-10
"""A step that lowers the cost by a smaller part is the last."""


def least_squares(
    residuals: Callable[[Floats], Floats],
    start: Floats,
    jacobian: Callable[[Floats], csr_matrix],
    loss: float,
) -> Floats:
    """Return the unknowns (U,) that make residuals smallest.

    Args:
        residuals: (R,) at unknowns (U,).
        start: (U,).
        jacobian: (R, U) at unknowns.
        loss: residuals beyond this count linearly, not squared.
    """
    x, damping = start, 1e-4
    off = residuals(x)
    cost = _cost(off, loss)
    for _ in range(MOST_STEPS):
        slopes = jacobian(x)
        weighed = slopes.multiply(np.minimum(1, loss / np.maximum(np.abs(off), loss))[:, None])
        normal = (slopes.T @ weighed).toarray()
        scale = np.sqrt(np.diag(normal))
        scale[scale == 0] = 1.0  # what moves nothing, stays
        normal /= np.outer(scale, scale)
        down = -(weighed.T @ off) / scale
        while damping < 1e12:
            try:
                factor = scipy.linalg.cho_factor(normal + damping * np.eye(len(x)))
            except scipy.linalg.LinAlgError:
                damping *= 10
                continue
            step = scipy.linalg.cho_solve(factor, down) / scale
            new = residuals(x + step)
            lower = _cost(new, loss)
            if lower < cost:
                break
            damping *= 10
        else:
            return x  # there is no way down
        settled = cost - lower < SETTLED * cost
        x, off, cost, damping = x + step, new, lower, max(damping / 10, 1e-12)
        if settled:
            break
    return x


def _cost(off: Floats, loss: float) -> float:
    """Return Huber's loss, infinite where residuals are no numbers."""
    size = np.abs(off)
    total = np.where(size <= loss, size**2, 2 * loss * size - loss**2).sum()
    return float(total) if np.isfinite(total) else np.inf
