"""The same events are found in two streams by their pattern; decoys and chance are not."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.latency.estimate import constant
from recordings.latency.events import Events
from recordings.latency.match import match, pairs


def events(*parts: np.ndarray, strength: tuple[float, ...] = ()) -> Events:
    time = np.concatenate(parts)
    power = np.concatenate(
        [np.full(len(p), s) for p, s in zip(parts, strength or (1.0,) * len(parts), strict=True)]
    )
    order = np.argsort(time)
    return Events(time[order], power[order])


@given(
    seed=st.integers(0, 100_000),
    late_ms=st.floats(-280, 280),
    decoys=st.integers(0, 30),
    missed=st.integers(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_five_claps_tell_any_lag_among_decoys(seed: int, late_ms: float, decoys: int, missed: int) -> None:
    rng = np.random.default_rng(seed)
    late = late_ms * 1e-3
    claps = 5.0 + np.cumsum(rng.uniform(0.45, 0.9, 5))
    mine = events(claps, rng.uniform(12, 60, decoys))
    theirs = events(claps[missed:] + late + rng.normal(0, 0.001, 5 - missed), rng.uniform(12, 60, decoys))
    found = match(mine, theirs)
    assert found is not None
    assert abs(found.lag_s - late) < 0.004
    assert len(found.reference) >= 4 - missed
    assert np.isin(found.reference, mine.time).all()
    assert np.isin(found.other, theirs.time).all()


def test_claps_at_an_even_beat_are_not_matched_one_beat_off() -> None:
    claps = 3.0 + 0.25 * np.arange(5)
    found = match(events(claps), events(claps + 0.1))
    assert found is not None
    assert abs(found.lag_s - 0.1) < 1e-6


def test_claps_beside_minutes_of_walking_are_found() -> None:
    rng = np.random.default_rng(6)
    claps = 100.0 + np.cumsum(rng.uniform(0.5, 0.8, 5))
    steps = np.arange(110, 300, 0.55) + rng.normal(0, 0.03, len(np.arange(110, 300, 0.55)))
    swings = np.arange(110, 300, 1.1) + rng.normal(0, 0.2, len(np.arange(110, 300, 1.1)))
    found = match(events(claps, steps), events(claps + 0.08, swings))
    assert found is not None
    assert abs(found.lag_s - 0.08) < 0.002


def test_chance_is_hardly_ever_taken_for_a_match() -> None:
    taken = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(3, 60))
        taken += match(*(events(np.sort(rng.uniform(0, 40, count))) for _ in range(2))) is not None
    assert taken <= 3


@given(st.lists(st.floats(0, 20), max_size=40), st.lists(st.floats(0, 20), max_size=40), st.floats(-0.3, 0.3))
@settings(max_examples=60, deadline=None)
def test_pairs_use_each_event_once(a: list[float], b: list[float], lag: float) -> None:
    mine, theirs = np.sort(np.array(a)), np.sort(np.array(b))
    rows, columns = pairs(mine, theirs, lag, 0.02)
    assert len(set(rows.tolist())) == len(rows) == len(set(columns.tolist()))
    assert (np.abs(theirs[columns] - mine[rows] - lag) <= 0.02 + 1e-9).all()
    found = match(Events(mine, np.ones(len(a))), Events(theirs, np.ones(len(b))))
    assert found is None or np.isfinite(found.lag_s)


@given(
    st.lists(st.floats(-1, 1), min_size=4, max_size=30),
    st.floats(-500, 500),
    st.lists(st.floats(100, 1000), max_size=1),
)
@settings(max_examples=100, deadline=None)
def test_the_constant_ignores_an_outlier_and_is_never_nan(
    noise: list[float], value: float, outliers: list[float]
) -> None:
    differences = np.array([*(value + np.array(noise)), *(value + np.array(outliers))])
    found = constant(differences)
    assert abs(found.value - value) <= 1.0 + 1e-6 or not outliers or np.ptp(noise) > 0.5
    assert np.isfinite([found.value, found.spread, found.uncertainty]).all()
    assert 2 * found.used.sum() >= len(differences)


def test_a_single_difference_is_wholly_uncertain() -> None:
    assert constant(np.array([3.0])).uncertainty == np.inf
