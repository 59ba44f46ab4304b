"""Heatmaps become key points with a covariance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.vision.heatmaps import WINDOW, gaussians, statistics

CELLS = 64
UNIFORM = (WINDOW**2 - 1) / 12
"""Variance of a window of equal evidence, cells²."""


@settings(deadline=None, max_examples=60)
@given(
    x=st.floats(12, 51),
    y=st.floats(12, 51),
    sigma=st.tuples(st.floats(0.9, 1.6), st.floats(0.9, 1.6)),
    turn=st.floats(0, np.pi),
    off=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_mean_and_covariance_of_a_gaussian_are_found(x, y, sigma, turn, off):
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    covariance = axes @ np.diag(np.square(sigma)) @ axes.T
    variance = np.array([[covariance[0, 0], covariance[0, 1], covariance[1, 1]]])
    found = statistics(
        gaussians((CELLS, CELLS), np.array([[x, y]]), variance), np.array([[x + off[0], y + off[1]]])
    )
    assert found.refined.all()
    # The kernel of 9 cells cuts the tail of a wide Gaussian that the guess misses by a cell.
    assert found.points[0] == pytest.approx([x, y], abs=0.15)
    assert found.variance[0] == pytest.approx(variance[0], abs=0.1)


def test_the_largest_cell_is_the_guess_where_there_is_none():
    points, variance = np.array([[20.0, 41.0], [5.0, 60.0]]), np.array([[1.0, 0.2, 1.5]] * 2)
    found = statistics(gaussians((CELLS, CELLS), points, variance))
    assert found.points == pytest.approx(points, abs=0.1)
    assert found.peak == pytest.approx([1, 1])


def test_another_person_elsewhere_does_not_pull_the_joint():
    both = gaussians((CELLS, CELLS), np.array([[20.0, 20.0], [45.0, 30.0]]), np.array([[1.0, 0.0, 1.0]] * 2))
    alone = statistics(both[:1], np.array([[20.5, 20.5]]))
    crowded = statistics(both.sum(0, keepdims=True), np.array([[20.5, 20.5]]))
    assert crowded.points == pytest.approx(alone.points, abs=1e-6)
    assert crowded.variance == pytest.approx(alone.variance, abs=1e-6)


def test_an_empty_map_keeps_the_guess_and_says_it_is_unsure():
    found = statistics(np.zeros((1, CELLS, CELLS), np.float32), np.array([[30.0, 31.0]]))
    assert not found.refined.any()
    assert found.points[0].tolist() == [30.0, 31.0]
    assert found.variance[0] == pytest.approx([UNIFORM, 0, UNIFORM])
    assert found.peak[0] == 0


def test_a_guess_outside_the_map_keeps_its_place_whatever_the_corner_shows():
    corner = gaussians((CELLS, CELLS), np.array([[0.0, 0.0]]), np.array([[1.0, 0.0, 1.0]]))
    for place in ([-3.0, 10.0], [70.0, 3.0]):
        found = statistics(corner, np.array([place]))
        assert found.points[0].tolist() == place
        assert not found.refined.any()
        assert found.peak[0] == 0
        assert (found.variance[0, [0, 2]] > 10).all()


def test_a_spread_map_has_the_larger_variance():
    points = np.array([[32.0, 32.0], [32.0, 32.0]])
    found = statistics(gaussians((CELLS, CELLS), points, np.array([[1.0, 0, 1.0], [4.0, 0, 1.0]])), points)
    assert found.variance[1, 0] > 3 * found.variance[0, 0]
    assert found.variance[1, 2] == pytest.approx(found.variance[0, 2], rel=0.05)
