"""Blows are felt finer than the samples lie apart; swings, gaps and damaged rows are no blows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.latency.shocks import instants, shocks


def felt(
    rng: np.random.Generator, t: np.ndarray, at: np.ndarray, frequency: float, decay: float
) -> np.ndarray:
    """A swinging arm that is struck: specific force (N, 3) m/s²."""
    swing = np.stack([6 * np.sin(2 * np.pi * f * t + p) for f, p in ((0.9, 0.1), (1.7, 1.0), (1.3, 2.0))], 1)
    out = swing + np.array([0.0, 0.0, 9.8]) + rng.normal(0, 0.03, (len(t), 3))
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    for instant in at:
        since = np.maximum(t - instant, 0.0)
        wave = np.exp(-since / decay) * np.sin(2 * np.pi * frequency * since)
        out += rng.uniform(12, 30) * wave[:, None] * direction
    return out


@given(
    seed=st.integers(0, 10_000),
    rate=st.sampled_from([100.0, 200.0, 400.0]),
    late_ms=st.floats(-100, 100),
    frequency=st.floats(14, 40),
    decay=st.floats(0.015, 0.06),
)
@settings(max_examples=20, deadline=None)
def test_blows_at_known_instants_tell_their_latency_to_two_milliseconds(
    seed: int, rate: float, late_ms: float, frequency: float, decay: float
) -> None:
    rng = np.random.default_rng(seed)
    at = 1.0 + np.cumsum(rng.uniform(0.4, 0.8, 5))
    t = rng.uniform(0, 1 / rate) + np.arange(round(6 * rate)) / rate
    force = felt(rng, t, at, frequency, decay)
    kept = rng.random(len(t)) > 0.02
    late = late_ms * 1e-3
    near = at + late + rng.uniform(-0.006, 0.012)
    fine = instants(t[kept] + late, force[kept], near, locked=True)
    assert fine.sure.sum() >= 4
    assert abs(np.median(fine.time - late - at)) < 2e-3


def test_each_blow_is_found_once_and_swings_are_not() -> None:
    rng = np.random.default_rng(4)
    at = np.array([1.0, 1.6, 2.3, 2.9, 3.4])
    t = np.arange(0, 8, 0.01)
    found = shocks(t, felt(rng, t, at, 25.0, 0.03))
    assert len(found) == 5
    assert np.abs(found.time - at).max() < 0.03
    assert len(shocks(t, felt(rng, t, np.zeros(0), 25.0, 0.03))) == 0


def test_rows_that_are_missing_make_no_blow() -> None:
    t = np.arange(0, 8, 0.01)
    force = felt(np.random.default_rng(5), t, np.zeros(0), 25.0, 0.03)
    kept = (np.abs(t - 3) > 0.15) & (np.arange(len(t)) % 37 > 0)
    assert len(shocks(t[kept], force[kept])) == 0


@given(seed=st.integers(0, 10_000), count=st.integers(0, 200))
@settings(max_examples=40, deadline=None)
def test_whatever_rows_give_finite_times(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, 2, count)  # in no order, some twice
    t[: count // 4] = np.round(t[: count // 4], 1)
    force = rng.normal(0, rng.choice([0.0, 1.0, 1e6]), (count, 3))
    force[rng.random(force.shape) < 0.05] = rng.choice([np.nan, np.inf])
    found = shocks(t, force)
    assert np.isfinite(found.time).all()
    assert (np.diff(found.time) > 0).all()
    near = rng.uniform(0, 2, 4)
    assert np.isfinite(instants(t, force, near).time).all()
    assert np.isfinite(instants(t, force, near, locked=True).time).all()
