"""The sync figures: right for a clock that is known, finite for any stamps."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from drivers.bus.messages import PROBE
from recordings.rates import local_rates
from recordings.sync import gaps, line_residual, steps, stream_sync
from recordings.sync_clocks import silences, valid

RATE = 100.0


def device(
    seconds: float = 20.0, *, drift_ppm: float = 0.0, lost: slice = slice(0, 0)
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return numbers and true times of a device at 100 Hz."""
    seq = np.delete(np.arange(round(seconds * RATE)), lost)
    return seq.astype(np.uint64), np.rint(seq * 1e9 / (RATE * (1 + drift_ppm * 1e-6))).astype(np.int64)


def measure(seq: NDArray[np.uint64], time: NDArray[np.int64], arrival: NDArray[np.int64]) -> dict[str, float]:
    found = stream_sync(seq, time, np.full(len(time), 5_000), arrival, rate_hz=RATE, regular=True)
    return dataclasses.asdict(found)


@pytest.mark.parametrize("drift_ppm", [-200.0, 0.0, 35.0])
def test_drift_and_jitter_are_those_of_the_device(drift_ppm: float) -> None:
    seq, time = device(drift_ppm=drift_ppm)
    late = np.random.default_rng(1).normal(0, 2e6, len(time)).astype(np.int64)
    found = measure(seq, time, time + 8_000_000 + late)
    assert found["drift_ppm"] == pytest.approx(drift_ppm, abs=0.01)
    assert found["jitter_ms"] == pytest.approx(2.0, rel=0.1)
    assert found["wander_ms"] == pytest.approx(0.0, abs=1e-5)
    assert found["bound_ms"] == found["bound_max_ms"] == pytest.approx(0.005)
    assert found["steps"] == found["gaps"] == 0


def test_missing_rows_are_gaps_and_no_steps() -> None:
    seq, time = device(lost=slice(500, 540))
    found = measure(seq, time, time)
    assert (found["gaps"], found["gap_rows"], found["steps"]) == (1, 40, 0)
    where, missing = gaps(seq, np.ones(len(seq), np.int64))
    assert where.tolist() == [500]
    assert missing.tolist() == [40]


def test_rows_of_a_block_are_no_gap() -> None:
    seq = np.arange(0, 6400, 64).astype(np.uint64)
    seq[50:] += np.uint64(128)
    time = seq.astype(np.int64) * 1_000_000
    found = stream_sync(
        seq,
        time,
        np.zeros(100, np.int64),
        time,
        rate_hz=1000.0,
        regular=True,
        rows_of=np.full(100, 64),
    )
    assert (found.gaps, found.gap_rows, found.steps) == (1, 128, 0)
    assert found.drift_ppm == pytest.approx(0.0, abs=1e-6)


def test_a_jump_that_lasts_is_a_step_and_a_late_row_is_none() -> None:
    seq, time = device()
    time[1200:] += 30_000_000
    time[400] += 9_000_000
    assert steps(seq, time).tolist() == [1200]


def test_a_device_that_counts_again_has_stepped() -> None:
    seq, time = device()
    seq[1000:] -= seq[1000]
    assert steps(seq, time).tolist() == [1000]
    assert np.abs(line_residual(seq, time)).max() < 1000


def test_an_irregular_stream_has_no_line() -> None:
    seq, time = device()
    found = stream_sync(seq, time, np.zeros(len(time), np.int64), time)
    assert found.wander_ms is found.drift_ppm is found.drift_spread_ppm is None


numbers = st.integers(0, 2**40)


@settings(max_examples=200, deadline=None)
@example([(0, 0, 0, 0), (0, 0, 0, 0), (1, 1, 0, 0)], 2.2250738585072014e-308, True)
@given(
    st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=60),
    st.floats(0, 1e4),
    st.booleans(),
)
def test_figures_are_finite_whatever_the_stamps(
    rows: list[tuple[int, int, int, int]], rate_hz: float, regular: bool
) -> None:
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    found = stream_sync(
        columns[0].astype(np.uint64), columns[1], columns[2], columns[3], rate_hz=rate_hz, regular=regular
    )
    for name, value in dataclasses.asdict(found).items():
        assert value is None or isinstance(value, str) or math.isfinite(value), name
    assert found.gap_rows >= found.gaps >= 0


@settings(max_examples=50, deadline=None)
@given(st.floats(-300, 300), st.floats(0, 0.3), st.integers(0, 2**32 - 1))
def test_the_drift_is_found_with_any_loss_and_jitter(drift_ppm: float, loss: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    seq, time = device(30.0, drift_ppm=drift_ppm)
    kept = generator.random(len(seq)) >= loss
    noisy = time + generator.normal(0, 0.2e6, len(time)).astype(np.int64)
    found = measure(seq[kept], noisy[kept], noisy[kept])
    assert found["drift_ppm"] == pytest.approx(drift_ppm, abs=5.0)
    assert found["gap_rows"] == int(np.flatnonzero(kept)[-1] - np.flatnonzero(kept)[0] + 1 - kept.sum())


def test_rates_of_parts_show_a_rate_that_changes() -> None:
    seq = np.arange(2000).astype(np.uint64)
    time = np.cumsum(np.where(np.arange(2000) < 1000, 10_000_000, 9_000_000)).astype(np.int64)
    rates = local_rates(seq, time, 10)
    assert rates == pytest.approx([100.0] * 5 + [1000 / 9] * 5, rel=1e-6)
    assert len(local_rates(seq[:7], time[:7], 10)) == 0


def probes_at(seconds: NDArray[np.float64]) -> NDArray[np.void]:
    probes = np.zeros(len(seconds), PROBE)
    sent = (seconds * 1e9).astype(np.int64)
    for name, after in (("t0", 0), ("t1", 10**15), ("t2", 10**15), ("t3", 1000)):
        probes[name] = sent + after
    return probes


def test_silences_of_probes_are_found_at_both_ends_and_between() -> None:
    rows = 100_000_000_000, 200_000_000_000
    steady = np.arange(90.0, 205.0)
    assert silences(probes_at(steady), *rows) == []
    between = silences(probes_at(np.concatenate((steady[:30], steady[60:]))), *rows)
    assert [(round(since * 1e-9), round(length)) for since, length in between] == [(119, 31)]
    end = silences(probes_at(steady[:60]), *rows)
    assert [(round(since * 1e-9), round(length)) for since, length in end] == [(149, 51)]
    none = silences(probes_at(np.empty(0)), *rows)
    assert [(round(since * 1e-9), round(length)) for since, length in none] == [(100, 100)]


def test_probes_that_cannot_be_do_not_count() -> None:
    probes = probes_at(np.array([3.0, 1.0, 1.0, 2.0]))
    probes["t3"][3] = probes["t0"][3] - 1
    assert (valid(probes)["t0"] * 1e-9).tolist() == [1.0, 3.0]
