"""Least squares that settle where residuals are tied in long chains, and that wrong ones do not spoil."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from fusion.geometry.robust import least_squares


def test_a_long_chain_settles_at_its_ends() -> None:
    # Each link is 1 longer than the last; only the first is held. Iterative solvers leave the far end behind.
    links = 400
    steps = csr_matrix(np.eye(links) - np.eye(links, k=-1))
    found = least_squares(lambda x: steps @ x - 1.0, np.zeros(links), lambda x: steps, 1e3)
    assert found == pytest.approx(np.arange(1, links + 1), abs=1e-6)


def test_curved_residuals_settle_from_afar() -> None:
    def residuals(x: np.ndarray) -> np.ndarray:  # Rosenbrock's valley
        return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    def jacobian(x: np.ndarray) -> csr_matrix:
        return csr_matrix([[-20 * x[0], 10.0], [-1.0, 0.0]])

    assert least_squares(residuals, np.array([-1.2, 1.0]), jacobian, 1e3) == pytest.approx([1, 1], abs=1e-6)


def test_wrong_values_do_not_spoil_it_and_trials_that_are_no_numbers_are_taken_back() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(3, 0.1, 80), rng.normal(30, 5, 20)])
    ones = csr_matrix(np.ones((100, 1)))

    def residuals(x: np.ndarray) -> np.ndarray:
        return (x[0] - values) / 0.1 if x[0] < 3.2 else np.full(100, np.nan)

    found = least_squares(residuals, np.array([-20.0]), lambda x: ones * 10, 1.345)
    assert found[0] == pytest.approx(3, abs=0.06)


def test_what_moves_nothing_stays() -> None:
    still, start = csr_matrix((3, 2)), np.array([4.0, 5.0])
    assert least_squares(lambda x: np.ones(3), start, lambda x: still, 1.0).tolist() == [4, 5]
