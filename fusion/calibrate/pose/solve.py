"""The rotation sensor -> bone that agrees best with directions seen in both frames.

Each direction v in the sensor's frame should be w in the bone's, up to a small rotation with a standard
deviation about each axis of the bone. Started by the solution of Wahba's problem with equal weights (Markley,
"Attitude determination using vector observations and the singular value decomposition", J. Astronautical
Sciences 36, 1988), then Gauss-Newton on the rotation's tangent space.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fusion.calibrate.pose.evidence import Evidence

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Solution:
    """A rotation and what it is worth.

    Attributes:
        rotation: sensor -> bone.
        sigma_deg: predicted error about x, y and z of the bone, one standard deviation each.
        misfit_deg: angle by which each direction is off.
        score: each direction's misfit in standard deviations.
        cost: sum of the squared scores.
    """

    rotation: Rotation
    sigma_deg: Array
    misfit_deg: Array
    score: Array
    cost: float

    @property
    def error_deg(self) -> float:
        """Predicted total error, degrees: root of the summed variances."""
        return float(np.sqrt((self.sigma_deg**2).sum()))


def solve(evidence: Sequence[Evidence]) -> Solution | None:
    """Return the best rotation, or None where the directions do not fix one."""
    toward = np.array([one.expected.toward for one in evidence])
    if len(evidence) < 2 or np.linalg.matrix_rank(toward, tol=0.3) < 2:
        return None
    lines = [index for index, one in enumerate(evidence) if one.expected.both_ways]
    best: Solution | None = None
    for signs in itertools.product((1.0, -1.0), repeat=len(lines)):
        seen = np.array([one.seen for one in evidence])
        seen[lines] *= np.array(signs)[:, None] if lines else 1.0
        found = _refine(seen, toward, evidence)
        if best is None or found.cost < best.cost:
            best = found
    return best


def _refine(seen: Array, toward: Array, evidence: Sequence[Evidence]) -> Solution:
    weights = np.array([1.0 / np.radians(one.expected.sigma_deg) ** 2 for one in evidence])  # (n, 3)
    mean = weights.mean(axis=1)
    rotation = _wahba(seen, toward, mean / mean.max())
    # The part of a small rotation along the direction itself shows nothing.
    across = np.eye(3) - toward[:, :, None] * toward[:, None, :]
    weighted = across * weights[:, None, :] @ across
    information = weighted.sum(axis=0)
    for _ in range(8):
        error = _errors(rotation.apply(seen), toward)
        turn = np.linalg.solve(information, np.einsum("nij,nj->i", weighted, error))
        rotation = Rotation.from_rotvec(turn) * rotation
    error = _errors(rotation.apply(seen), toward)
    score = np.sqrt(np.einsum("ni,nij,nj->n", error, weighted, error))
    misfit = np.degrees(np.linalg.norm(error, axis=1))
    covariance = np.linalg.inv(information)
    cost = float((score**2).sum())
    freedom = max(1, 2 * len(evidence) - 3)
    inflation = max(1.0, cost / freedom)
    sigma = np.degrees(np.sqrt(np.diag(covariance) * inflation))
    return Solution(rotation, sigma, misfit, score, cost)


def _errors(turned: Array, toward: Array) -> Array:
    """Return the rotation vectors (n, 3), rad, that bring each turned direction onto what it should be."""
    cross = np.cross(turned, toward)
    sine = np.linalg.norm(cross, axis=1)
    angle = np.arctan2(sine, np.einsum("ni,ni->n", turned, toward))
    return cross * (angle / np.maximum(sine, 1e-9))[:, None]


def _wahba(seen: Array, toward: Array, weight: Array) -> Rotation:
    u, _, vt = np.linalg.svd(np.einsum("n,ni,nj->ij", weight, toward, seen))
    return Rotation.from_matrix(u @ np.diag([1.0, 1.0, np.linalg.det(u) * np.linalg.det(vt)]) @ vt)
