"""The 48 ways in which axes are named and signed, and what to call each."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NAMES = "xyz"


def signed_permutations() -> list[Array]:
    """Return all (3, 3) matrices with one +1 or -1 in each row and column, identity first."""
    out = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[np.arange(3), order] = signs
            out.append(matrix)
    return sorted(out, key=_complexity)


def _complexity(matrix: Array) -> tuple[int, int]:
    """Order by how much is wrong: axes that are not where they should be, then signs."""
    return int(3 - np.abs(np.diag(matrix)).sum()), int((matrix < 0).sum())


ALL = signed_permutations()


def best(seen: Array, true: Array, weight: Array | None = None) -> tuple[Array, float, float]:
    """Return the signed permutation M, with seen = M true, that fits best.

    Args:
        seen, true: (n, 3) directions, unit length.
        weight: (n,).

    Returns:
        M, its root mean square angle, and that of the identity, degrees.
    """
    weight = np.ones(len(seen)) if weight is None else weight

    def misfit(matrix: Array) -> float:
        cosine = np.einsum("ni,ni->n", seen, true @ matrix.T)
        angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        return float(np.sqrt((weight * angle**2).sum() / weight.sum()))

    fits = [misfit(matrix) for matrix in ALL]
    index = int(np.argmin(np.array(fits) + 1e-6 * np.arange(len(fits))))
    return ALL[index], fits[index], fits[0]


def told(matrix: Array) -> str:
    """Return what is wrong with axes that read ``matrix`` times the truth, in words; empty if nothing is."""
    if np.array_equal(matrix, np.eye(3)):
        return ""
    swapped = np.abs(np.diag(matrix)) < 0.5
    signs = matrix.sum(axis=1)
    if not swapped.any():
        flipped = [NAMES[i] for i in range(3) if signs[i] < 0]
        if len(flipped) == 3:
            return "all axes inverted"
        return f"{'axis' if len(flipped) == 1 else 'axes'} {' and '.join(flipped)} inverted"
    moved = [NAMES[i] for i in range(3) if swapped[i]]
    reads = ", ".join(
        f"{NAMES[i]} reads {'-' if signs[i] < 0 else ''}{NAMES[int(np.argmax(np.abs(matrix[i])))]}"
        for i in range(3)
        if swapped[i] or signs[i] < 0
    )
    return f"axes {' and '.join(moved) if len(moved) == 2 else 'x, y and z'} swapped ({reads})"


def left_handed(matrix: Array) -> bool:
    """Whether axes that read ``matrix`` times the truth are left-handed."""
    return float(np.linalg.det(matrix)) < 0
