"""The line along the lower edge: finite for anything, exact without jitter, unmoved by bursts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.clock.device_line import fit_line, lower_edge
from drivers.clock.device_step import Waits

FINITE = st.floats(-1e15, 1e15)


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.floats(0, 1e6), FINITE), min_size=1, max_size=60),
    st.floats(-1e3, 1e6),
    st.sampled_from([0.05, 0.1, 0.5]),
)
def test_any_points_give_a_finite_line(points, centre, asymmetry):
    x, z = (np.array(column) for column in zip(*sorted(points), strict=True))
    fit = fit_line(x, z, centre, asymmetry=asymmetry)
    numbers = (fit.level, fit.slope, fit.level_sd, fit.slope_sd, fit.edge, fit.edge_error, fit.scatter)
    assert np.all(np.isfinite(numbers))
    assert abs(fit.slope) <= 3e7
    assert fit.error(centre) > 0


@given(st.floats(-2e5, 2e5), st.floats(-1e9, 1e9), st.integers(20, 400))
def test_points_on_a_line_give_that_line(slope, level, n):
    x = np.arange(n) * 0.25
    fit = fit_line(x, level + slope * x, float(x[-1]))
    assert np.max(np.abs(fit(x) - level - slope * x)) < 1000  # ns
    assert abs(fit.slope - slope) < 50  # 0.05 ppm


def test_a_burst_of_jitter_moves_the_line_by_less_than_a_tenth_of_itself():
    rng = np.random.default_rng(3)
    x = np.arange(480) * 0.25
    z = rng.weibull(2, 480) * 1e6
    calm = fit_line(x, z, 120.0)
    z[300:340] += 20e6
    assert abs(float(fit_line(x, z, 120.0)(x[-1:])[0] - calm(x[-1:])[0])) < 0.1e6


def test_a_pace_beyond_a_crystals_is_found_within_a_second():
    rng = np.random.default_rng(4)
    x = np.arange(60) / 60
    fit = fit_line(x, 1e7 * x + rng.exponential(1e5, 60), 1.0)
    assert fit.slope == pytest.approx(1e7, rel=0.05)
    assert fit.slope_sd < 1e6


@pytest.mark.parametrize("shape", [1, 2])
def test_the_edge_error_contains_the_least_delay(shape):
    rng = np.random.default_rng(shape)
    edges = [lower_edge(1e6 * rng.weibull(shape, 256)) for _ in range(500)]
    assert np.mean([abs(edge) <= error for edge, error in edges]) > 0.97


def test_rows_polled_in_step_may_hide_a_period_and_rows_polled_at_random_do_not():
    rng = np.random.default_rng(0)
    x = np.arange(400) * 0.01
    flat = lambda at: np.zeros(len(at))  # noqa: E731
    for phase, hidden in ((np.zeros(200), 10e6), (rng.uniform(0, 10e6, 200), 1.5e6)):
        came = np.repeat(x[1::2] * 1e9 + phase, 2)
        waits = Waits(0.01)
        waits.add(x, came - x * 1e9, came.astype(np.int64))
        assert waits.hidden(flat) <= hidden
        assert waits.hidden(flat) > (9.9e6 if hidden == 10e6 else 0)
